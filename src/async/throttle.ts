const mostRemembered = 50_000

/** Lets something happen for a key at most once per interval in this process. Forgets the oldest keys first. */
export class Throttle {
  readonly #last = new Map<string, number>()
  readonly #interval: number

  /** @param interval milliseconds */
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
   * @param interval milliseconds, where this key has another interval
   */
  take(key: string, interval = this.#interval): boolean {
    if (this.isRecent(key, interval)) return false
    this.#last.delete(key)
    this.#last.set(key, performance.now())
    const [oldest] = this.#last.keys()
    if (this.#last.size > mostRemembered && oldest !== undefined) this.#last.delete(oldest)
    return true
  }

  /** It did not happen after all. */
  undo(key: string): void {
    this.#last.delete(key)
  }
}
