import { withinDeadline } from '../async/timeout'
import { TokenStoreError } from '../errors'
import { type RedisClient, isClosed, requireRedis } from './redis-client'
import { type RedisDuplicate, connectTimeout, duplicatesOf } from './redis-duplicate'

/** Milliseconds between the beginnings of two attempts to connect. */
const betweenAttempts = 250
/** Milliseconds between two replacements of a connection, and that a replaced one has for what it has been sent. */
const betweenReplacements = 1_000
/** Milliseconds that closing waits for commands that are under way. */
const closeTimeout = 1_000

/**
 * The one way to Redis: a connection of its own beside the app's, shared by all that use the same client. It is opened by
 * the first command. Each command is over within its deadline, and is sent once, or not at all.
 */
export class RedisLink {
  readonly #connection: SharedConnection
  readonly #timeout: number

  /**
   * @param timeout milliseconds after which a command counts as failed
   * @throws {ConfigurationError} when the client cannot do what is needed of it
   */
  constructor(redis: RedisClient, timeout: number) {
    requireRedis(redis)
    this.#connection = connectionOf(redis)
    this.#timeout = timeout
  }

  /** @throws {TokenStoreError} it was not answered in time, or with an error */
  send(command: string, ...args: readonly (string | number)[]): Promise<unknown> {
    return this.#connection.send(command, args.map(String), this.#timeout)
  }

  /** Connects now. @param onError gets the errors of the connection, one that repeats itself once */
  connect(onError: (error: Error) => void): void {
    this.#connection.onError = onError
    this.#connection.connect()
  }

  /** Closes the connection once no command is under way. A later one opens it again, unless the client is closed. */
  close(): Promise<void> {
    return this.#connection.close()
  }
}

class Unanswered extends Error {}

class SharedConnection {
  onError: (error: Error) => void = () => {}
  readonly #client: RedisClient
  readonly #duplicate: ReturnType<typeof duplicatesOf>
  readonly #opened = new Set<RedisDuplicate>()
  readonly #waiting = new Set<() => void>()
  #current: RedisDuplicate | undefined
  #isConnecting = false
  #connectedAt = -Infinity
  #replacedAt = -Infinity
  #later: NodeJS.Timeout | undefined
  #failure: Error | undefined
  #underWay = 0
  #idle: (() => void)[] = []

  constructor(client: RedisClient) {
    this.#client = client
    this.#duplicate = duplicatesOf(client)
    const end = () => {
      if (!isClosed(client)) return
      this.#end()
      this.#wake()
    }
    client.on('end', end)
    client.on('disconnect' as 'end', end)
  }

  async send(command: string, args: readonly string[], timeout: number): Promise<unknown> {
    const until = performance.now() + timeout
    this.#underWay++
    try {
      // What is sent must have a fair chance of being answered.
      const redis = this.#ready() ?? (await this.#whenReady(timeout * 0.8))
      const left = until - performance.now()
      const answer = redis.send(command, args, Math.ceil(left))
      return await withinDeadline(answer, left, () => new Unanswered()).catch((error: Error) => {
        this.#replaceAfter(error, redis)
        if (!(error instanceof Unanswered)) throw new TokenStoreError('The Redis command failed', error)
        throw new TokenStoreError(`Redis did not answer within ${timeout} ms`)
      })
    } finally {
      if (--this.#underWay === 0) for (const resolve of this.#idle.splice(0)) resolve()
    }
  }

  async close(): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      if (this.#underWay === 0) resolve()
      else this.#idle.push(resolve)
    })
    const isIdle = await withinDeadline(idle, closeTimeout, () => new Error('busy')).then(
      () => true,
      () => false,
    )
    if (isIdle) this.#end() // Otherwise another instance over the same client uses it.
  }

  /** Connects as soon as another attempt may begin. */
  connect(): void {
    if (this.#isConnecting || this.#later !== undefined) return
    const pause = this.#connectedAt + betweenAttempts - performance.now()
    if (pause <= 0) return void this.#attempt()
    this.#later = setTimeout(() => {
      this.#later = undefined
      this.connect()
    }, pause).unref()
  }

  /** The connection, if a command would be written at once. */
  #ready(): RedisDuplicate | undefined {
    if (isClosed(this.#client)) this.#end()
    if (this.#current?.isReady === false) this.#discard(this.#current)
    return this.#current
  }

  #whenReady(timeout: number): Promise<RedisDuplicate> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer)
        this.#waiting.delete(settle)
        const redis = this.#ready()
        if (redis !== undefined) resolve(redis)
        else reject(isClosed(this.#client) ? closed() : notConnected(this.#failure))
      }
      // A busy event loop gets to read once more before the time counts as over.
      const timer = setTimeout(() => setImmediate(settle), timeout)
      this.#waiting.add(settle)
      if (isClosed(this.#client)) settle()
      else this.connect()
    })
  }

  async #attempt(): Promise<void> {
    this.#isConnecting = true
    this.#connectedAt = performance.now()
    let reason: Error | undefined
    const redis = this.#duplicate((error) => this.#failed((reason = error)))
    this.#opened.add(redis)
    try {
      await withinDeadline(redis.connect(), connectTimeout, () => new Error('no answer within 1 second'))
      this.#use(redis)
    } catch (error) {
      if (reason === undefined && this.#opened.has(redis)) this.#failed(error as Error)
      this.#discard(redis)
    }
    this.#isConnecting = false
    if (this.#current !== undefined) this.#wake()
    else if (this.#waiting.size > 0) this.connect()
  }

  #use(redis: RedisDuplicate): void {
    if (!this.#opened.has(redis)) return // Closed meanwhile.
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
    if (redis.isCluster || !isUnanswered) this.connect()
    else this.#discard(redis)
  }

  #failed(error: Error): void {
    const isNew = error.message !== this.#failure?.message
    this.#failure = error
    if (isNew) this.onError(error)
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
  }

  #wake(): void {
    for (const settle of [...this.#waiting]) settle()
  }
}

function closed(): TokenStoreError {
  return new TokenStoreError(
    'The Redis client was closed, gave up reconnecting, or was never told to connect',
  )
}

function notConnected(failure: Error | undefined): TokenStoreError {
  return new TokenStoreError('Redis is not connected', failure)
}

const connections = new WeakMap<RedisClient, SharedConnection>()

function connectionOf(client: RedisClient): SharedConnection {
  const connection = connections.get(client) ?? new SharedConnection(client)
  connections.set(client, connection)
  return connection
}
