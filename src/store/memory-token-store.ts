import type { TokenStore } from './token-store'

interface Held {
  value: string
  /** By the monotonic clock, so that a step of the wall clock neither ends nor revives anything. */
  endsAt: number
}

const sweepInterval = 60_000

/** Keeps everything in this process: for development, tests and apps of a single process that may forget. */
export class MemoryTokenStore implements TokenStore {
  readonly #held = new Map<string, Held>()
  #sweeper: NodeJS.Timeout | undefined

  /** The value, until its `ttl` is over. Like the others here, it never rejects. */
  async get(key: string): Promise<string | undefined> {
    return this.#live(key)?.value
  }

  /** Stores a value for `ttl` milliseconds of the monotonic clock, if the key has none. */
  async create(key: string, value: string, ttl: number): Promise<boolean> {
    if (this.#live(key) !== undefined) return false
    this.#held.set(key, { value, endsAt: performance.now() + ttl })
    this.#sweepLater()
    return true
  }

  /** Replaces exactly `expected`. Without a new `ttl` the value ends when that would have. */
  async replace(key: string, expected: string, value: string, ttl?: number): Promise<boolean> {
    const held = this.#live(key)
    if (held?.value !== expected) return false
    held.value = value
    if (ttl !== undefined) held.endsAt = performance.now() + ttl
    return true
  }

  /** Removes the value, or only `expected`. False where there was none, or its life was over. */
  async delete(key: string, expected?: string): Promise<boolean> {
    const held = this.#live(key)
    if (held === undefined || (expected !== undefined && held.value !== expected)) return false
    return this.#held.delete(key)
  }

  /** Forgets everything and stops the timer. */
  close(): void {
    clearTimeout(this.#sweeper)
    this.#sweeper = undefined
    this.#held.clear()
  }

  #live(key: string): Held | undefined {
    const held = this.#held.get(key)
    if (held === undefined || held.endsAt > performance.now()) return held
    this.#held.delete(key)
    return undefined
  }

  /** Ended values that nobody asks for again would pile up. */
  #sweepLater(): void {
    this.#sweeper ??= setTimeout(() => {
      this.#sweeper = undefined
      for (const key of [...this.#held.keys()]) this.#live(key)
      if (this.#held.size > 0) this.#sweepLater()
    }, sweepInterval).unref()
  }
}
