import { ConfigurationError } from './errors'
import { type RedisClient, requireRedis } from './redis-token-store'

/** A Redis client, and how to part from it. */
export interface RedisConnection {
  readonly client: RedisClient
  /** Closes a connection that was made here; one that the user passed in stays open. */
  close(): Promise<void>
}

/**
 * A connection for the option `redis`. ioredis is loaded only for a URL.
 *
 * @param onError hears of lost connections, which the client mends by itself
 * @throws {ConfigurationError}
 */
export function connectRedis(redis: unknown, onError: (error: Error) => void): RedisConnection {
  if (typeof redis !== 'string') {
    requireRedis(redis)
    return { client: redis, close: async () => {} }
  }
  if (!/^rediss?:\/\/\S+$/.test(redis)) {
    throw new ConfigurationError('redis', 'must be a URL that begins with redis:// or rediss://')
  }
  const { Redis } = require('ioredis') as typeof import('ioredis')
  const client = new Redis(redis, {
    connectTimeout: 2_000,
    // Only to let go of what was given up long ago: the deadline of each command is our own.
    commandTimeout: 10_000,
    maxRetriesPerRequest: 1,
    retryStrategy: (attempt) => Math.min(attempt * 100, 1_000),
    // A server that was demoted by a failover is left for the one that takes writes.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
  })
  client.on('error', onError)
  return {
    client,
    async close() {
      await client.quit().catch(() => client.disconnect())
    },
  }
}
