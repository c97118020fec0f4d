import cluster from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { ConfigurationError } from '../errors'
import { MemoryTokenStore } from './memory-token-store'
import type { RedisConnection } from './redis-connection'
import { RedisTokenStore } from './redis-token-store'
import type { TokenStore } from './token-store'

/**
 * Where grants are kept when no token store is given: in Redis, else in memory.
 *
 * @throws {ConfigurationError} in a cluster without Redis
 */
export function storeOf(
  redis: RedisConnection | undefined,
  name: string,
  warn: (message: string) => void,
): TokenStore {
  if (redis !== undefined) return new RedisTokenStore(redis.client, { prefix: `${name}:` })
  if (cluster.isWorker) {
    throw new ConfigurationError(
      'redis',
      'is required in a cluster: its workers share no memory',
      'Supply REDIS_URL.',
    )
  }
  if (process.env['NODE_ENV'] === 'production') {
    warn('"redis" is not set: logins are kept in memory, are lost at a restart and seen by this process only')
  }
  return new MemoryTokenStore()
}

/** A connection made for an app that cannot start would keep the process alive. */
export function orClose<T>(redis: RedisConnection | undefined, make: () => T): T {
  try {
    return make()
  } catch (error) {
    void redis?.close()
    throw error
  }
}

/** Only what is forgotten with this process anyway may be sealed with a secret that is, too. */
export function randomSecret(isOwn: boolean): string | undefined {
  return isOwn && process.env['NODE_ENV'] !== 'production' ? randomBytes(32).toString('base64url') : undefined
}
