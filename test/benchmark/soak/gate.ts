/** Lets those pass who come, unless it is closed. */
export class Gate {
  #inside = 0
  #opened: PromiseWithResolvers | undefined
  #empty: PromiseWithResolvers | undefined

  /** Does a piece of work inside, once the gate is open. */
  async pass<Result>(work: () => Promise<Result>): Promise<Result> {
    while (this.#opened !== undefined) await this.#opened.promise
    this.#inside++
    try {
      return await work()
    } finally {
      this.#inside--
      if (this.#inside === 0) this.#empty?.resolve()
    }
  }

  /** Lets no more work in, and waits until all work inside has ended. */
  async close(): Promise<void> {
    this.#opened ??= resolvers()
    this.#empty = resolvers()
    if (this.#inside > 0) await this.#empty.promise
  }

  open(): void {
    this.#opened?.resolve()
    this.#opened = undefined
  }
}

interface PromiseWithResolvers {
  promise: Promise<void>
  resolve: () => void
}

function resolvers(): PromiseWithResolvers {
  let resolve = () => {}
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, resolve }
}
