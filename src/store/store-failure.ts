import { causeWith } from '../error-cause'
import { TokenStoreError } from '../errors'

/**
 * The error of a store whose driver failed, without the driver's message: drivers put keys and values into theirs, session
 * ids among them.
 *
 * @param what the subject of a sentence, such as `get() of the token store`
 * @param known what is said in place of the driver's message, where it is known to repeat nothing
 */
export function storeFailure(what: string, error: unknown, known?: string): TokenStoreError {
  if (error instanceof TokenStoreError) return error
  const original = Object(error) as { name?: unknown; code?: unknown; message?: unknown; stack?: unknown }
  const { name, code } = original
  const words = [name, code].filter((word) => typeof word === 'string' && /^[\w.-]{1,64}$/.test(word))
  const reason = known ?? (words.join(' ') || 'an unknown error')
  return new TokenStoreError(`${what} failed: ${reason}`, causeWith(reason, original))
}
