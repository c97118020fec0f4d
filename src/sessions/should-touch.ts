import type { IncomingMessage } from 'node:http'
import { ConfigurationError } from '../errors/errors'

/**
 * The option `session.shouldTouch` as it is called.
 *
 * @throws {ConfigurationError} it is no function; what it returns throws it where that is neither true nor false
 */
export function touchDecider(shouldTouch: unknown): (req: IncomingMessage) => boolean {
  if (shouldTouch === undefined) return () => true
  if (typeof shouldTouch !== 'function') {
    throw new ConfigurationError(
      'session.shouldTouch',
      'must be a function of the request that returns true or false',
    )
  }
  return (req) => {
    const decision: unknown = shouldTouch(req)
    if (typeof decision === 'boolean') return decision
    const isPromise = decision instanceof Promise
    // Its rejection would end the process.
    if (isPromise) decision.catch(() => {})
    throw new ConfigurationError(
      'session.shouldTouch',
      `must return true or false, and returned ${isPromise ? 'a promise' : typeof decision}`,
      'It decides about each request before the handlers run, so it cannot be async.',
    )
  }
}
