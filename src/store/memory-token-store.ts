import type { TokenStore } from './token-store'

interface Entry {
  value: string
  /** By the monotonic clock, so that a step of the wall clock neither expires nor revives anything. */
  endsAt: number
}

const sweepInterval = 60_000

/** Stores everything in this process: for development, tests, and apps of a single process that may lose it. */
export class MemoryTokenStore implements TokenStore {
  readonly #entries = new Map<string, Entry>()
  #sweeper: NodeJS.Timeout | undefined

  /** The value, until its `ttl` is over. None of these methods rejects. */
  async get(key: string): Promise<string | undefined> {
    return this.#live(key)?.value
  }

  /** The values of several keys, in their order. */
  async getMany(keys: readonly string[]): Promise<(string | undefined)[]> {
    return keys.map((key) => this.#live(key)?.value)
  }

  /** Stores a value for `ttl` milliseconds of the monotonic clock, if the key has none. */
  async create(key: string, value: string, ttl: number): Promise<boolean> {
    if (this.#live(key) !== undefined) return false
    this.#entries.set(key, { value, endsAt: performance.now() + ttl })
    this.#sweepLater()
    return true
  }

  /** Replaces exactly `expected`. Without a new `ttl` the expiry stays. */
  async replace(key: string, expected: string, value: string, ttl?: number): Promise<boolean> {
    const entry = this.#live(key)
    if (entry?.value !== expected) return false
    entry.value = value
    if (ttl !== undefined) entry.endsAt = performance.now() + ttl
    return true
  }

  /** Removes the value, or only `expected`. False where there was none, or it had expired. */
  async delete(key: string, expected?: string): Promise<boolean> {
    const entry = this.#live(key)
    if (entry === undefined || (expected !== undefined && entry.value !== expected)) return false
    return this.#entries.delete(key)
  }

  /** Removes everything and stops the timer. */
  close(): void {
    clearTimeout(this.#sweeper)
    this.#sweeper = undefined
    this.#entries.clear()
  }

  #live(key: string): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.endsAt > performance.now()) return entry
    this.#entries.delete(key)
    return undefined
  }

  /** Expired values that are not read again would pile up. */
  #sweepLater(): void {
    this.#sweeper ??= setTimeout(() => {
      this.#sweeper = undefined
      for (const key of [...this.#entries.keys()]) this.#live(key)
      if (this.#entries.size > 0) this.#sweepLater()
    }, sweepInterval).unref()
  }
}
