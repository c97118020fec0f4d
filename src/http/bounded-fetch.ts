import { withinDeadline } from '../async/timeout'

/** Why an exchange gave no usable response. */
export type ExchangeFault = 'timeout' | 'network' | 'too_large' | 'redirect' | 'encoding'

/** An exchange without a usable response. Contains no part of request or response. */
export class ExchangeError extends Error {
  override name = 'ExchangeError'
  readonly fault: ExchangeFault
  /** Node's error code, such as `ECONNREFUSED`, if there is one. */
  readonly systemCode: string | undefined

  constructor(fault: ExchangeFault, systemCode?: string) {
    super(systemCode === undefined ? fault : `${fault} (${systemCode})`)
    this.fault = fault
    this.systemCode = systemCode
  }
}

/** A response, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** Limits of one exchange. */
export interface Bounds {
  /** Milliseconds from the call to the last byte. */
  timeout: number
  /** Bytes of body after inflation. */
  maxBytes: number
  /** Return a redirect as a response instead of an error. It is never followed. @default false */
  showsRedirects?: boolean
}

/**
 * One HTTP exchange that always settles: within the timeout, with a body within the limit, from exactly this URL. Redirects
 * are rejected, since fetch would post the body, secrets included, to the new URL.
 *
 * @throws {ExchangeError}
 */
export async function boundedFetch(
  fetch: typeof globalThis.fetch,
  url: string,
  init: RequestInit,
  bounds: Bounds,
): Promise<Answer> {
  const controller = new AbortController()
  const answer = exchange(fetch, url, { ...init, signal: controller.signal }, bounds)
  try {
    // A custom fetch may ignore the signal, so the wait has its own timeout.
    return await withinDeadline(answer, bounds.timeout, () => new ExchangeError('timeout'))
  } catch (error) {
    controller.abort()
    throw error instanceof ExchangeError ? error : new ExchangeError('network', systemCodeOf(error))
  }
}

async function exchange(
  fetch: typeof globalThis.fetch,
  url: string,
  init: RequestInit,
  { maxBytes, showsRedirects = false }: Bounds,
): Promise<Answer> {
  const response = await fetch(url, { ...init, redirect: 'manual' })
  if (showsRedirects) return answerOf(response, maxBytes)
  if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) {
    await response.body?.cancel()
    throw new ExchangeError('redirect')
  }
  return answerOf(response, maxBytes)
}

async function answerOf(response: Response, maxBytes: number): Promise<Answer> {
  return { status: response.status, headers: response.headers, text: await readText(response, maxBytes) }
}

/**
 * Reads a body as UTF-8.
 *
 * @throws {ExchangeError} `too_large` or `encoding`
 */
export async function readText(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = response.body?.getReader()
  while (reader !== undefined) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.byteLength
    if (size > maxBytes) {
      // Not awaited: for a clone, that would take until the other copy is read.
      reader.cancel().catch(() => {})
      throw new ExchangeError('too_large')
    }
    chunks.push(value)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    throw new ExchangeError('encoding')
  }
}

/**
 * The system's code of a connection that failed, such as `ECONNREFUSED`. By shape, not class: in the user's Jest, Node's errors
 * belong to another realm.
 */
export function systemCodeOf(error: unknown): string | undefined {
  const { cause, code } = Object(error) as { cause?: unknown; code?: unknown }
  const found = cause === undefined ? code : (Object(cause) as { code?: unknown }).code
  return typeof found === 'string' && /^[A-Z][A-Z0-9_]{1,40}$/.test(found) ? found : undefined
}
