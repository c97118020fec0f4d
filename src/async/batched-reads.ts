interface Batch<Value> {
  readonly keys: Set<string>
  readonly found: Promise<ReadonlyMap<string, Value>>
  start(): void
}

/**
 * Reads keys in batches: keys requested while `width` reads are under way are combined into the next read. A thousand
 * concurrent requests then take a few queries instead of a connection each.
 */
export class BatchedReads<Value> {
  readonly #readMany: (keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>
  readonly #width: number
  #running = 0
  #next: Batch<Value> | undefined

  /** @param width reads at a time */
  constructor(readMany: (keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>, width: number) {
    this.#readMany = readMany
    this.#width = width
  }

  /** The values of these keys, and of others. A read that fails fails for all whose keys it had. */
  read(keys: readonly string[]): Promise<ReadonlyMap<string, Value>> {
    const batch = (this.#next ??= this.#newBatch())
    for (const key of keys) batch.keys.add(key)
    this.#startNext()
    return batch.found
  }

  #newBatch(): Batch<Value> {
    const keys = new Set<string>()
    let start: () => void = () => {}
    const started = new Promise<void>((resolve) => {
      start = resolve
    })
    return { keys, start, found: started.then(() => this.#readMany([...keys])) }
  }

  #startNext(): void {
    const batch = this.#next
    if (batch === undefined || this.#running === this.#width) return
    this.#next = undefined
    this.#running++
    const ended = () => {
      this.#running--
      this.#startNext()
    }
    batch.found.then(ended, ended)
    batch.start()
  }
}
