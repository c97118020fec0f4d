const first = 1_000
const longest = 60_000
const mostRemembered = 10_000

/** Pauses after failures, per key: one second first, doubled with each failure in a row, up to a minute. */
export class BackOff {
  readonly #pauses = new Map<string, { until: number; delay: number; error: Error }>()

  /** The failure that a key is being left alone for; undefined when it may be tried. */
  failureOf(key: string): Error | undefined {
    const pause = this.#pauses.get(key)
    return pause !== undefined && performance.now() < pause.until ? pause.error : undefined
  }

  /** @param asked milliseconds that the other side asked to wait; counts where it is longer */
  failed(key: string, error: Error, asked: number): void {
    const before = this.#pauses.get(key)
    const delay = before === undefined ? first : Math.min(before.delay * 2, longest)
    this.#pauses.delete(key)
    this.#pauses.set(key, { until: performance.now() + Math.max(delay, asked), delay, error })
    // Keys that nobody asks for again: the oldest goes first.
    const [oldest] = this.#pauses.keys()
    if (this.#pauses.size > mostRemembered && oldest !== undefined) this.#pauses.delete(oldest)
  }

  /** It worked, or does not matter any more. */
  clear(key: string): void {
    this.#pauses.delete(key)
  }
}
