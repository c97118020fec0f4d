import { RequestRefusedError } from './errors'

/** Gives access tokens for one API: a user's, refreshed, or an app's, minted. */
export interface TokenSource {
  /** Origin of the API that its tokens are for. */
  readonly apiURL: string
  /** An access token; another one than `refused`, where the API has refused that. */
  token(refused?: string): string | Promise<string>
  /** The API has refused the other token too, so another one would not help. */
  refusedToo(): void
}

/** `fetch` with an access token. Takes a path below the API's origin, or a whole URL of that origin. */
export type BearerFetch = (pathOrURL: string, init?: RequestInit) => Promise<Response>

/**
 * Makes a `fetch` that sends the source's token, to the source's API and nowhere else: another origin is refused, and
 * so is a redirect. After a 401 it asks for another token and tries once more, if the body can be sent again.
 */
export function bearerFetch(fetch: typeof globalThis.fetch, source: TokenSource): BearerFetch {
  return async (pathOrURL, init = {}) => {
    const url = apiURLOf(pathOrURL, source.apiURL)
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
