import { type IORedis, type NodeRedis, type RedisClient, isIORedis } from './redis-client'

/** Milliseconds that connecting may take. */
export const connectTimeout = 1_000

/** A duplicate of an app's client with settings of ours. It connects once, and is replaced when that connection is lost. */
export interface RedisDuplicate {
  readonly isReady: boolean
  /** It leads to several nodes, so that one which is silent says nothing about the others. */
  readonly isCluster: boolean
  connect(): Promise<unknown>
  /** @param timeout milliseconds after which it must not be sent any more */
  send(command: string, args: readonly string[], timeout: number): Promise<unknown>
  close(): void
}

/** Gets the errors that a duplicate emits. */
type OnError = (error: Error) => void

/** How to make duplicates of a client. */
export function duplicatesOf(client: RedisClient): (onError: OnError) => RedisDuplicate {
  let attempts = 0
  return (onError) => {
    if (isIORedis(client)) return ofIORedis(client, attempts++, onError)
    if ('nodeClient' in client) return ofNodeRedisCluster(client, onError)
    return 'acquire' in client ? ofNodeRedisSentinel(client, onError) : ofNodeRedis(client, onError)
  }
}

type Emitting<T> = T & { on(event: string, listener: (error: Error) => void): unknown }

/** Without a retry strategy nothing is sent again: what a lost connection left unanswered fails. */
const ioredisSettings = {
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
  redisOptions: ioredisSettings,
}

function ofIORedis(client: IORedis, attempt: number, onError: OnError): RedisDuplicate {
  const isCluster = 'nodes' in client
  const { sentinels } = Object((client as { options?: unknown }).options) as { sentinels?: object[] | null }
  // A Sentinel that is silent takes half of the time, so each attempt begins with another one.
  const first = sentinels ? attempt % sentinels.length : 0
  const rotated = sentinels && { sentinels: [...sentinels.slice(first), ...sentinels.slice(0, first)] }
  const redis = (
    isCluster ? client.duplicate([], clusterSettings) : client.duplicate({ ...ioredisSettings, ...rotated })
  ) as Emitting<IORedis>
  redis.on('error', onError)
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

const nodeRedisSettings = {
  disableOfflineQueue: true,
  commandsQueueMaxLength: undefined,
  commandOptions: undefined,
  clientSideCache: undefined,
  emitInvalidate: undefined,
  legacyMode: undefined,
  pingInterval: undefined,
  maintNotifications: 'disabled',
}

function ofNodeRedis(client: NodeRedis, onError: OnError): RedisDuplicate {
  const { socket } = Object((client as { options?: unknown }).options) as { socket?: object }
  const redis = client.duplicate({
    ...nodeRedisSettings,
    socket: { ...socket, connectTimeout, socketTimeout: undefined, reconnectStrategy: false },
  }) as Emitting<NodeRedis> & {
    readonly isReady: boolean
    sendCommand(args: readonly string[]): Promise<unknown>
    unref(): void
    /** From version 5 on. */
    destroy?(): void
    disconnect(): Promise<void>
  }
  let isConnected = false
  const end = () => {
    if (redis.isOpen) void (redis.destroy ? redis.destroy() : redis.disconnect().catch(() => {}))
  }
  redis.on('error', onError)
  redis.on('connect', () => {
    isConnected = true
  })
  redis.unref() // The app's connection decides how long the process lives.
  return {
    get isReady() {
      return redis.isReady
    },
    isCluster: false,
    connect: () => redis.connect(),
    send: (command, args) => redis.sendCommand([command, ...args]),
    close() {
      if (isConnected) end()
      else redis.on('connect', end) // A socket that is still connecting would not be closed.
    },
  }
}

/**
 * The settings of nodes are inside of those of the client, which does not show them: nodes reconnect and queue as the app
 * has set it. So each command gets a signal that removes it from any queue when its caller stops waiting.
 */
function ofNodeRedisCluster(client: NodeRedis, onError: OnError): RedisDuplicate {
  const redis = client.duplicate({
    ...nodeRedisSettings,
    minimizeConnections: true,
    useReplicas: false,
  }) as Emitting<NodeRedis> & {
    sendCommand(
      key: string | undefined,
      isReadonly: boolean,
      args: string[],
      options: object,
    ): Promise<unknown>
    destroy(): void
    close(): Promise<void>
  }
  redis.on('error', onError)
  return {
    get isReady() {
      return redis.isOpen
    },
    isCluster: true,
    connect: () => redis.connect(),
    send(command, args, timeout) {
      const key = command === 'eval' ? args[2] : args[0]
      return redis.sendCommand(key, false, [command, ...args], { abortSignal: AbortSignal.timeout(timeout) })
    },
    close() {
      try {
        if (redis.isOpen) redis.destroy()
      } catch {
        redis.close().catch(() => {}) // destroy() stops at a node that is closed already.
      }
    },
  }
}

/** As {@link ofNodeRedisCluster}. Commands go through one lease, since those that wait for it may starve. */
function ofNodeRedisSentinel(client: NodeRedis, onError: OnError): RedisDuplicate {
  const redis = client.duplicate({
    ...nodeRedisSettings,
    maxCommandRediscovers: 0, // Nothing is sent again.
    masterPoolSize: 1,
    replicaPoolSize: 0,
    reserveClient: false,
  }) as Emitting<NodeRedis> & {
    readonly isReady: boolean
    acquire(): Promise<{
      sendCommand(isReadonly: boolean, args: string[], options: object): Promise<unknown>
    }>
    destroy(): Promise<void>
  }
  let lease: Awaited<ReturnType<typeof redis.acquire>> | undefined
  redis.on('error', onError)
  return {
    get isReady() {
      return redis.isReady && lease !== undefined
    },
    isCluster: false,
    async connect() {
      await redis.connect()
      lease = await redis.acquire()
    },
    async send(command, args, timeout) {
      return lease?.sendCommand(false, [command, ...args], { abortSignal: AbortSignal.timeout(timeout) })
    },
    close() {
      if (redis.isOpen) redis.destroy().catch(() => {})
    },
  }
}
