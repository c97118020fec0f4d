import { setTimeout as pause } from 'node:timers/promises'
import { RequestRefusedError } from './errors'
import { parseWait } from './token-endpoint'

/** Gives access tokens for one API: a user's, refreshed, or an app's, minted. */
export interface TokenSource {
  /** Origin of the API that its tokens are for. */
  readonly apiURL: string
  /** An access token; another one than `refused`, where the API has refused that. */
  token(refused?: string): string | Promise<string>
  /** The API has refused the other token too, so another one would not help. */
  refusedToo(): void
}

/** What `fetch` takes besides what the global one takes. */
export interface BearerInit extends RequestInit {
  /**
   * How often to try again after a 429, each time after as many seconds as PagerDuty asks for (`ratelimit-reset`, or
   * `Retry-After`; one where it asks for none). A `signal` ends the wait too. @default 0
   */
  retry?: number | undefined
}

/**
 * `fetch` with an access token. Takes a path below the API's origin, or a whole URL of that origin. After a 401 it tries
 * once more with another token, if the body can be sent again.
 */
export type BearerFetch = (pathOrURL: string, init?: BearerInit) => Promise<Response>

/**
 * Makes a `fetch` that sends the source's token, to the source's API and nowhere else: another origin is refused, and
 * so is a redirect.
 */
export function bearerFetch(fetch: typeof globalThis.fetch, source: TokenSource): BearerFetch {
  return async (pathOrURL, { retry = 0, ...init } = {}) => {
    const url = apiURLOf(pathOrURL, source.apiURL)
    for (let attempt = 0; ; attempt++) {
      const answer = await sendOnceMore(fetch, source, url, init)
      if (answer.status !== 429 || attempt >= retry || !canBeSentAgain(init.body)) return answer
      await answer.body?.cancel()
      const seconds = parseWait(answer.headers) ?? 1
      await pause(seconds * 1000, undefined, init.signal ? { signal: init.signal } : {})
    }
  }
}

/** Once, and once more with another token where the first was refused. */
async function sendOnceMore(
  fetch: typeof globalThis.fetch,
  source: TokenSource,
  url: string,
  init: RequestInit,
): Promise<Response> {
  const token = await source.token()
  const answer = await send(fetch, url, init, token)
  if (answer.status !== 401 || !canBeSentAgain(init.body)) return answer
  const other = await source.token(token)
  if (other === token) return answer
  await answer.body?.cancel()
  const second = await send(fetch, url, init, other)
  if (second.status === 401) source.refusedToo()
  return second
}

async function send(
  fetch: typeof globalThis.fetch,
  url: string,
  init: RequestInit,
  token: string,
): Promise<Response> {
  const headers = new Headers(init.headers)
  headers.set('Authorization', `Bearer ${token}`)
  if (!headers.has('Accept')) headers.set('Accept', 'application/vnd.pagerduty+json;version=2')
  const answer = await fetch(url, { ...init, headers, redirect: 'manual' })
  if (
    answer.type !== 'opaqueredirect' &&
    (answer.status < 300 || answer.status >= 400 || answer.status === 304)
  ) {
    return answer
  }
  await answer.body?.cancel()
  throw new RequestRefusedError(
    'PagerDuty’s API answered with a redirect, which is not followed with a token',
    {
      code: 'ERR_PAGERDUTY_API_REDIRECT',
      status: 502,
    },
  )
}

function apiURLOf(pathOrURL: string, apiURL: string): string {
  const url = URL.canParse(pathOrURL, apiURL) ? new URL(pathOrURL, apiURL) : undefined
  if (url?.origin === apiURL) return url.href
  throw new RequestRefusedError(`A PagerDuty token is sent to ${apiURL} only`, {
    code: 'ERR_PAGERDUTY_FOREIGN_URL',
    status: 500,
    hint: 'Give a path such as "/incidents", or a URL of that origin.',
  })
}

function canBeSentAgain(body: RequestInit['body']): boolean {
  return (
    body === undefined ||
    body === null ||
    typeof body === 'string' ||
    ArrayBuffer.isView(body) ||
    body instanceof ArrayBuffer ||
    body instanceof URLSearchParams ||
    body instanceof FormData ||
    body instanceof Blob
  )
}
