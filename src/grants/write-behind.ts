import { pause } from '../async/timeout'
import type { Context } from '../context'
import { LoginRequiredError, TokenStoreError } from '../errors'
import { missingScopes } from '../scopes/scope'
import type { EndedGrants } from './ended-grants'
import { revocable } from './grant-record'
import type { Grant, GrantVault } from './grant-repository'
import type { Lease } from '../store/lease'
import type { TokenSet } from '../oauth/token-set'

/** Milliseconds that a closing process goes on trying. */
const closingTimeout = 30_000

/**
 * Stores the pairs that refreshes bring. Each is the only copy there is: the refresh token before it is used up. What the
 * store does not take is kept here, served from here, and written again until the store has it.
 */
export class NewPairs {
  readonly #context: Context
  readonly #vault: GrantVault
  readonly #ended: EndedGrants
  readonly #unsaved = new Map<string, { grant: Grant; saved: Promise<void> }>()
  #giveUpAt = Infinity

  constructor(context: Context, vault: GrantVault, ended: EndedGrants) {
    this.#context = context
    this.#vault = vault
    this.#ended = ended
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
      this.#context.events.emit('warning', { error })
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
    if (stored.id === before.id) this.#emitRefresh(stored, before, performance.now() - askedAt)
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
    this.#ended.revoke([revocable(tokens)])
    throw new LoginRequiredError()
  }

  #emitRefresh({ id, record }: Grant, before: Grant, duration: number): void {
    const { user, version, tokens, requestedScopes } = record
    const { expiresAt, scope: grantedScopes } = tokens
    const { client, events } = this.#context
    events.emit('refresh', { user, grantID: id, version, expiresAt, duration })
    const missing = missingScopes(grantedScopes, before.record.tokens.scope, client.appType)
    if (missing.length === 0) return
    const diagnosis = `PagerDuty has taken away ${missing.join(', ')}: the app at PagerDuty may have been changed.`
    const detail = { user, requestedScopes, grantedScopes, missing, diagnosis }
    events.emit('partialGrant', { when: 'refresh', ...detail })
  }
}
