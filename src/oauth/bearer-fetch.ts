import { setTimeout as pause } from 'node:timers/promises'
import { isAnyArrayBuffer } from 'node:util/types'
import { RequestRefusedError } from '../errors'
import { parseURL } from '../http/request-url'
import { parseRetryAfter } from '../http/retry-after'

/** Access tokens for one API: a user's or the app's. */
export interface TokenSource {
  /** Origin of the API that the tokens are for; empty where no user is logged in. */
  readonly apiURL: string
  /** An access token; another one than `rejected`, which the API rejected. */
  token(rejected?: string): string | Promise<string>
  /** The API rejected the other token too. Returns one more, if that may help. */
  markRejected(rejected: string): Promise<string> | undefined
}

/** The cached one, one that another process requested, and a new one: one request tries no more tokens. */
const mostTokens = 3

/** Options of `fetch` beside those of the global one. */
export interface BearerInit extends RequestInit {
  /**
   * How often to try again after a 429, each time after as many seconds as PagerDuty asks for (`ratelimit-reset`, or
   * `Retry-After`; one where it asks for none). A `signal` ends the wait too. @default 0
   */
  retry?: number | undefined
}

/**
 * `fetch` with an access token. Takes a path below the API's origin, or a whole URL of that origin. After a 401 it tries
 * once more with another token, if the body can be sent again; and with a new one, if the other was not new.
 */
export type BearerFetch = (pathOrURL: string, init?: BearerInit) => Promise<Response>

/**
 * Makes a `fetch` that sends the source's token to the source's API and nowhere else: it rejects other origins and
 * redirects.
 */
export function bearerFetch(fetch: typeof globalThis.fetch, source: TokenSource): BearerFetch {
  return async (pathOrURL, { retry = 0, ...init } = {}) => {
    // Without an API there is no token either, and the source throws an error that says why.
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

/** Sends a request, and again with another token where the API rejects the one before. */
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
    const rejected = token
    try {
      const other = () => (tokens === 1 ? source.token(rejected) : source.markRejected(rejected))
      token = (await unlessAborted(other, init.signal)) ?? rejected
    } catch (error) {
      discard(answer)
      throw error
    }
    if (token === rejected || tokens === mostTokens) return answer
    discard(answer)
  }
}

/** Stops waiting when the signal says so. The work goes on for other callers. */
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

/** Frees the connection of a response that is not read. It may have broken meanwhile. */
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

/** Compares the beginning, not the origin: a `blob:` URL has that of the URL inside, and one with a user name has it too. */
function apiURLOf(pathOrURL: string, apiURL: string): string {
  const url = parseURL(pathOrURL, apiURL)
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
