import { LRUMap } from './lru-map'

/** Lets something happen at most once per interval for each key, in this process. */
export class Throttle {
  readonly #last = new LRUMap<string, number>(50_000)
  readonly #interval: number

  /** @param interval milliseconds */
  constructor(interval: number) {
    this.#interval = interval
  }

  /** Whether it happened within the interval. */
  isRecent(key: string, interval = this.#interval): boolean {
    const age = this.age(key)
    return age !== undefined && age < interval
  }

  /** Milliseconds since it happened; undefined where it has not, or that is forgotten. */
  age(key: string): number | undefined {
    const last = this.#last.get(key)
    return last === undefined ? undefined : performance.now() - last
  }

  /**
   * Whether it is due; if so, it counts as done.
   *
   * @param interval milliseconds, where this key has another interval
   */
  take(key: string, interval = this.#interval): boolean {
    if (this.isRecent(key, interval)) return false
    this.#last.set(key, performance.now())
    return true
  }

  /** It did not happen after all. */
  undo(key: string): void {
    this.#last.delete(key)
  }
}
