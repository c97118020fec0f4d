import { messageOf } from '../errors/error-cause'
import { ConfigurationError, TokenStoreError } from '../errors/errors'
import type { RedisClient } from './redis-client'
import { RedisConnection } from './redis-connection'
import { unusable } from './store-failure'

/** A Redis client, and how to part from it. */
export interface ConnectedRedis {
  readonly client: RedisClient
  /** Closes the connection that was made beside the client. A client that the app passed in stays open. */
  close(): Promise<void>
}

/**
 * A client for the option `redis`. ioredis is loaded only for a URL.
 *
 * @param onError gets the failures of a connection to a URL, which is made again by itself
 * @param option that has the URL, for errors
 * @throws {ConfigurationError}
 */
export function connectRedis(
  redis: unknown,
  onError: (error: Error) => void,
  option?: string,
): ConnectedRedis {
  if (typeof redis !== 'string') {
    const connection = RedisConnection.of(redis as RedisClient)
    return { client: redis as RedisClient, close: () => connection.close() }
  }
  requireRedisURL(redis, option)
  const { Redis } = require('ioredis') as typeof import('ioredis')
  // It never connects itself: it is what the connection is a duplicate of.
  const client = new Redis(
    redis.replace(/^\w+/, (scheme) => scheme.toLowerCase().replace('valkey', 'redis')),
    { lazyConnect: true, keepAlive: 10_000 },
  )
  // An error of ioredis includes the command, which has the password if Redis rejects it.
  const connection = RedisConnection.of(client)
  connection.open((error) =>
    onError(unusable('Redis', redis, 6379, new TokenStoreError(messageOf(error), error))),
  )
  return {
    client,
    async close() {
      await connection.close()
      client.disconnect()
    },
  }
}

/** @throws {ConfigurationError} */
export function requireRedisURL(url: string, option = 'redis'): void {
  if (!/^(redis|valkey)s?:\/\/\S+$/i.test(url)) {
    throw new ConfigurationError(
      option,
      'must be a URL that begins with redis://, rediss://, valkey:// or valkeys://',
    )
  }
  if (isSound(url)) return
  throw new ConfigurationError(
    option,
    'must be a URL such as redis://user:password@host:6379/0, the last part being the number of the database',
    'Special characters in user and password have to be percent-encoded: "/" is %2F, "#" is %23, "?" is %3F.',
  )
}

function isSound(url: string): boolean {
  try {
    const { username, password, hostname, pathname } = new URL(url)
    decodeURIComponent(username + password)
    return hostname !== '' && /^(\/\d*)?$/.test(pathname)
  } catch {
    return false
  }
}
