import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import { type IORedis, type NodeRedis, type RedisClient, isIORedis } from './redis-client'

/** How to speak over a client, and how to get it to speak again: what differs between the two families. */
export interface RedisLine {
  /** A command would be written at once. */
  readonly isReady: boolean
  /** The user has closed the client, and may have meant it. */
  readonly isClosed: boolean
  send(command: string, args: readonly string[]): Promise<unknown>
  /** Called now and then while somebody waits for a connection: sees to it that one is being made. */
  hurry(): void
  /** Asks for a sign of life, and lets go of a connection over which none comes within `grace` milliseconds. */
  probe(grace: number): Promise<void>
  /** Leaves a server that has been demoted. */
  leave(): void
  /** Closes what was opened beside the user's connection. */
  close(): void
}

/** Milliseconds that the making of a connection may stand still. */
const patience = 1_000

/** @param changed is called when a connection is ready, and when the client is closed */
export function redisLine(redis: RedisClient, changed: () => void): RedisLine {
  return isIORedis(redis) ? new IORedisLine(redis, changed) : new NodeRedisLine(redis, changed)
}

interface Stream {
  readonly writable: boolean
  readonly bytesRead: number
  destroy(): unknown
}

interface Connection {
  readonly status: string
  readonly stream?: Stream | null
  call(command: string): Promise<unknown>
}

/** Members that ioredis 5 and 6 have, and do not speak of. */
type Inside = IORedis & {
  readonly stream?: Stream | null
  readonly isCluster?: boolean
  readonly manuallyClosing?: boolean
  readonly options?: SentinelOptions
  reconnectTimeout?: NodeJS.Timeout | null
  nodes?(): Connection[]
}

interface SentinelOptions {
  sentinels?: unknown
  connectTimeout?: number | undefined
  sentinelCommandTimeout?: number | undefined
}

/**
 * A Sentinel that says nothing holds a client up where nobody can get it out: ten seconds by default when it does not
 * even connect, for ever when it connects. These two are the only options of a user's client that are changed. An
 * attempt that has begun before keeps to the old ones.
 */
function hurrySentinels(options: SentinelOptions): void {
  options.connectTimeout = Math.min(options.connectTimeout ?? patience, patience)
  options.sentinelCommandTimeout = Math.min(options.sentinelCommandTimeout ?? patience, patience)
}

/** The user's own connection, or those of a Cluster. */
class IORedisLine implements RedisLine {
  readonly #redis: Inside
  readonly #seen = new WeakMap<Stream, { bytes: number; since: number }>()
  #probedAt = -Infinity

  constructor(redis: Inside, changed: () => void) {
    this.#redis = redis
    if (redis.options?.sentinels) hurrySentinels(redis.options)
    redis.on('ready', changed)
    redis.on('end', changed)
  }

  get isReady(): boolean {
    const { status, stream, isCluster } = this.#redis
    // What is sent over a connection that is just ending waits in the offline queue for the next one.
    return status === 'ready' && (isCluster === true || stream?.writable !== false)
  }

  get isClosed(): boolean {
    // One that is closed while it reconnects keeps its status; to connect it would bring it back.
    return this.#redis.status === 'end' || this.#redis.manuallyClosing === true
  }

  send(command: string, args: readonly string[]): Promise<unknown> {
    return this.#redis.call(command, ...args)
  }

  hurry(): void {
    const redis = this.#redis
    if (redis.status === 'wait' || redis.status === 'reconnecting') {
      // Left alone, the client's own timer would connect once more, even after it was closed.
      clearTimeout(redis.reconnectTimeout ?? undefined)
      redis.reconnectTimeout = null
      redis.connect().catch(() => {}) // It tries again, and tells its own listeners.
    } else if (!redis.isCluster) {
      this.#letGoOfStuck()
    } else if (performance.now() - this.#probedAt >= patience) {
      this.#probedAt = performance.now()
      void this.probe(patience / 2)
    }
  }

  async probe(grace: number): Promise<void> {
    const asked = this.#connections().flatMap((connection) => {
      const { status, stream } = connection
      if (!stream || status === 'wait') return []
      if (status === 'ready') connection.call('ping').catch(() => {})
      return [{ stream, bytes: stream.bytesRead }]
    })
    await pause(grace, undefined, { ref: false })
    await turn()
    for (const { stream, bytes } of asked) if (stream.bytesRead === bytes) stream.destroy()
  }

  leave(): void {
    if (!this.#redis.isCluster && this.isReady) this.#redis.disconnect(true)
  }

  close(): void {}

  #connections(): Connection[] {
    return this.#redis.isCluster ? (this.#redis.nodes?.() ?? []) : [this.#redis]
  }

  /** TCP may connect to what answers nothing, and ioredis would wait for ever then. */
  #letGoOfStuck(): void {
    const { stream } = this.#redis
    if (!stream) return
    const now = performance.now()
    const seen = this.#seen.get(stream)
    if (seen?.bytes !== stream.bytesRead) this.#seen.set(stream, { bytes: stream.bytesRead, since: now })
    else if (now - seen.since >= patience) stream.destroy()
  }
}

/** What is asked of the connection that is made here. */
interface Own extends NodeRedis {
  on(event: 'connect' | 'ready' | 'reconnecting' | 'error' | 'end', listener: () => void): unknown
  unref(): void
  destroy?(): void
  disconnect(): Promise<void>
}

const own = {
  disableOfflineQueue: true,
  commandsQueueMaxLength: undefined,
  commandOptions: undefined,
  clientSideCache: undefined,
  emitInvalidate: undefined,
  legacyMode: undefined,
}

/**
 * A connection of its own beside the user's, with the same settings: node-redis can neither be told to reconnect now
 * nor to let go of a connection without throwing away the user's commands.
 */
class NodeRedisLine implements RedisLine {
  readonly #redis: NodeRedis
  readonly #changed: () => void
  #own: Own | undefined
  #connectedAt: number | undefined

  constructor(redis: NodeRedis, changed: () => void) {
    this.#redis = redis
    this.#changed = changed
    redis.on('end', () => {
      this.close()
      changed()
    })
  }

  get isReady(): boolean {
    return this.#own?.isReady === true
  }

  get isClosed(): boolean {
    return !this.#redis.isOpen
  }

  send(command: string, args: readonly string[]): Promise<unknown> {
    if (this.#own === undefined) return Promise.reject(new Error('The connection was lost'))
    return this.#own.sendCommand([command, ...args])
  }

  hurry(): void {
    const isStuck = this.#connectedAt !== undefined && performance.now() - this.#connectedAt >= patience
    if (isStuck && !this.isReady) this.close()
    if (this.#own === undefined) this.#open()
  }

  async probe(grace: number): Promise<void> {
    const asked = this.#own
    if (asked === undefined) return
    let isAlive = false
    const answered = () => {
      isAlive = true
    }
    asked.sendCommand(['ping']).then(answered, answered)
    await pause(grace, undefined, { ref: false })
    await turn()
    if (!isAlive && this.#own === asked) this.close()
  }

  leave(): void {
    this.close()
  }

  close(): void {
    const old = this.#own
    if (old === undefined) return
    const end = () => {
      if (old.isOpen) void (old.destroy ? old.destroy() : old.disconnect().catch(() => {}))
    }
    this.#own = undefined
    if (this.#connectedAt !== undefined) return end()
    // A socket that is still connecting would not be closed.
    old.on('connect', end)
    old.on('error', end)
  }

  #open(): void {
    const { socket } = (this.#redis as { options?: { socket?: object } }).options ?? {}
    const opened = this.#redis.duplicate({
      ...own,
      socket: { ...socket, connectTimeout: 1_000, socketTimeout: undefined, reconnectStrategy: () => 250 },
    }) as Own
    const connectedAt = (time: number | undefined) => () => {
      if (this.#own === opened) this.#connectedAt = time
    }
    this.#own = opened
    this.#connectedAt = undefined
    opened.on('connect', () => connectedAt(performance.now())())
    opened.on('error', connectedAt(undefined))
    opened.on('ready', this.#changed)
    opened.unref() // The user's connection tells how long the process lives.
    opened.connect().catch(() => {})
  }
}
