import type { IncomingMessage } from 'node:http'
import { ConfigurationError } from '../errors/errors'
import { sessionOf } from './session'

const checkedStores = new WeakSet<object>()

/**
 * Why the session of a request cannot hold a login. Sessions and their stores are the app's, and are first seen with a
 * request.
 */
export function sessionRefusal(req: IncomingMessage): ConfigurationError | undefined {
  const session = sessionOf(req)
  if (session === undefined) return undefined
  const isComplete =
    typeof session.id === 'string' &&
    typeof session.regenerate === 'function' &&
    typeof session.destroy === 'function' &&
    typeof session.save === 'function'
  if (!isComplete) {
    return new ConfigurationError(
      'session',
      'must be made by express-session: the session of this request has no id of its own, and cannot be regenerated or destroyed',
      'Replace cookie-session, or whatever makes this session, by express-session with a store; or use pd.auth(), which brings its own.',
    )
  }
  const { sessionStore } = req as { sessionStore?: object }
  if (sessionStore === undefined || checkedStores.has(sessionStore)) return undefined
  if (!isMismatched(sessionStore)) {
    checkedStores.add(sessionStore)
    return undefined
  }
  return new ConfigurationError(
    'store',
    'of express-session is connect-redis 9 or newer with a client of ioredis, which it cannot use: it would fail to save a session',
    'Give it a client of node-redis (the package "redis"), or take connect-redis 8 for a client of ioredis.',
  )
}

/**
 * connect-redis took both kinds of client until version 8, through a wrapper; from 9 on it calls what it was given as a
 * client of node-redis. Versions up to 6, which called ioredis as it is, had callbacks instead of async methods.
 */
function isMismatched(store: object): boolean {
  const { client, get, disableTTL } = store as { client?: unknown; get?: unknown; disableTTL?: unknown }
  return (
    store.constructor.name === 'RedisStore' &&
    Object.prototype.toString.call(get) === '[object AsyncFunction]' &&
    typeof client === 'object' &&
    client !== null &&
    // Only ioredis has it.
    'call' in client &&
    disableTTL !== true
  )
}
