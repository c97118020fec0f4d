/** What a command did to a key. */
export type Change = (key: string, before: string | undefined, after: string | undefined) => void

/** The values that all processes share. Everything happens at the moment of the call, and is reported. */
export class SharedStore {
  readonly #now: () => number
  readonly #held = new Map<string, { value: string; endsAt: number }>()
  /** Told of values whose life ended by itself. */
  ended: (key: string, value: string) => void = () => {}

  constructor(now: () => number) {
    this.#now = now
  }

  get(key: string): string | undefined {
    const held = this.#held.get(key)
    if (held === undefined || held.endsAt > this.#now()) return held?.value
    this.#held.delete(key)
    this.ended(key, held.value)
    return undefined
  }

  create(key: string, value: string, ttl: number, changed: Change): boolean {
    if (this.get(key) !== undefined) return false
    this.#held.set(key, { value, endsAt: this.#now() + ttl })
    changed(key, undefined, value)
    return true
  }

  replace(key: string, expected: string, value: string, ttl: number | undefined, changed: Change): boolean {
    const before = this.get(key)
    const held = this.#held.get(key)
    if (held === undefined || before !== expected) return false
    held.value = value
    if (ttl !== undefined) held.endsAt = this.#now() + ttl
    changed(key, before, value)
    return true
  }

  delete(key: string, expected: string | undefined, changed: Change): boolean {
    const before = this.get(key)
    if (before === undefined || (expected !== undefined && before !== expected)) return false
    this.#held.delete(key)
    changed(key, before, undefined)
    return true
  }

  /** Milliseconds that a value has left; undefined when there is none. */
  lifeOf(key: string): number | undefined {
    return this.get(key) === undefined ? undefined : (this.#held.get(key)?.endsAt ?? 0) - this.#now()
  }

  keys(prefix: string): string[] {
    return [...this.#held.keys()].filter((key) => key.startsWith(prefix) && this.get(key) !== undefined)
  }
}
