import { isAnyArrayBuffer } from 'node:util/types'
import { RequestRefusedError } from '../errors/errors'
import { systemCodeOf } from '../http/bounded-fetch'
import { parseURL } from '../http/request-url'
import { APIError } from '../errors/pagerduty-errors'

/** Frees the connection of a response that is not read. It may have broken meanwhile. */
export function discard(answer: Response): void {
  answer.body?.cancel().catch(() => {})
}

/** Sends one request with a token. A response comes from exactly this URL: a redirect would take the token along. */
export async function send(
  fetch: typeof globalThis.fetch,
  url: string,
  init: RequestInit,
  token: string,
): Promise<Response> {
  const headers = new Headers(init.headers)
  headers.set('Authorization', `Bearer ${token}`)
  if (!headers.has('Accept')) headers.set('Accept', 'application/vnd.pagerduty+json;version=2')
  let answer: Response
  try {
    answer = await fetch(url, { ...init, headers, redirect: 'manual' })
  } catch (error) {
    throw unreachable(error, url) ?? error
  }
  if (
    answer.type !== 'opaqueredirect' &&
    (answer.status < 300 || answer.status >= 400 || answer.status === 304)
  ) {
    return answer
  }
  discard(answer)
  throw new RequestRefusedError(
    'PagerDuty’s API responded with a redirect, which is not followed with a token',
    {
      code: 'ERR_PAGERDUTY_API_REDIRECT',
      status: 502,
    },
  )
}

/** What `fetch` rejects with where no response came; undefined for anything else, such as the reason of a signal. */
function unreachable(error: unknown, url: string): APIError | undefined {
  // By name: a test runner may have a TypeError of its own.
  const { name, cause } = Object(error) as { name?: unknown; cause?: unknown }
  if (name !== 'TypeError' || cause === undefined) return undefined
  const code = systemCodeOf(error)
  const message = `${new URL(url).host} could not be reached${code === undefined ? '' : ` (${code})`}`
  return new APIError(message, { httpStatus: undefined, cause: error })
}

/** Compares the beginning, not the origin: a `blob:` URL has that of the URL inside, and one with a user name has it too. */
export function apiURLOf(
  pathOrURL: string | URL,
  { apiURL, mcpURL = apiURL }: { readonly apiURL: string; readonly mcpURL?: string | undefined },
): string {
  // A Request would be sent as a GET of "[object Request]".
  const target: unknown = typeof pathOrURL === 'string' ? pathOrURL : Object(pathOrURL).href
  const url = typeof target === 'string' ? parseURL(target, apiURL) : undefined
  if ([apiURL, mcpURL].some((origin) => url?.href.startsWith(`${origin}/`))) return (url as URL).href
  const allowed = [...new Set([apiURL, mcpURL])].join(' and ')
  throw new RequestRefusedError(`A PagerDuty token is sent to ${allowed} only`, {
    code: 'ERR_PAGERDUTY_FOREIGN_URL',
    status: 500,
    hint: 'Give a path such as "/incidents", or a URL of that origin; of a Request, its url and what else it has as options.',
  })
}

/** Whether a body is still there once it was sent; a stream is not. */
export function canBeSentAgain(body: RequestInit['body']): boolean {
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
