import { ConfigurationError } from '../errors/errors'
import type { RedisClient } from './redis-client'
import { RedisConnection } from './redis-connection'
import type { TokenStore } from './token-store'

/** Settings of a {@link RedisTokenStore}. */
export interface RedisTokenStoreOptions {
  /** First part of every key: up to 64 characters of printable ASCII without braces. @default 'pagerduty:' */
  prefix?: string | undefined
  /** Milliseconds after which a command counts as failed, whatever the client's own options. @default 1000 */
  timeout?: number | undefined
}

const replaceScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`

const deleteScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`

/** Stores everything in Redis (6.0 or newer), for any number of processes. */
export class RedisTokenStore implements TokenStore {
  readonly #connection: RedisConnection
  readonly #timeout: number
  readonly #prefix: string

  /**
   * @param redis a client of ioredis, iovalkey or node-redis, of which a `duplicate()` is used; it is the app that closes it
   * @throws {ConfigurationError} when the client lacks something that is needed, or the prefix is none
   */
  constructor(redis: RedisClient, options: RedisTokenStoreOptions = {}) {
    this.#connection = RedisConnection.of(redis)
    this.#timeout = options.timeout ?? 1000
    this.#prefix = requirePrefix(options.prefix ?? 'pagerduty:')
  }

  /** `GET`. All of these methods reject with `TokenStoreError` when Redis fails or `timeout` is over. */
  async get(key: string): Promise<string | undefined> {
    return ((await this.#send('get', this.#key(key))) as string | null) ?? undefined
  }

  /** `MGET`; several `GET` where a Redis Cluster may keep the keys on different nodes. */
  async getMany(keys: readonly string[]): Promise<(string | undefined)[]> {
    const names = keys.map((key) => this.#key(key))
    if (new Set(names.map(hashTagOf)).size !== 1) return Promise.all(keys.map((key) => this.get(key)))
    const values = (await this.#send('mget', ...names)) as (string | null)[]
    return values.map((value) => value ?? undefined)
  }

  /** `SET` with `NX` and `PX`: `ttl` counts in whole milliseconds, rounded up. */
  async create(key: string, value: string, ttl: number): Promise<boolean> {
    return (await this.#send('set', this.#key(key), value, 'PX', lifetime(ttl), 'NX')) === 'OK'
  }

  /** A script that compares and sets at once; without `ttl` by `KEEPTTL`. */
  async replace(key: string, expected: string, value: string, ttl?: number): Promise<boolean> {
    const px = ttl === undefined ? '' : lifetime(ttl)
    return (await this.#send('eval', replaceScript, 1, this.#key(key), expected, value, px)) === 1
  }

  /** `DEL`; with `expected` a script that compares before. */
  async delete(key: string, expected?: string): Promise<boolean> {
    const name = this.#key(key)
    const deleted =
      expected === undefined ? this.#send('del', name) : this.#send('eval', deleteScript, 1, name, expected)
    return (await deleted) === 1
  }

  #send(command: string, ...args: readonly (string | number)[]): Promise<unknown> {
    return this.#connection.send(this.#timeout, command, ...args)
  }

  #key(key: string): string {
    return redisKey(this.#prefix, key)
  }
}

/** @throws {ConfigurationError} braces would make a hash tag of their own, and put all keys on one node of a Cluster */
export function requirePrefix(prefix: unknown): string {
  if (typeof prefix === 'string' && /^[!-z|~]{1,64}$/.test(prefix)) return prefix
  throw new ConfigurationError(
    'prefix',
    'must be 1 to 64 characters of printable ASCII, without spaces and braces, such as "shop:"',
  )
}

function lifetime(ttl: number): number {
  return Math.max(Math.ceil(ttl), 1)
}

/**
 * A logical key `kind:id` as a Redis key. What the id has before its first dot is the hash tag, so that a session and its
 * grant live on one node of a Redis Cluster.
 */
export function redisKey(prefix: string, key: string): string {
  const begin = key.indexOf(':') + 1
  const dot = key.indexOf('.', begin)
  const end = dot === -1 ? key.length : dot
  return `${prefix}${key.slice(0, begin)}{${key.slice(begin, end)}}${key.slice(end)}`
}

function hashTagOf(name: string): string {
  return name.slice(name.indexOf('{'), name.indexOf('}'))
}
