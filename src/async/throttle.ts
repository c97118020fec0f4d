import { LRUMap } from './lru-map'

/** Lets something happen at most once per interval for each key, in this process. */
export class Throttle {
  readonly #last = new LRUMap<string, number>(50_000)
  readonly #interval: number

  /** @param interval milliseconds; what happened longer ago is forgotten */
  constructor(interval: number) {
    this.#interval = interval
  }

  /** Whether it happened within the interval. */
  isRecent(key: string, interval = this.#interval): boolean {
    const last = this.#last.get(key)
    return last !== undefined && performance.now() - last < interval
  }

  /**
   * Whether it is due; if so, it counts as done.
   *
   * @param interval milliseconds, where this key has a shorter interval
   */
  take(key: string, interval = this.#interval): boolean {
    if (this.isRecent(key, interval)) return false
    const now = performance.now()
    this.#last.set(key, now)
    // In the order in which they happened.
    for (const [old, at] of this.#last) {
      if (now - at <= this.#interval) break
      this.#last.delete(old)
    }
    return true
  }

  /** It did not happen after all. */
  undo(key: string): void {
    this.#last.delete(key)
  }
}
