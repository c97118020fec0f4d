import { ConfigurationError } from '../errors'

/**
 * A client that the user made: of ioredis 5 or 6 (standalone, Sentinel or Cluster), or a standalone one of node-redis,
 * the package `redis`, 4 or newer.
 */
export type RedisClient =
  | {
      readonly status: string
      call(command: string, ...args: string[]): Promise<unknown>
      connect(): Promise<unknown>
      disconnect(reconnect?: boolean): void
      on(event: 'ready' | 'end', listener: () => void): unknown
    }
  | {
      readonly isOpen: boolean
      readonly isReady: boolean
      sendCommand(args: string[]): Promise<unknown>
      connect(): Promise<unknown>
      duplicate(overrides?: object): unknown
      on(event: 'end', listener: () => void): unknown
    }

/** A client of ioredis, as far as it is used here. */
export type IORedis = Extract<RedisClient, { call: unknown }>

/** A client of node-redis, as far as it is used here. */
export type NodeRedis = Extract<RedisClient, { duplicate: unknown }>

export function isIORedis(redis: RedisClient): redis is IORedis {
  return 'call' in redis
}

/**
 * Rejects at start-up a client that lacks something that is needed.
 *
 * @throws {ConfigurationError} saying what to change
 */
export function requireRedis(redis: unknown): asserts redis is RedisClient {
  const refusal = hasMembers(redis, ioredisMembers)
    ? refusalOfIORedis(redis)
    : hasMembers(redis, nodeRedisMembers)
      ? refusalOfNodeRedis(redis)
      : 'must be a Redis URL or a client of the package ioredis or redis'
  if (refusal === undefined) return
  throw new ConfigurationError(
    'redis',
    refusal,
    'A cluster, sentinel or pool of the package redis takes other arguments: use ioredis for these.',
  )
}

const ioredisMembers = ['status', 'call', 'connect', 'disconnect', 'on']
/** The cluster, the sentinel and the pool of node-redis lack one or the other. */
const nodeRedisMembers = ['isOpen', 'isReady', 'sendCommand', 'connect', 'duplicate', 'on']

function hasMembers(redis: unknown, members: readonly string[]): redis is Record<string, unknown> {
  return typeof redis === 'object' && redis !== null && members.every((member) => member in redis)
}

const staleReads = 'a stale read brings back logins that have ended, and presents refresh tokens twice'

function refusalOfIORedis(redis: Record<string, unknown>): string | undefined {
  const { isCluster, mode } = redis
  const options = optionsOf(redis['options'])
  const { scaleReads, role, sentinels, readOnly } = options
  if (isCluster ? (scaleReads ?? 'master') !== 'master' : readOnly || (sentinels && role === 'slave')) {
    const name = isCluster ? 'scaleReads' : readOnly ? 'readOnly' : 'role'
    return `must read from masters only, since ${staleReads}: leave out the client's option ${name}`
  }
  if (typeof mode === 'string' && mode !== 'normal') {
    return `must not be in ${mode} mode: make a client of its own for that`
  }
  const strategies = isCluster
    ? ['clusterRetryStrategy']
    : ['retryStrategy', ...(sentinels ? ['sentinelRetryStrategy'] : [])]
  const name = strategies.find((strategy) => strategy in options && givesUp(options[strategy], redis))
  return name && untiring(name)
}

function refusalOfNodeRedis(redis: Record<string, unknown>): string | undefined {
  const options = optionsOf(redis['options'])
  const { reconnectStrategy, socketTimeout } = optionsOf(options['socket'])
  if (options['readonly']) {
    return `must read from masters only, since ${staleReads}: leave out the client's option readonly`
  }
  if (redis['isPubSubActive']) return 'must not be in subscriber mode: make a client of its own for that'
  if (typeof reconnectStrategy === 'number') return undefined
  if (reconnectStrategy !== undefined) {
    return givesUp(reconnectStrategy, redis) ? untiring('socket.reconnectStrategy') : undefined
  }
  // By default node-redis closes a connection for good that was idle for that long.
  return socketTimeout ? untiring('socket.reconnectStrategy beside socketTimeout') : undefined
}

function untiring(strategy: string): string {
  return `must never give up reconnecting, or one outage ends it for good: let the client's ${strategy} always return milliseconds`
}

function givesUp(strategy: unknown, redis: object): boolean {
  if (typeof strategy !== 'function') return true
  return [1, 100_000].some((attempt) => {
    try {
      return typeof strategy.call(redis, attempt, new Error('connect ECONNREFUSED')) !== 'number'
    } catch {
      return true
    }
  })
}

function optionsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
