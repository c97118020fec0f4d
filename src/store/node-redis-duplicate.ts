import type { NodeRedis } from './redis-client'
import { type Emitting, type OnError, type RedisDuplicate, connectTimeout } from './redis-duplicate'

export function ofNodeRedis(client: NodeRedis, onError: OnError): RedisDuplicate {
  if ('nodeClient' in client) return ofCluster(client, onError)
  return 'acquire' in client ? ofSentinel(client, onError) : ofStandalone(client, onError)
}

const settings = {
  disableOfflineQueue: true,
  commandsQueueMaxLength: undefined,
  commandOptions: undefined,
  clientSideCache: undefined,
  emitInvalidate: undefined,
  legacyMode: undefined,
  pingInterval: undefined,
  maintNotifications: 'disabled',
}

function ofStandalone(client: NodeRedis, onError: OnError): RedisDuplicate {
  const { socket } = Object((client as { options?: unknown }).options) as { socket?: object }
  const redis = client.duplicate({
    ...settings,
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
function ofCluster(client: NodeRedis, onError: OnError): RedisDuplicate {
  const redis = client.duplicate({
    ...settings,
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

/** As {@link ofCluster}. Commands go through one lease, since those that wait for it may starve. */
function ofSentinel(client: NodeRedis, onError: OnError): RedisDuplicate {
  const redis = client.duplicate({
    ...settings,
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
