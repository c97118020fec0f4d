import { pause } from '../async/timeout'
import type { Context } from '../context'
import { LoginRequiredError, TokenStoreError } from '../errors/errors'
import { missingScopes } from '../scopes/scope'
import type { EndedGrants } from './ended-grants'
import { revocable } from './grant-record'
import type { Grant, GrantRepository } from './grant-repository'
import type { Lease } from '../store/lease'
import type { TokenSet } from '../oauth/token-set'

/** Milliseconds for which a closing process retries. */
const closingTimeout = 30_000

/**
 * Stores refreshed tokens. There is no other copy: the refresh token before them is used up. What the store does not take is
 * kept in memory, used from there, and written again until the store has it.
 */
export class WriteBehind {
  readonly #context: Context
  readonly #repository: GrantRepository
  readonly #ended: EndedGrants
  readonly #pending = new Map<string, { grant: Grant; saved: Promise<void> }>()
  #giveUpAt = Infinity

  constructor(context: Context, repository: GrantRepository, ended: EndedGrants) {
    this.#context = context
    this.#repository = repository
    this.#ended = ended
  }

  /** The version of a grant that is not stored yet. */
  pending(grantID: string): Grant | undefined {
    return this.#pending.get(grantID)?.grant
  }

  /**
   * Stores new tokens as the next version of a grant. If the store fails, this goes on in the background; until then they are
   * pending, and the lease is held and released here.
   *
   * @param requestedAt when the tokens were requested, by the monotonic clock
   * @throws {LoginRequiredError} the grant was logged out meanwhile
   */
  async save(before: Grant, tokens: TokenSet, lease: Lease, requestedAt: number): Promise<Grant> {
    const record = { ...before.record, version: before.record.version + 1, tokens }
    try {
      return await this.#write(before, record, requestedAt)
    } catch (error) {
      if (!(error instanceof TokenStoreError)) throw error
      const grant = { ...before, record }
      const saved = this.#writeLater(before, record, lease, requestedAt)
      this.#pending.set(before.id, { grant, saved })
      this.#context.events.emit('warning', { error })
      return grant
    }
  }

  /** Waits until all is stored, half a minute at most. */
  async close(): Promise<void> {
    this.#giveUpAt = performance.now() + closingTimeout
    await Promise.all([...this.#pending.values()].map(({ saved }) => saved))
  }

  async #writeLater(
    before: Grant,
    record: Grant['record'],
    lease: Lease,
    requestedAt: number,
  ): Promise<void> {
    while (performance.now() < this.#giveUpAt) {
      // Soon: as long as the store has the old version, its readers would send a refresh token that is used up.
      await pause(100)
      try {
        await this.#write(before, record, requestedAt)
        break
      } catch (error) {
        if (error instanceof LoginRequiredError) break
      }
    }
    this.#pending.delete(before.id)
    await lease.release()
  }

  async #write(before: Grant, record: Grant['record'], requestedAt: number): Promise<Grant> {
    const stored = (await this.#repository.update(before, record)) ?? (await this.#rebase(before, record))
    if (stored.id === before.id) this.#emitRefresh(stored, before, performance.now() - requestedAt)
    return stored
  }

  /** The version before is not stored any more: logged out, replaced, kept by `keep()`, or refreshed by another process. */
  async #rebase(before: Grant, record: Grant['record']): Promise<Grant> {
    const current = await this.#repository.read(before.id)
    if (current === undefined) return this.#handOver(before, record.tokens)
    if (current.record.version !== before.record.version) return current
    const merged = { ...current.record, version: record.version, tokens: record.tokens }
    return (await this.#repository.update(current, merged)) ?? this.#rebase(current, record)
  }

  /**
   * The grant is gone. If a step-up or another login of the same user replaced it, PagerDuty may count both as one
   * authorization: the tokens are revoked with that grant, which callers get.
   */
  async #handOver(before: Grant, tokens: TokenSet): Promise<Grant> {
    const successor = await this.#repository.attach(before.id, [revocable(tokens)], before.record.user)
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
    const diagnosis = `PagerDuty no longer grants ${missing.join(', ')}: the app at PagerDuty may have been changed.`
    const detail = { user, requestedScopes, grantedScopes, missing, diagnosis }
    events.emit('partialGrant', { when: 'refresh', ...detail })
  }
}
