import { setTimeout as pause } from 'node:timers/promises'
import { isAnyArrayBuffer } from 'node:util/types'
import { RequestRefusedError } from '../errors'
import { parseRetryAfter } from '../http/retry-after'

/** Gives access tokens for one API: a user's or an app's. */
export interface TokenSource {
  /** Origin of the API that its tokens are for; empty where nobody is there to have any. */
  readonly apiURL: string
  /** An access token; another one than `refused`, where the API has refused that. */
  token(refused?: string): string | Promise<string>
  /** The API has refused the other token too. Gives one more, if that may help. */
  refusedToo(refused: string): Promise<string> | undefined
}

/** One that is held, one that somebody else has got, and a new one: no more tokens are tried for one request. */
const mostTokens = 3

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
 * once more with another token, if the body can be sent again; with a new one, if that other one was none.
 */
export type BearerFetch = (pathOrURL: string, init?: BearerInit) => Promise<Response>

/**
 * Makes a `fetch` that sends the source's token, to the source's API and nowhere else: another origin is refused, and
 * so is a redirect.
 */
export function bearerFetch(fetch: typeof globalThis.fetch, source: TokenSource): BearerFetch {
  return async (pathOrURL, { retry = 0, ...init } = {}) => {
    // Who has no API has no token either, and it is the source that says why.
    if (source.apiURL === '') await source.token()
    const url = apiURLOf(pathOrURL, source.apiURL)
    for (let attempt = 0; ; attempt++) {
      const answer = await sendWithTokens(fetch, source, url, init)
      if (answer.status !== 429 || !(attempt < retry) || !canBeSentAgain(init.body)) return answer
      discard(answer)
      await wait(parseRetryAfter(answer.headers) ?? 1, init.signal)
    }
  }
}

/** Once, and again with another token where the one before was refused. */
async function sendWithTokens(
  fetch: typeof globalThis.fetch,
  source: TokenSource,
  url: string,
  init: RequestInit,
): Promise<Response> {
  let token = await unlessAborted(() => source.token(), init.signal)
  for (let tokens = 1; ; tokens++) {
    const answer = await send(fetch, url, init, token)
    if (answer.status !== 401 || !canBeSentAgain(init.body)) return answer
    const refused = token
    try {
      const other = () => (tokens === 1 ? source.token(refused) : source.refusedToo(refused))
      token = (await unlessAborted(other, init.signal)) ?? refused
    } catch (error) {
      discard(answer)
      throw error
    }
    if (token === refused || tokens === mostTokens) return answer
    discard(answer)
  }
}

/** The caller goes as soon as the signal says so; what is being waited for goes on, for whoever needs it. */
async function unlessAborted<T>(
  start: () => T | Promise<T>,
  signal: AbortSignal | null | undefined,
): Promise<T> {
  signal?.throwIfAborted()
  const work = start()
  if (!signal || !(work instanceof Promise)) return work
  let abort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', abort)
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function wait(seconds: number, signal: AbortSignal | null | undefined): Promise<void> {
  try {
    await pause(seconds * 1000, undefined, signal ? { signal } : {})
  } catch (error) {
    signal?.throwIfAborted() // With the caller's own reason, as fetch does.
    throw error
  }
}

/** Frees the connection of an answer that nobody will read. It may have broken meanwhile. */
function discard(answer: Response): void {
  answer.body?.cancel().catch(() => {})
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
  discard(answer)
  throw new RequestRefusedError(
    'PagerDuty’s API answered with a redirect, which is not followed with a token',
    {
      code: 'ERR_PAGERDUTY_API_REDIRECT',
      status: 502,
    },
  )
}

/** By its beginning: the origin of a `blob:` URL is that of the URL inside, and one with a user name has it too. */
function apiURLOf(pathOrURL: string, apiURL: string): string {
  const url = URL.canParse(pathOrURL, apiURL) ? new URL(pathOrURL, apiURL) : undefined
  if (url?.href.startsWith(`${apiURL}/`)) return url.href
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
    isAnyArrayBuffer(body) ||
    body instanceof URLSearchParams ||
    body instanceof FormData ||
    body instanceof Blob
  )
}
