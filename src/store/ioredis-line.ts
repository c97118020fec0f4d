import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import type { IORedis } from './redis-client'
import { type RedisLine, patience } from './redis-line'

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
export class IORedisLine implements RedisLine {
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
      this.probe(patience / 2).catch(() => {}) // It is probed again.
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
