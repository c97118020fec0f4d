import cluster from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { ConfigurationError } from '../errors'
import { MemoryTokenStore } from './memory-token-store'
import type { RedisClient } from './redis-client'
import { connectRedis } from './connect-redis'
import { RedisTokenStore, requirePrefix } from './redis-token-store'
import type { StoreOptions } from './store-options'
import type { TokenStore } from './token-store'

/** Where an instance stores its state. */
export interface OpenStore {
  readonly tokenStore: TokenStore
  /** Undefined where one is required, and not given. */
  readonly secret: StoreOptions['secret']
  /** Closes what was opened here. */
  close(): Promise<void>
}

interface OpenOptions {
  redis?: RedisClient | string | undefined
  prefix?: string | undefined
}

export interface StoreReports {
  readonly warn: (message: string) => void
  /** Takes failures of a connection made here. */
  readonly failed: (error: Error) => void
}

/**
 * The store that was passed in, else one in Redis, else one in memory.
 *
 * @param name of the instance, which tells its keys in Redis from those of the app's others
 * @throws {ConfigurationError} in a cluster without Redis
 */
export function openStore(
  options: Pick<StoreOptions, 'tokenStore' | 'secret'> & OpenOptions,
  name: string,
  { warn, failed }: StoreReports,
): OpenStore {
  const { tokenStore, secret } = options
  const given = options.prefix === undefined ? '' : requirePrefix(options.prefix)
  if (tokenStore !== undefined) {
    if (given !== '') throw notForStore()
    return { tokenStore, secret, async close() {} }
  }
  if (options.redis !== undefined) {
    const prefix = requirePrefix(`${given}${name}:`)
    const redis = connectRedis(options.redis, failed)
    return {
      tokenStore: new RedisTokenStore(redis.client, { prefix }),
      secret,
      close: () => redis.close(),
    }
  }
  if (cluster.isWorker) {
    throw new ConfigurationError(
      'redis',
      'is required in a cluster: its workers share no memory',
      'Supply REDIS_URL.',
    )
  }
  const isProduction = process.env['NODE_ENV'] === 'production'
  if (isProduction) {
    warn('"redis" is not set: logins are kept in memory, are lost at a restart and seen by this process only')
  }
  const memory = new MemoryTokenStore()
  // State in memory is lost with the process, so its secret may be, too.
  const random = isProduction ? undefined : randomBytes(32).toString('base64url')
  return { tokenStore: memory, secret: secret ?? random, close: async () => memory.close() }
}

function notForStore(): ConfigurationError {
  return new ConfigurationError(
    'prefix',
    'is for keys in Redis, and has no effect on a tokenStore that is passed in',
    'Give the prefix to the store: new RedisTokenStore(client, { prefix: "…" }).',
  )
}
