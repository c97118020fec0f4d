import { setTimeout as pause } from 'node:timers/promises'
import { apiURLOf, canBeSentAgain, discard, send } from './api-request'
import { declaresFrom, operationOf } from '../scopes/operations'
import { RateLimits, type TokenOwner } from './rate-limits'

/** Access tokens for one API: a user's or the app's. @internal */
export interface TokenSource {
  /** Origin of the API that the tokens are for; empty where no user is logged in. */
  readonly apiURL: string
  /** Origin of the MCP server that takes the same tokens, if there is one. */
  readonly mcpURL?: string | undefined
  readonly owner?: TokenOwner | undefined
  /** The `From` header of operations that declare one. */
  readonly from?: string | undefined
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
   * How often to try again after a 429, each time after as many seconds as PagerDuty names (`ratelimit-reset`, or
   * `Retry-After`; one where it names none). While the limit of the token is known to be exhausted, the first try waits as
   * well. A `signal` ends the wait too. @default 0
   */
  retry?: number | undefined
}

/**
 * `fetch` with an access token. Takes a path below the API's origin, or a whole URL of that origin or of the MCP server. After a 401 it tries
 * once more with another token, if the body can be sent again; and with a new one, if the other was not new.
 */
export type BearerFetch = (pathOrURL: string | URL, init?: BearerInit) => Promise<Response>

const calls = new WeakMap<Response, { owner: TokenOwner | undefined; request: string }>()

/**
 * The call that a response belongs to, whose token made it, and its operation in the catalogue; undefined for a response
 * that no {@link BearerFetch} returned.
 *
 * @internal
 */
export function callOf(answer: Response) {
  const call = calls.get(answer)
  return call && { owner: call.owner, operation: operationOf(call.request) }
}

/**
 * Makes a `fetch` that sends the source's token to the source's API and MCP server and nowhere else: it rejects other origins and
 * redirects.
 *
 * @internal
 */
export function bearerFetch(
  fetch: typeof globalThis.fetch,
  source: TokenSource,
  limits = new RateLimits(),
): BearerFetch {
  return async (pathOrURL, { retry = 0, ...init } = {}) => {
    const { owner, apiURL, from } = source
    // Without an API there is no token either, and the source throws an error that says why.
    if (apiURL === '') await source.token()
    const url = apiURLOf(pathOrURL, source)
    const request = `${init.method?.toUpperCase() ?? 'GET'} ${new URL(url).pathname}`
    if (from !== undefined && declaresFrom(request)) init.headers = withFrom(init.headers, from)
    for (let attempt = 0; ; attempt++) {
      if (retry > 0) await wait(limits.secondsLeft(owner, request), init.signal)
      const answer = await sendWithTokens(fetch, source, url, init)
      limits.note(owner, request, answer)
      if (answer.status !== 429 || !(attempt < retry) || !canBeSentAgain(init.body)) {
        calls.set(answer, { owner, request })
        return answer
      }
      discard(answer)
    }
  }
}

function withFrom(given: BearerInit['headers'], from: string): Headers {
  const headers = new Headers(given)
  if (!headers.has('From')) headers.set('From', from)
  return headers
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
    if (answer.status !== 401) return answer
    const rejected = token
    // For a body that cannot be sent again too: else the next call would have the rejected token as well.
    try {
      const other = () => (tokens === 1 ? source.token(rejected) : source.markRejected(rejected))
      token = (await unlessAborted(other, init.signal)) ?? rejected
    } catch (error) {
      discard(answer)
      throw error
    }
    if (token === rejected || tokens === mostTokens || !canBeSentAgain(init.body)) return answer
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
  if (seconds === 0) return
  try {
    await pause(seconds * 1000, undefined, signal ? { signal } : {})
  } catch (error) {
    signal?.throwIfAborted() // With the caller's own reason, as fetch does.
    throw error
  }
}
