import { ConfigurationError } from '../errors/errors'

/**
 * A client that the app made: of ioredis 5 or 6 or iovalkey (standalone, Sentinel or Cluster), or of node-redis, the package
 * `redis` (standalone 4, 5 and 6, `createCluster` 5 and 6, `createSentinel` 6). Only its `duplicate()` is used.
 */
export type RedisClient =
  | {
      readonly status: string
      call(command: string, ...args: string[]): Promise<unknown>
      connect(): Promise<unknown>
      disconnect(): void
      duplicate(first?: object, second?: object): unknown
      on(event: 'end', listener: () => void): unknown
    }
  | {
      readonly isOpen: boolean
      connect(): Promise<unknown>
      duplicate(overrides?: object): unknown
      on(event: 'end' | 'disconnect', listener: () => void): unknown
    }

/** A client of ioredis, as far as it is used here. */
export type IORedis = Extract<RedisClient, { call: unknown }>

/** A client of node-redis, as far as it is used here. */
export type NodeRedis = Extract<RedisClient, { isOpen: unknown }>

export function isIORedis(redis: RedisClient): redis is IORedis {
  return 'call' in redis
}

/** Whether its app has closed it, or never connected it; or it has given up reconnecting. */
export function isClosed(redis: RedisClient): boolean {
  return isIORedis(redis) ? redis.status === 'end' : !redis.isOpen
}

/**
 * Rejects at start-up a client that lacks something that is needed.
 *
 * @throws {ConfigurationError} saying what to change
 */
export function requireRedis(redis: unknown): asserts redis is RedisClient {
  const refusal = hasMembers(redis, 'status', 'call', 'connect', 'disconnect', 'duplicate', 'on')
    ? refusalOf(redis)
    : hasMembers(redis, 'isOpen', 'sendCommand', 'connect', 'on')
      ? refusalOfNodeRedis(redis)
      : 'must be a Redis URL or a client of ioredis, iovalkey or redis'
  if (refusal !== undefined) throw new ConfigurationError('redis', refusal)
}

function hasMembers(redis: unknown, ...members: readonly string[]): redis is Record<string, unknown> {
  return typeof redis === 'object' && redis !== null && members.every((member) => member in redis)
}

function refusalOfNodeRedis(redis: Record<string, unknown>): string | undefined {
  if (!('duplicate' in redis)) {
    const what = 'acquire' in redis ? 'createSentinel needs redis 6' : 'use createClient'
    return `must be a client that has duplicate(): ${what}`
  }
  // createCluster of redis 4 takes no deadline for a command.
  const isOld = 'nodeClient' in redis && !('destroy' in redis)
  return isOld ? 'must be a client of redis 5 or newer where it is a Cluster' : refusalOf(redis)
}

function refusalOf({ options }: Record<string, unknown>): string | undefined {
  const { readOnly, readonly, role, scaleReads = 'master' } = Object(options) as Record<string, unknown>
  const given = { readOnly, readonly, role: role === 'slave', scaleReads: scaleReads !== 'master' }
  const name = Object.entries(given).find(([, isGiven]) => isGiven)?.[0]
  return name && `must read from masters only, since ${staleReads}: leave out the client's option ${name}`
}

const staleReads = 'a stale read brings back logins that have ended, and presents refresh tokens twice'
