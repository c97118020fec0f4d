import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import type { NodeRedis } from './redis-client'
import { type RedisLine, patience } from './redis-line'

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
export class NodeRedisLine implements RedisLine {
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
