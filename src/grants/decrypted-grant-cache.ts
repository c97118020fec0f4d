import type { GrantRecord } from './grant-record'

const maxSize = 1_000
/** Milliseconds. */
const maxAge = 60_000

interface Decrypted {
  readonly sealed: string
  readonly record: GrantRecord | undefined
}

/**
 * Decrypted grants, so that the grant of a busy user is not decrypted and parsed with every request. The value is read from
 * the store all the same, and the cache is used only if it is unchanged: a logout or a refresh anywhere counts at once.
 *
 * Two generations: an unused grant is dropped with the older one, after two minutes or when two thousand others have come.
 */
export class DecryptedGrantCache {
  #young = new Map<string, Decrypted>()
  #old = new Map<string, Decrypted>()
  #youngSince = performance.now()

  /** The record of a stored value: cached, else as `decrypt` returns it. */
  getOrDecrypt(id: string, sealed: string, decrypt: () => GrantRecord | undefined): GrantRecord | undefined {
    this.#age()
    const known = this.#young.get(id) ?? this.#old.get(id)
    const decrypted = known?.sealed === sealed ? known : { sealed, record: decrypt() }
    if (decrypted.record !== undefined) this.#young.set(id, decrypted)
    return decrypted.record
  }

  forget(id: string): void {
    this.#young.delete(id)
    this.#old.delete(id)
  }

  #age(): void {
    if (this.#young.size < maxSize && performance.now() - this.#youngSince < maxAge) return
    this.#old = this.#young
    this.#young = new Map()
    this.#youngSince = performance.now()
  }
}
