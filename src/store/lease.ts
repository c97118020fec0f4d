import { randomBytes } from 'node:crypto'
import type { TokenStore } from './token-store'

/**
 * A lock that ends by itself unless it is renewed, which it is while it is held. It only keeps work from being done
 * twice; what must not be overwritten is guarded by the store's own comparison.
 */
export class Lease {
  readonly #store: TokenStore
  readonly #key: string
  readonly #owner: string
  readonly #duration: number
  #endsAt: number
  readonly #renewer: NodeJS.Timeout

  private constructor(store: TokenStore, key: string, owner: string, duration: number, endsAt: number) {
    this.#store = store
    this.#key = key
    this.#owner = owner
    this.#duration = duration
    this.#endsAt = endsAt
    this.#renewer = setInterval(() => void this.renew(), duration / 3).unref()
  }

  /**
   * Takes the lock if it is free.
   *
   * @param duration milliseconds until it ends when nobody renews it
   * @returns undefined when somebody else holds it
   */
  static async acquire(store: TokenStore, key: string, duration: number): Promise<Lease | undefined> {
    const owner = randomBytes(16).toString('base64url')
    const startedAt = performance.now()
    return (await take(store, key, owner, duration))
      ? new Lease(store, key, owner, duration, startedAt + duration)
      : undefined
  }

  /** Milliseconds for which nobody else can hold the lock, by the monotonic clock. */
  get remaining(): number {
    return Math.max(this.#endsAt - performance.now(), 0)
  }

  /** Whether at least half of the lease is left: enough to start something that must not be done twice. */
  get isSound(): boolean {
    return this.remaining >= this.#duration / 2
  }

  /** Begins the lease anew. A failure leaves it to end where it would have ended. */
  async renew(): Promise<void> {
    const startedAt = performance.now()
    try {
      const isMine = await this.#store.replace(this.#key, this.#owner, this.#owner, this.#duration)
      this.#endsAt = isMine ? startedAt + this.#duration : 0
    } catch {
      // Unknown: the end stays where it was.
    }
  }

  /**
   * Puts a value that stays in the place of the lock, if it is still this one's.
   *
   * @param ttl milliseconds the value lives
   */
  async turnInto(value: string, ttl: number): Promise<boolean> {
    clearInterval(this.#renewer)
    this.#endsAt = 0
    return this.#store.replace(this.#key, this.#owner, value, ttl)
  }

  /** Gives the lock back, if it is still this one's. */
  async release(): Promise<void> {
    clearInterval(this.#renewer)
    this.#endsAt = 0
    try {
      await this.#store.delete(this.#key, this.#owner)
    } catch {
      leaveBehind(this.#store, this.#owner) // It ends by itself, or is taken away when this process comes again.
    }
  }
}

/** Times the wait for a lock that somebody else holds. */
export class LockWait {
  readonly #ended: (duration: number) => void
  #since: number | undefined

  /** @param ended takes the milliseconds that a wait took */
  constructor(ended: (duration: number) => void) {
    this.#ended = ended
  }

  begin(): void {
    this.#since ??= performance.now()
  }

  end(): void {
    if (this.#since === undefined) return
    this.#ended(performance.now() - this.#since)
    this.#since = undefined
  }
}

/** Whether the lock is this owner's now. */
async function take(store: TokenStore, key: string, owner: string, duration: number): Promise<boolean> {
  try {
    if (await store.create(key, owner, duration)) return true
    const holder = await store.get(key)
    // A client that lost the reply sends the command again, and is told that the key is taken: by itself.
    if (holder === owner) return true
    if (holder === undefined || leftBehind.get(store)?.delete(holder) !== true) return false
    return (await store.delete(key, holder)) && (await store.create(key, owner, duration))
  } catch (error) {
    // It may have been taken all the same, or be taken yet.
    leaveBehind(store, owner)
    void store.delete(key, owner).catch(() => {})
    throw error
  }
}

const mostLeftBehind = 10_000
/** Owners of this process that the store did not answer: what they hold, nobody renews and nobody releases. */
const leftBehind = new WeakMap<TokenStore, Set<string>>()

function leaveBehind(store: TokenStore, owner: string): void {
  const owners = leftBehind.get(store) ?? new Set()
  leftBehind.set(store, owners.add(owner))
  const [oldest] = owners
  if (owners.size > mostLeftBehind && oldest !== undefined) owners.delete(oldest)
}
