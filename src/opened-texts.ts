/** Values in one generation. */
const most = 1_000
/** Milliseconds that a generation takes in what was opened. */
const age = 60_000

interface Opened {
  readonly sealed: string
  readonly text: string | undefined
}

/**
 * Remembers what sealed values opened to, so that a busy user's grant is not deciphered with every request. The store is
 * read all the same: only the very value that was opened for the same key before is not opened again, so a logout or a
 * refresh anywhere counts at once. Texts, not records: what an app does to its record no other request sees.
 *
 * There are two generations. What nobody asks for goes with the older one: within two minutes of traffic, or when two
 * thousand others have come.
 */
export class OpenedTexts {
  #young = new Map<string, Opened>()
  #old = new Map<string, Opened>()
  #youngSince = performance.now()

  /** The text of a value: as it was opened of late, else as `open` gives it. */
  textOf(key: string, sealed: string, open: () => string | undefined): string | undefined {
    this.#age()
    const known = this.#young.get(key) ?? this.#old.get(key)
    const opened = known?.sealed === sealed ? known : { sealed, text: open() }
    if (opened.text !== undefined) this.#young.set(key, opened)
    return opened.text
  }

  forget(key: string): void {
    this.#young.delete(key)
    this.#old.delete(key)
  }

  #age(): void {
    if (this.#young.size < most && performance.now() - this.#youngSince < age) return
    this.#old = this.#young
    this.#young = new Map()
    this.#youngSince = performance.now()
  }
}
