import { MemoryTokenStore, type TokenStore } from '../../src'

/** A command that waits. */
export interface Hold {
  /** Resolves when a command has come that waits. */
  reached: Promise<void>
  release(): void
  /** Lets it go, to fail with an error. */
  fail(error: Error): void
}

interface Waiting {
  readonly command: RegExp
  readonly when: 'before' | 'after'
  readonly reach: () => void
  /** With an error if it is to fail. */
  readonly released: Promise<Error | undefined>
}

/** A store in memory, whose next command of a kind can be held: before it takes effect, or before its reply. */
export class HeldStore implements TokenStore {
  readonly memory = new MemoryTokenStore()
  /** Commands so far, such as `get grant:…`. */
  readonly commands: string[] = []
  /** How commands fail for which it gives an error. */
  fault: ((command: string) => Error | undefined) | undefined
  readonly #holds: Waiting[] = []

  hold(command: RegExp, when: 'before' | 'after' = 'before'): Hold {
    const [reached, released] = [defer(), defer<Error | undefined>()]
    this.#holds.push({ command, when, reach: reached.resolve, released: released.promise })
    return {
      reached: reached.promise,
      release: () => released.resolve(undefined),
      fail: (error) => released.resolve(error),
    }
  }

  get(key: string): Promise<string | undefined> {
    return this.#do(`get ${key}`, () => this.memory.get(key))
  }

  create(key: string, value: string, ttl: number): Promise<boolean> {
    return this.#do(`create ${key}`, () => this.memory.create(key, value, ttl))
  }

  replace(key: string, expected: string, value: string, ttl?: number): Promise<boolean> {
    return this.#do(`replace ${key}`, () => this.memory.replace(key, expected, value, ttl))
  }

  delete(key: string, expected?: string): Promise<boolean> {
    return this.#do(`delete ${key}`, () => this.memory.delete(key, expected))
  }

  async #do<T>(command: string, work: () => Promise<T>): Promise<T> {
    this.commands.push(command)
    await this.#wait(command, 'before')
    const fault = this.fault?.(command)
    if (fault !== undefined) throw fault
    const result = await work()
    await this.#wait(command, 'after')
    return result
  }

  async #wait(command: string, when: 'before' | 'after'): Promise<void> {
    const at = this.#holds.findIndex((hold) => hold.when === when && hold.command.test(command))
    const [hold] = at === -1 ? [] : this.#holds.splice(at, 1)
    hold?.reach()
    const error = await hold?.released
    if (error !== undefined) throw error
  }
}

export function defer<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
