import type { GrantRecord } from './grant-record'

/** Values in one generation. */
const most = 1_000
/** Milliseconds that a generation takes in what was opened. */
const age = 60_000

interface Opened {
  readonly sealed: string
  readonly record: GrantRecord | undefined
}

/**
 * Remembers what sealed grants opened to, so that a busy user's is not deciphered and read with every request. The store
 * is asked all the same: only the very value that was opened for the same id before is not opened again, so a logout or a
 * refresh anywhere counts at once.
 *
 * There are two generations. What nobody asks for goes with the older one: within two minutes of traffic, or when two
 * thousand others have come.
 */
export class OpenedGrants {
  #young = new Map<string, Opened>()
  #old = new Map<string, Opened>()
  #youngSince = performance.now()

  /** The record of a value: as it was opened of late, else as `open` gives it. */
  recordOf(id: string, sealed: string, open: () => GrantRecord | undefined): GrantRecord | undefined {
    this.#age()
    const known = this.#young.get(id) ?? this.#old.get(id)
    const opened = known?.sealed === sealed ? known : { sealed, record: open() }
    if (opened.record !== undefined) this.#young.set(id, opened)
    return opened.record
  }

  forget(id: string): void {
    this.#young.delete(id)
    this.#old.delete(id)
  }

  #age(): void {
    if (this.#young.size < most && performance.now() - this.#youngSince < age) return
    this.#old = this.#young
    this.#young = new Map()
    this.#youngSince = performance.now()
  }
}
