import { ConfigurationError } from '../errors'
import type { RedisClient } from './redis-client'
import { RedisLink } from './redis-link'
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
  readonly #link: RedisLink
  readonly #prefix: string

  /**
   * @param redis a client of ioredis (standalone, Sentinel or Cluster; 5 or 6), or a standalone one of node-redis
   * @throws {ConfigurationError} when the client lacks something that is needed, or the prefix is none
   */
  constructor(redis: RedisClient, options: RedisTokenStoreOptions = {}) {
    this.#link = new RedisLink(redis, options.timeout ?? 1000)
    this.#prefix = requirePrefix(options.prefix ?? 'pagerduty:')
  }

  /** `GET`. All of these methods reject with `TokenStoreError` when Redis fails or `timeout` is over. */
  async get(key: string): Promise<string | undefined> {
    return ((await this.#link.send('get', this.#key(key))) as string | null) ?? undefined
  }

  /** `MGET`; several `GET` where a Redis Cluster may keep the keys on different nodes. */
  async getMany(keys: readonly string[]): Promise<(string | undefined)[]> {
    const names = keys.map((key) => this.#key(key))
    if (new Set(names.map(hashTagOf)).size !== 1) return Promise.all(keys.map((key) => this.get(key)))
    const values = (await this.#link.send('mget', ...names)) as (string | null)[]
    return values.map((value) => value ?? undefined)
  }

  /** `SET` with `NX` and `PX`: `ttl` counts in whole milliseconds, rounded up. */
  async create(key: string, value: string, ttl: number): Promise<boolean> {
    return (await this.#link.send('set', this.#key(key), value, 'PX', lifetime(ttl), 'NX')) === 'OK'
  }

  /** A script that compares and sets at once; without `ttl` by `KEEPTTL`. */
  async replace(key: string, expected: string, value: string, ttl?: number): Promise<boolean> {
    const px = ttl === undefined ? '' : lifetime(ttl)
    return isOne(await this.#link.send('eval', replaceScript, 1, this.#key(key), expected, value, px))
  }

  /** `DEL`; with `expected` a script that compares before. */
  async delete(key: string, expected?: string): Promise<boolean> {
    const name = this.#key(key)
    return isOne(
      expected === undefined
        ? await this.#link.send('del', name)
        : await this.#link.send('eval', deleteScript, 1, name, expected),
    )
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

/** With its option `stringNumbers`, ioredis returns numbers as strings. */
function isOne(answer: unknown): boolean {
  return Number(answer) === 1
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
