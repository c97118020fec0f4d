import { ConfigurationError, TokenStoreError } from '../errors'
import { type RedisClient, requireRedis } from './redis-client'
import { RedisLink } from './redis-link'

/** A Redis client, and how to part from it. */
export interface RedisConnection {
  readonly client: RedisClient
  /** Closes the connection that was made beside the client. A client that the app passed in stays open. */
  close(): Promise<void>
}

/**
 * A client for the option `redis`. ioredis is loaded only for a URL.
 *
 * @param onError gets the failures of a connection to a URL, which is made again by itself
 * @throws {ConfigurationError}
 */
export function connectRedis(redis: unknown, onError: (error: Error) => void): RedisConnection {
  if (typeof redis !== 'string') {
    requireRedis(redis)
    const link = new RedisLink(redis, 0)
    return { client: redis, close: () => link.close() }
  }
  requireRedisURL(redis)
  const { Redis } = require('ioredis') as typeof import('ioredis')
  // It never connects itself: it is what the connection is a duplicate of.
  const client = new Redis(redis.replace(/^valkey/, 'redis'), { lazyConnect: true, keepAlive: 10_000 })
  // An error of ioredis carries the command: where Redis refuses the password, the password.
  const link = new RedisLink(client, 0)
  link.connect((error) => onError(new TokenStoreError('The connection to Redis failed', error)))
  return {
    client,
    async close() {
      await link.close()
      client.disconnect()
    },
  }
}

/** @throws {ConfigurationError} */
export function requireRedisURL(url: string): void {
  if (/^(redis|valkey)s?:\/\/\S+$/.test(url)) return
  throw new ConfigurationError(
    'redis',
    'must be a URL that begins with redis://, rediss://, valkey:// or valkeys://',
  )
}
