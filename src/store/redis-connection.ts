import { withinDeadline } from '../async/timeout'
import { messageOf } from '../errors/error-cause'
import { TokenStoreError } from '../errors/errors'
import { ofIORedis } from './ioredis-duplicate'
import { ofNodeRedis } from './node-redis-duplicate'
import { type RedisClient, isClosed, isIORedis, requireRedis } from './redis-client'
import { type OnError, type RedisDuplicate, connectTimeout } from './redis-duplicate'

/** Milliseconds between the beginnings of two attempts to connect. */
const betweenAttempts = 250
/** Milliseconds between two replacements, and that a connection has for what it was sent before it is closed. */
const betweenReplacements = 1_000

class Unanswered extends Error {}
const connections = new WeakMap<RedisClient, RedisConnection>()

/**
 * The one way to Redis: a connection of its own beside an app's client. It is opened by the first command. Each command is
 * over within its deadline, and is sent once, or not at all.
 */
export class RedisConnection {
  #onError: OnError = () => {}
  readonly #client: RedisClient
  #attempts = 0
  readonly #opened = new Set<RedisDuplicate>()
  readonly #waiting = new Set<() => void>()
  #current: RedisDuplicate | undefined
  #isConnecting = false
  #connectedAt = -Infinity
  #replacedAt = -Infinity
  #answeredAt = -Infinity
  #later: NodeJS.Timeout | undefined
  #failure: Error | undefined
  #underWay = 0
  #idle: (() => void)[] = []

  /**
   * The connection beside this client, which all share that use it.
   *
   * @throws {ConfigurationError} when the client cannot do what is needed of it
   */
  static of(client: RedisClient): RedisConnection {
    requireRedis(client)
    const connection = connections.get(client) ?? new RedisConnection(client)
    connections.set(client, connection)
    return connection
  }

  private constructor(client: RedisClient) {
    this.#client = client
    const end = () => isClosed(client) && this.#end()
    client.on('end', end)
    client.on('disconnect' as 'end', end)
  }

  /**
   * @param timeout milliseconds after which the command counts as failed
   * @throws {TokenStoreError} it got no response in time, or an error
   */
  async send(timeout: number, command: string, ...args: readonly (string | number)[]): Promise<unknown> {
    const until = performance.now() + timeout
    this.#underWay++
    try {
      // A command that is sent needs enough time to get its response.
      const redis = this.#ready() ?? (await this.#whenReady(timeout * 0.8))
      const left = Math.max(Math.ceil(until - performance.now()), 1)
      try {
        const sent = redis.send(command, args.map(String), left)
        const answer = await withinDeadline(sent, left, () => new Unanswered())
        this.#answeredAt = performance.now()
        return answer
      } catch (error) {
        this.#replaceAfter(error as Error, redis)
        if (!(error instanceof Unanswered)) throw new TokenStoreError('The Redis command failed', error)
        throw new TokenStoreError(`Redis did not respond within ${timeout} ms`)
      }
    } finally {
      if (--this.#underWay === 0) for (const resolve of this.#idle.splice(0)) resolve()
    }
  }

  /** Closes it once no command is under way. A later one opens it again, unless the client is closed. */
  async close(): Promise<void> {
    if (this.#underWay === 0) return this.#end()
    const idle = new Promise<void>((resolve) => this.#idle.push(resolve))
    await withinDeadline(idle, betweenReplacements, () => new Error('busy')).then(
      () => this.#end(),
      () => {}, // Another instance uses it, over the same client.
    )
  }

  /** Connects now. @param onError gets the errors of the connection; one that repeats itself only once */
  open(onError: OnError): void {
    this.#onError = onError
    this.#connect()
  }

  /** Connects as soon as another attempt may begin. */
  #connect(): void {
    if (this.#isConnecting || this.#later !== undefined) return
    const pause = this.#connectedAt + betweenAttempts - performance.now()
    if (pause <= 0) return void this.#attempt()
    this.#later = setTimeout(() => {
      this.#later = undefined
      this.#connect()
    }, pause).unref()
  }

  /** The connection, if a command would be written at once. */
  #ready(): RedisDuplicate | undefined {
    const redis = this.#current
    if (redis !== undefined && (isClosed(this.#client) || !redis.isReady)) this.#discard(redis)
    return this.#current
  }

  #whenReady(timeout: number): Promise<RedisDuplicate> {
    return new Promise((resolve, reject) => {
      const settle = (isOver = false) => {
        const redis = this.#ready()
        if (redis !== undefined) resolve(redis)
        else if (isClosed(this.#client)) reject(new TokenStoreError(closed))
        else if (isOver) reject(notConnected(this.#failure))
        else return
        clearTimeout(timer)
        this.#waiting.delete(settle)
      }
      // A busy event loop gets to read once more before the time counts as over.
      const timer = setTimeout(() => setImmediate(settle, true), timeout)
      this.#waiting.add(settle)
      settle()
      if (this.#waiting.size > 0) this.#connect()
    })
  }

  async #attempt(): Promise<void> {
    this.#isConnecting = true
    this.#connectedAt = performance.now()
    const [before, client] = [this.#failure, this.#client]
    let redis: RedisDuplicate | undefined
    const onError = (error: Error) => {
      if (redis === undefined || this.#opened.has(redis)) this.#failed(error)
    }
    try {
      redis = isIORedis(client) ? ofIORedis(client, this.#attempts++, onError) : ofNodeRedis(client, onError)
      this.#opened.add(redis)
      await withinDeadline(redis.connect(), connectTimeout, () => new Error('no response within 1 second'))
      if (this.#opened.has(redis)) this.#use(redis)
    } catch (error) {
      if (this.#failure === before) onError(error as Error) // What it emitted says more.
      if (redis !== undefined) this.#discard(redis)
    }
    this.#isConnecting = false
    for (const settle of [...this.#waiting]) settle()
    if (this.#waiting.size > 0) this.#connect()
  }

  #use(redis: RedisDuplicate): void {
    const old = this.#current
    this.#current = redis
    this.#failure = undefined
    if (old !== undefined) setTimeout(() => this.#discard(old), betweenReplacements).unref()
  }

  /** A connection that is silent, or leads to a server that has been demoted, is replaced. */
  #replaceAfter(error: Error, redis: RedisDuplicate): void {
    const isUnanswered = error instanceof Unanswered
    if (redis !== this.#current || !(isUnanswered || error.message.includes('READONLY'))) return
    const now = performance.now()
    if (now - this.#replacedAt < betweenReplacements) return
    this.#replacedAt = now
    // The other nodes of a Cluster, and a server that still reads, serve until the next connection is there.
    const stillServes = !isUnanswered || (redis.isCluster && now - this.#answeredAt < betweenReplacements)
    if (stillServes) this.#connect()
    else this.#discard(redis)
  }

  #failed(error: Error): void {
    if (error.message !== this.#failure?.message) this.#onError(error)
    this.#failure = error
  }

  #discard(redis: RedisDuplicate): void {
    if (this.#current === redis) this.#current = undefined
    this.#opened.delete(redis)
    redis.close()
  }

  #end(): void {
    clearTimeout(this.#later)
    this.#later = undefined
    for (const redis of [...this.#opened]) this.#discard(redis)
    for (const settle of [...this.#waiting]) settle()
  }
}

function notConnected(failure: Error | undefined): TokenStoreError {
  return new TokenStoreError(`Redis is not connected${failure ? `: ${messageOf(failure)}` : ''}`, failure)
}

const closed = 'The Redis client was closed, gave up reconnecting, or was never told to connect'
