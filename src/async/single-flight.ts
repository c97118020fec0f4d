/** Work that runs once for all callers that want it at the same time. */
export class SingleFlight<Result> {
  readonly #inFlight = new Map<string, Promise<Result>>()

  has(key: string): boolean {
    return this.#inFlight.has(key)
  }

  /** Joins the work under way for this key, or starts it. It belongs to none of its callers and continues without them. */
  run(key: string, start: () => Promise<Result>): Promise<Result> {
    const inFlight = this.#inFlight.get(key)
    if (inFlight !== undefined) return inFlight
    const started = start().finally(() => this.#inFlight.delete(key))
    this.#inFlight.set(key, started)
    started.catch(() => {}) // Its callers may be gone when it fails.
    return started
  }

  /** Resolves when all work that is under way now has settled. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#inFlight.values())
  }
}
