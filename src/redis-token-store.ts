import { withinDeadline } from './deadline'
import { ConfigurationError, TokenStoreError } from './errors'
import type { TokenStore } from './token-store'

/** The commands this package sends, as an ioredis client (standalone, Sentinel or Cluster; 5 or 6) offers them. */
export interface RedisClient {
  get(key: string): Promise<string | null>
  mget(keys: string[]): Promise<(string | null)[]>
  set(key: string, value: string, unit: 'PX', milliseconds: number): Promise<unknown>
  set(key: string, value: string, unit: 'PX', milliseconds: number, condition: 'NX'): Promise<unknown>
  set(key: string, value: string, unit: 'PX', milliseconds: number, condition: 'XX'): Promise<unknown>
  del(...keys: string[]): Promise<number>
  eval(script: string, keyCount: number, ...args: (string | number)[]): Promise<unknown>
}

/** Settings of a {@link RedisTokenStore}. */
export interface RedisTokenStoreOptions {
  /** First part of every key. @default 'pagerduty:' */
  prefix?: string
  /** Milliseconds after which a command counts as failed, whatever the client's own options. @default 1000 */
  timeout?: number
}

const replaceScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`

const deleteScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`

/** Keeps everything in Redis (6.0 or newer), for any number of processes. */
export class RedisTokenStore implements TokenStore {
  readonly #redis: RedisClient
  readonly #prefix: string
  readonly #timeout: number

  /** @throws {ConfigurationError} when the client is no ioredis client */
  constructor(redis: RedisClient, options: RedisTokenStoreOptions = {}) {
    requireRedis(redis)
    this.#redis = redis
    this.#prefix = options.prefix ?? 'pagerduty:'
    this.#timeout = options.timeout ?? 1000
  }

  async get(key: string): Promise<string | undefined> {
    return (await this.#within(this.#redis.get(this.#key(key)))) ?? undefined
  }

  async create(key: string, value: string, ttl: number): Promise<boolean> {
    const px = Math.max(Math.ceil(ttl), 1)
    return (await this.#within(this.#redis.set(this.#key(key), value, 'PX', px, 'NX'))) === 'OK'
  }

  async replace(key: string, expected: string, value: string, ttl?: number): Promise<boolean> {
    const px = ttl === undefined ? '' : Math.max(Math.ceil(ttl), 1)
    return (await this.#within(this.#redis.eval(replaceScript, 1, this.#key(key), expected, value, px))) === 1
  }

  async delete(key: string, expected?: string): Promise<boolean> {
    const name = this.#key(key)
    const removed =
      expected === undefined ? this.#redis.del(name) : this.#redis.eval(deleteScript, 1, name, expected)
    return (await this.#within(removed)) === 1
  }

  #key(key: string): string {
    return redisKey(this.#prefix, key)
  }

  #within<T>(command: Promise<T>): Promise<T> {
    return withinRedisDeadline(command, this.#timeout)
  }
}

/**
 * A logical key `kind:id` as a Redis key. The id is the hash tag, so that all keys of one grant live on one node of a
 * Redis Cluster.
 */
export function redisKey(prefix: string, key: string): string {
  const colon = key.indexOf(':')
  return `${prefix}${key.slice(0, colon + 1)}{${key.slice(colon + 1)}}`
}

/** Checks for the shape of an ioredis client before the first login fails on another. */
export function requireRedis(redis: unknown): asserts redis is RedisClient {
  const isClient = typeof redis === 'object' && redis !== null && 'defineCommand' in redis && 'eval' in redis
  if (isClient) return
  throw new ConfigurationError(
    'redis',
    'must be a Redis URL or a client of the package ioredis',
    'A client of the package redis (node-redis) takes other arguments and cannot be used.',
  )
}

/** A Redis client may queue a command for minutes while it reconnects; nobody waits for it that long here. */
export async function withinRedisDeadline<T>(command: Promise<T>, timeout: number): Promise<T> {
  try {
    return await withinDeadline(
      command,
      timeout,
      () => new TokenStoreError(`Redis did not answer within ${timeout} ms`),
    )
  } catch (error) {
    throw error instanceof TokenStoreError
      ? error
      : new TokenStoreError('Redis did not do as it was told', error)
  }
}
