/**
 * A map of limited size: when it is full, the key that was set longest ago goes first. Reading a key does not count as a use,
 * because to move it would cost a hundred times as much.
 */
export class LRUMap<Key, Value> extends Map<Key, Value> {
  readonly #maxSize: number

  constructor(maxSize: number) {
    super()
    this.#maxSize = maxSize
  }

  override set(key: Key, value: Value): this {
    this.delete(key)
    super.set(key, value)
    if (this.size > this.#maxSize) this.delete(this.keys().next().value as Key)
    return this
  }
}
