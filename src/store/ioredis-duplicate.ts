import type { IORedis } from './redis-client'
import { type Emitting, type OnError, type RedisDuplicate, connectTimeout } from './redis-duplicate'

/** Without a retry strategy nothing is sent again: what a lost connection left unanswered fails. */
const settings = {
  lazyConnect: true,
  enableOfflineQueue: false,
  retryStrategy: null,
  sentinelRetryStrategy: null,
  reconnectOnError: null,
  connectTimeout,
  sentinelCommandTimeout: connectTimeout / 2,
  disconnectTimeout: 100,
  commandTimeout: undefined,
  socketTimeout: undefined,
  failoverDetector: false,
  enableAutoPipelining: false,
  stringNumbers: false,
  monitor: false,
}

/**
 * A node of a Cluster is connected when its first command comes, which waits in the node's own queue, whatever is set. If
 * the node is silent, that command waits until this duplicate is closed: about a second longer than its caller at most, and only
 * if the node connects within that second is it executed late.
 */
const clusterSettings = {
  lazyConnect: true,
  enableOfflineQueue: true,
  clusterRetryStrategy: null,
  clusterNodeRetryStrategy: null,
  retryDelayOnFailover: 0,
  retryDelayOnClusterDown: 0,
  maxRedirections: 5,
  slotsRefreshTimeout: connectTimeout / 2,
  shardedSubscribers: false,
  enableAutoPipelining: false,
  redisOptions: settings,
}

export function ofIORedis(client: IORedis, attempt: number, onError: OnError): RedisDuplicate {
  const isCluster = 'nodes' in client
  const { sentinels } = Object((client as { options?: unknown }).options) as { sentinels?: object[] | null }
  // A Sentinel that is silent takes half of the time, so each attempt begins with another one.
  const first = sentinels ? attempt % sentinels.length : 0
  const rotated = sentinels && { sentinels: [...sentinels.slice(first), ...sentinels.slice(0, first)] }
  const redis = (
    isCluster ? client.duplicate([], clusterSettings) : client.duplicate({ ...settings, ...rotated })
  ) as Emitting<IORedis>
  redis.on('error', (error) => {
    onError(error)
    // ioredis goes on in database 0 where there is none of the number it was given.
    if ((error as { command?: { name?: string } }).command?.name === 'select') redis.disconnect()
  })
  return {
    get isReady() {
      return redis.status === 'ready'
    },
    isCluster,
    connect: () => redis.connect(),
    send: (command, args) => redis.call(command, ...args),
    close() {
      if (redis.status !== 'end') redis.disconnect()
    },
  }
}
