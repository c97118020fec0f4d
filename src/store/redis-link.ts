import { withinDeadline } from '../async/timeout'
import { TokenStoreError } from '../errors'
import { IORedisLine } from './ioredis-line'
import { NodeRedisLine } from './node-redis-line'
import { type RedisClient, isIORedis, requireRedis } from './redis-client'
import type { RedisLine } from './redis-line'

/** Milliseconds between two looks at a connection that somebody waits for. */
const look = 250
/** Milliseconds a connection has for a sign of life after a command was not answered. */
const grace = 500
/** Milliseconds between two departures from servers that take no writes. */
const between = 1_000

/**
 * The one way to Redis. Every command is over within its deadline, whatever the client's own options: it is sent only
 * over a ready connection, so that none waits in a client's queue to be executed when nobody reckons with it any more,
 * and while somebody waits for a connection, no slow retry of the client's is waited for.
 */
export class RedisLink {
  readonly #gate: Gate
  readonly #timeout: number

  /**
   * @param timeout milliseconds after which a command counts as failed
   * @throws {ConfigurationError} when the client cannot do what is needed of it
   */
  constructor(redis: RedisClient, timeout: number) {
    requireRedis(redis)
    this.#gate = gateOf(redis)
    this.#timeout = timeout
  }

  /** @throws {TokenStoreError} it was not answered in time, or with an error */
  async send(command: string, ...args: readonly (string | number)[]): Promise<unknown> {
    let left = this.#timeout
    if (!this.#gate.isReady) {
      const startedAt = performance.now()
      // What is sent shall have a fair chance of being answered.
      await this.#gate.opened(this.#timeout * 0.8)
      left -= performance.now() - startedAt
    }
    try {
      return await withinDeadline(
        this.#gate.line.send(command, args.map(String)),
        left,
        () => new Unanswered(),
      )
    } catch (error) {
      this.#gate.failed(error)
      if (error instanceof Unanswered) {
        throw new TokenStoreError(`Redis did not answer within ${this.#timeout} ms`)
      }
      throw new TokenStoreError('Redis did not do as it was told', error)
    }
  }

  /** Closes what was opened beside the user's own connection. It is opened anew when it is needed again. */
  close(): void {
    this.#gate.line.close()
  }
}

class Unanswered extends Error {}

/** Where commands wait while a client has no connection. */
class Gate {
  readonly line: RedisLine
  readonly #waiting = new Set<() => void>()
  #looking: NodeJS.Timeout | undefined
  #lookedAt = -Infinity
  #isProbing = false
  #leftAt = -Infinity

  constructor(redis: RedisClient) {
    const changed = () => this.#open()
    this.line = isIORedis(redis) ? new IORedisLine(redis, changed) : new NodeRedisLine(redis, changed)
  }

  get isReady(): boolean {
    return this.line.isReady
  }

  /** Resolves when a command can be sent. However many wait, the client gets no listener more. */
  async opened(timeout: number): Promise<void> {
    this.#hurry()
    await new Promise<void>((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer)
        this.#waiting.delete(settle)
        if (this.isReady) resolve()
        else reject(new TokenStoreError(this.line.isClosed ? closed : 'Redis is not connected'))
      }
      // A busy event loop gets to read once more before the time counts as over.
      const timer = setTimeout(() => setImmediate(settle), timeout)
      this.#waiting.add(settle)
      if (this.isReady || this.line.isClosed) settle()
    })
  }

  /** What a failed command tells about the connection. */
  failed(error: unknown): void {
    const { message } = error as Error
    // The latter is what ioredis says after a commandTimeout.
    if (error instanceof Unanswered || message === 'Command timed out') return this.#probe()
    const now = performance.now()
    if (!message.includes('READONLY') || now - this.#leftAt < between) return
    this.#leftAt = now
    this.line.leave()
  }

  #probe(): void {
    if (this.#isProbing) return
    this.#isProbing = true
    const probed = () => {
      this.#isProbing = false
    }
    this.line.probe(grace).then(probed, probed) // A client that fails at it is probed again by the next failure.
  }

  #open(): void {
    if (!this.isReady && !this.line.isClosed) return
    for (const settle of [...this.#waiting]) settle()
  }

  #hurry(): void {
    this.#looking ??= setInterval(() => {
      this.#open()
      if (this.#waiting.size > 0) return this.#lookNow()
      clearInterval(this.#looking)
      this.#looking = undefined
    }, look).unref()
    if (performance.now() - this.#lookedAt >= look) this.#lookNow()
  }

  #lookNow(): void {
    this.#lookedAt = performance.now()
    if (!this.line.isClosed) this.line.hurry()
  }
}

const closed = 'The Redis client was closed, or never told to connect'

/** Stores and sessions over the same client wait at the same gate. */
const gates = new WeakMap<RedisClient, Gate>()

function gateOf(redis: RedisClient): Gate {
  const gate = gates.get(redis) ?? new Gate(redis)
  gates.set(redis, gate)
  return gate
}
