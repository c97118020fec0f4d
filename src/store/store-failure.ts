import { causeWith } from '../errors/error-cause'
import { ConfigurationError, TokenStoreError } from '../errors/errors'

/**
 * What a server by URL fails with at the start: the same, with host and port (or the socket) and what to do.
 *
 * @param port that of servers of this kind
 */
export function unusable(
  server: string,
  url: string,
  port: number,
  failure: TokenStoreError,
): TokenStoreError {
  const { hostname, port: own, searchParams } = new URL(url)
  const host = decodeURIComponent(hostname) || searchParams.get('host') || 'localhost'
  const place = host.startsWith('/') ? host : `${host}:${own || port}`
  const { message } = failure.cause instanceof Error ? failure.cause : failure
  const start = `Start ${server}, or correct the URL of the token store: npx passport-pagerduty doctor checks it.`
  return Object.assign(
    new TokenStoreError(`${server} at ${place} cannot be used: ${message}`, failure.cause),
    {
      // That of a missing table says how to make it.
      hint: failure.hint?.includes('doctor') ? start : failure.hint,
    },
  )
}

/**
 * The error of a store whose driver failed, without the driver's message: drivers put keys and values into theirs, session
 * ids among them.
 *
 * @param what the subject of a sentence, such as `get() of the token store`
 * @param known what is said in place of the driver's message, where it is known to repeat nothing
 */
export function storeFailure(what: string, error: unknown, known?: string): TokenStoreError {
  if (error instanceof TokenStoreError) return error
  if (error instanceof ConfigurationError)
    return Object.assign(new TokenStoreError(error.message), { hint: error.hint })
  const original = Object(error) as { name?: unknown; code?: unknown; message?: unknown; stack?: unknown }
  const { name, code } = original
  const words = [name, code].filter((word) => typeof word === 'string' && /^[\w.-]{1,64}$/.test(word))
  const reason = known ?? (words.join(' ') || 'an unknown error')
  return new TokenStoreError(`${what} failed: ${reason}`, causeWith(reason, original))
}
