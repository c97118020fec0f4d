import { pause } from '../async/timeout'
import { LoginRequiredError, TokenStoreError } from '../errors'
import { revocable } from './grant-record'
import type { Grant, GrantVault } from './grant-repository'
import type { Lease } from '../store/lease'
import type { TokenSet } from '../oauth/token-set'

/** Milliseconds that a closing process goes on trying. */
const closingTimeout = 30_000

/** What is told about new pairs. */
export interface PairObserver {
  /** A new pair is stored, so many milliseconds after it was asked for. */
  refreshed(grant: Grant, before: Grant, duration: number): void
  /** The store does not take a new pair yet. */
  unsaved(grantID: string, error: Error): void
  /** New tokens that belong to nobody any more. */
  orphaned(tokens: TokenSet): void
}

/**
 * Stores the pairs that refreshes bring. Each is the only copy there is: the refresh token before it is used up. What the
 * store does not take is kept here, served from here, and written again until the store has it.
 */
export class NewPairs {
  readonly #vault: GrantVault
  readonly #observer: PairObserver
  readonly #unsaved = new Map<string, { grant: Grant; saved: Promise<void> }>()
  #giveUpAt = Infinity

  constructor(vault: GrantVault, observer: PairObserver) {
    this.#vault = vault
    this.#observer = observer
  }

  /** The version of a grant that is not stored yet. */
  unsaved(grantID: string): Grant | undefined {
    return this.#unsaved.get(grantID)?.grant
  }

  /**
   * Stores a new pair as the next version of a grant. If the store fails, this goes on in the background; the pair counts
   * as unsaved until then, and the lease is held and released here.
   *
   * @param askedAt when the pair was asked for, by the monotonic clock
   * @throws {LoginRequiredError} the grant was logged out meanwhile
   */
  async save(before: Grant, tokens: TokenSet, lease: Lease, askedAt: number): Promise<Grant> {
    const record = { ...before.record, version: before.record.version + 1, tokens }
    try {
      return await this.#write(before, record, askedAt)
    } catch (error) {
      if (!(error instanceof TokenStoreError)) throw error
      const grant = { ...before, record }
      const saved = this.#writeLater(before, record, lease, askedAt)
      this.#unsaved.set(before.id, { grant, saved })
      this.#observer.unsaved(before.id, error)
      return grant
    }
  }

  /** Waits until all is stored, half a minute at most. */
  async close(): Promise<void> {
    this.#giveUpAt = performance.now() + closingTimeout
    await Promise.all([...this.#unsaved.values()].map(({ saved }) => saved))
  }

  async #writeLater(before: Grant, record: Grant['record'], lease: Lease, askedAt: number): Promise<void> {
    while (performance.now() < this.#giveUpAt) {
      // Soon again: once the store is back, whoever reads the old version there would present a token that is used up.
      await pause(100)
      try {
        await this.#write(before, record, askedAt)
        break
      } catch (error) {
        if (error instanceof LoginRequiredError) break
      }
    }
    this.#unsaved.delete(before.id)
    await lease.release()
  }

  async #write(before: Grant, record: Grant['record'], askedAt: number): Promise<Grant> {
    const stored = (await this.#vault.update(before, record)) ?? (await this.#adopt(before, record))
    if (stored.id === before.id) this.#observer.refreshed(stored, before, performance.now() - askedAt)
    return stored
  }

  /** The version presented is not there any more: logged out, replaced, kept by `keep()`, or written by another process. */
  async #adopt(before: Grant, record: Grant['record']): Promise<Grant> {
    const current = await this.#vault.read(before.id)
    if (current === undefined) return this.#handOver(before, record.tokens)
    if (current.record.version !== before.record.version) return current
    const merged = { ...current.record, version: record.version, tokens: record.tokens }
    return (await this.#vault.update(current, merged)) ?? this.#adopt(current, record)
  }

  /**
   * The grant is gone. If a step-up or another login of the same user took its place, PagerDuty may count both as one
   * authorization: the pair is revoked with that grant, which serves whoever waits.
   */
  async #handOver(before: Grant, tokens: TokenSet): Promise<Grant> {
    const successor = await this.#vault.attach(before.id, [revocable(tokens)], before.record.user)
    if (successor !== undefined) return successor
    this.#observer.orphaned(tokens)
    throw new LoginRequiredError()
  }
}
