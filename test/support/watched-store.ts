import { MemoryTokenStore, type TokenStore } from '../../src'

/** A store in memory that records its commands, and fails as a test wants. */
export class WatchedStore implements TokenStore {
  readonly memory = new MemoryTokenStore()
  /** Commands so far, such as `get app:…`. */
  readonly commands: string[] = []
  /** Values that were written so far, by key. */
  readonly written = new Map<string, string>()
  /** How commands fail, or those only for which it gives an error. */
  fault: ((command: string) => Error | undefined) | undefined

  get(key: string): Promise<string | undefined> {
    return this.#do(`get ${key}`, () => this.memory.get(key))
  }

  create(key: string, value: string, ttl: number): Promise<boolean> {
    return this.#do(`create ${key}`, () => {
      this.written.set(key, value)
      return this.memory.create(key, value, ttl)
    })
  }

  replace(key: string, expected: string, value: string, ttl?: number): Promise<boolean> {
    return this.#do(`replace ${key}`, () => {
      this.written.set(key, value)
      return this.memory.replace(key, expected, value, ttl)
    })
  }

  delete(key: string, expected?: string): Promise<boolean> {
    return this.#do(`delete ${key}`, () => this.memory.delete(key, expected))
  }

  async #do<T>(command: string, work: () => Promise<T>): Promise<T> {
    this.commands.push(command)
    const fault = this.fault?.(command)
    if (fault !== undefined) throw fault
    return work()
  }
}
