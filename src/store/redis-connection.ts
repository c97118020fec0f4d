import { withinDeadline } from '../async/timeout'
import { ConfigurationError, TokenStoreError } from '../errors'
import { type RedisClient, requireRedis } from './redis-client'
import { RedisLink } from './redis-link'

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
    const link = new RedisLink(redis, 0)
    return { client: redis, close: async () => link.close() }
  }
  requireRedisURL(redis)
  const { Redis } = require('ioredis') as typeof import('ioredis')
  const client = new Redis(redis, {
    connectTimeout: 2_000,
    keepAlive: 10_000,
    // What a broken connection left unanswered is sent once more over the next one, if that comes at once.
    maxRetriesPerRequest: 1,
    retryStrategy: (attempt) => Math.min(attempt * 100, 1_000),
  })
  // An error of ioredis carries the command: where Redis refuses the password, the password.
  client.on('error', (error) => onError(new TokenStoreError('The connection to Redis failed', error)))
  return {
    client,
    async close() {
      await withinDeadline(client.quit(), 1_000, () => new Error('silent')).catch(() => client.disconnect())
    },
  }
}

/** @throws {ConfigurationError} */
export function requireRedisURL(url: string): void {
  if (/^rediss?:\/\/\S+$/.test(url)) return
  throw new ConfigurationError('redis', 'must be a URL that begins with redis:// or rediss://')
}
