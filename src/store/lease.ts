import { randomBytes } from 'node:crypto'
import type { TokenStore } from './token-store'

/**
 * A lock that expires unless it is renewed, which it is while it is held. It only saves doing work twice; compare-and-set in
 * the store keeps data from being overwritten.
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
   * @param duration milliseconds until it expires unless it is renewed
   * @returns undefined when another owner holds it
   */
  static async acquire(store: TokenStore, key: string, duration: number): Promise<Lease | undefined> {
    const owner = randomBytes(16).toString('base64url')
    const startedAt = performance.now()
    return (await take(store, key, owner, duration))
      ? new Lease(store, key, owner, duration, startedAt + duration)
      : undefined
  }

  /** Milliseconds until another owner can hold the lock, by the monotonic clock. */
  get remaining(): number {
    return Math.max(this.#endsAt - performance.now(), 0)
  }

  /** Whether at least half of the lease is left: enough to start something that must not be done twice. */
  get isSafeToStart(): boolean {
    return this.remaining >= this.#duration / 2
  }

  /** Starts the lease again. If this fails, its expiry stays. */
  async renew(): Promise<void> {
    const startedAt = performance.now()
    try {
      const isMine = await this.#store.replace(this.#key, this.#owner, this.#owner, this.#duration)
      this.#endsAt = isMine ? startedAt + this.#duration : 0
    } catch {
      // Unknown whether it was renewed: the earlier expiry is the safe assumption.
    }
  }

  /**
   * Replaces the lock with a value in one step, if it is still this owner's.
   *
   * @param ttl milliseconds until the value expires
   */
  async convertTo(value: string, ttl: number): Promise<boolean> {
    clearInterval(this.#renewer)
    this.#endsAt = 0
    return this.#store.replace(this.#key, this.#owner, value, ttl)
  }

  /** Releases the lock, if it is still this owner's. */
  async release(): Promise<void> {
    clearInterval(this.#renewer)
    this.#endsAt = 0
    try {
      await this.#store.delete(this.#key, this.#owner)
    } catch {
      rememberOrphan(this.#store, this.#owner) // It expires, or this process removes it when it next needs the lock.
    }
  }
}

/** Times the wait for a lock that another process holds. */
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

async function take(store: TokenStore, key: string, owner: string, duration: number): Promise<boolean> {
  try {
    if (await store.create(key, owner, duration)) return true
    const holder = await store.get(key)
    // A client that lost the reply sends the command again, and then finds its own value.
    if (holder === owner) return true
    if (holder === undefined || orphans.get(store)?.delete(holder) !== true) return false
    return (await store.delete(key, holder)) && (await store.create(key, owner, duration))
  } catch (error) {
    // The command may have taken effect, or may yet.
    rememberOrphan(store, owner)
    void store.delete(key, owner).catch(() => {})
    throw error
  }
}

const mostOrphans = 10_000
/** Owners of this process whose command failed: locks that they hold are neither renewed nor released. */
const orphans = new WeakMap<TokenStore, Set<string>>()

function rememberOrphan(store: TokenStore, owner: string): void {
  const owners = orphans.get(store) ?? new Set()
  orphans.set(store, owners.add(owner))
  const [oldest] = owners
  if (owners.size > mostOrphans && oldest !== undefined) owners.delete(oldest)
}
