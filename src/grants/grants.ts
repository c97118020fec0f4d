import type { Background } from '../async/background'
import { inBatches } from '../async/batches'
import { settledValues } from '../async/settled'
import type { Client } from '../oauth/client'
import type { Context } from '../context'
import { withinDeadline } from '../async/timeout'
import { EndedGrants, type LogoutReason } from './ended-grants'
import { FailedLogins } from './failed-logins'
import { TokenStoreError } from '../errors/errors'
import type { Events } from '../observability/events'
import { effectiveExpiry, shouldRefresh } from '../oauth/token-expiry'
import { GrantIndex, type IndexOwner } from './grant-index'
import { type GrantOptions, longestLife, resolveLifetimes, unpresentedFor } from './grant-options'
import { type GrantRecord, type NewGrant, revocable, tokensOf } from './grant-record'
import { type Grant, GrantRepository, grantKey, isOver, isPresented, lifeLeft } from './grant-repository'
import { Refresher, stillWaiting } from './token-refresh'
import type { RateLimits } from '../oauth/rate-limits'
import { Throttle } from '../async/throttle'

const callersWait = 10_000

/** The grants of users: created at login, read with each request, refreshed, ended. */
export class UserGrants {
  readonly client: Client
  readonly events: Events
  readonly index: GrantIndex
  readonly rateLimits: RateLimits
  readonly lifetimes: ReturnType<typeof resolveLifetimes>
  readonly #repository: GrantRepository
  readonly #refresher: Refresher
  readonly #ended: EndedGrants
  readonly #failed: FailedLogins
  readonly #recentlyRejected = new Throttle(10_000)
  readonly #background: Background

  /** @throws {ConfigurationError} */
  constructor(context: Context, options: Pick<GrantOptions, 'session' | 'revokeOnLogout'> = {}) {
    this.client = context.client
    this.events = context.events
    this.rateLimits = context.rateLimits
    this.index = new GrantIndex(context.store, context.keys, context.events)
    this.lifetimes = resolveLifetimes(options)
    this.#repository = new GrantRepository(context.store, context.keys)
    this.#background = context.background
    this.#ended = new EndedGrants(context, this.#repository, options.revokeOnLogout ?? true)
    this.#failed = new FailedLogins(context, this.#repository, this.index, this.#ended)
    this.#refresher = new Refresher(context, this.#repository, this.#ended)
  }

  /**
   * Stores and lists the grant of a login under the id made when it began. It expires in a minute unless a session presents it.
   * @param arrivedAt when the login's callback arrived
   * @throws {TokenStoreError} the login must fail: its grant may not be stored or listed
   * @throws {AuthorizationResponseError} all logins of the user were ended since it arrived, or there are too many
   */
  async create(id: string, grant: NewGrant, arrivedAt = Date.now()): Promise<Grant> {
    const createdAt = Date.now()
    const times = { createdAt, lastUsedAt: createdAt, absoluteEnd: createdAt + this.lifetimes.absolute }
    const record = { ...grant, ...times, version: 1, isKept: false, superseded: [] }
    // At once, and both to their end: what fails must not leave a grant that is still on its way.
    const [created, read] = await settledValues(
      this.#repository.create(id, record, unpresentedFor),
      this.index.read(grant.user),
    )
    if (created === undefined)
      throw new TokenStoreError('A grant with the id of this login is stored already')
    // Stored first: an entry without a grant counts as one that has ended.
    await this.index.add(grant.user, id, times.absoluteEnd, arrivedAt, read)
    this.#failed.expectPresentation(created)
    return created
  }

  /** The stored grant. */
  read(id: string): Promise<Grant | undefined> {
    return this.#repository.read(id)
  }

  /** The same, or the grant that replaced it in the last two minutes. */
  latest(id: string): Promise<Grant | undefined> {
    return this.#repository.latest(id)
  }

  /** Decrypts a stored value that was read elsewhere. */
  open(id: string, sealed: string): Grant | undefined {
    return this.#repository.open(id, sealed)
  }

  /**
   * The grant with an access token that is valid for `minValidity` more milliseconds: at once where it is, even while it
   * is refreshed ahead of its expiry, else after a refresh, with a deadline of ten seconds.
   */
  ensureFresh(grant: Grant, minValidity = 0): Grant | Promise<Grant> {
    const latest = this.#refresher.latest(grant)
    const { tokens, version } = latest.record
    const now = Date.now()
    if (now + minValidity >= effectiveExpiry(tokens)) return this.#refreshed(latest)
    if (tokens.refreshToken !== undefined && shouldRefresh(tokens, latest.id, version, now)) {
      const refresh = this.#refresher.refreshAhead(latest)
      if (refresh !== undefined) this.#background.add(refresh)
    }
    return latest
  }

  /** The grant with another access token than the one that the API rejected: as stored, else refreshed. */
  async replaceRejected(grant: Grant, rejected: string): Promise<Grant> {
    const held = this.#refresher.latest(grant)
    if (held.record.tokens.accessToken !== rejected) return held
    const stored = await this.#repository.read(grant.id)
    if (stored === undefined) return this.#refreshed(grant, true)
    const isAnother = stored.record.tokens.accessToken !== rejected
    return isAnother || this.#recentlyRejected.isRecent(grant.id) ? stored : this.#refreshed(stored, true)
  }

  /** The API rejected a refreshed token too: another refresh would not help, so none is sent for a while. */
  markRejected(id: string): void {
    this.#recentlyRejected.take(id)
  }

  /**
   * Extends a grant with its session: to `idle` milliseconds from now, never beyond its absolute end. A kept one expires later.
   *
   * @returns false when it has been ended or replaced
   */
  async extend(grant: Grant, idle: number): Promise<boolean> {
    const ttl = grant.record.isKept ? undefined : lifeLeft(grant, idle)
    if (await this.#repository.extend(grant, ttl)) return true
    const current = await this.read(grant.id) // A refresh may have come between.
    return current !== undefined && this.extend(current, idle)
  }

  /** Lets a grant outlive its session. Returns false when there is none. */
  async keep(id: string): Promise<boolean> {
    const grant = await this.#repository.latest(id)
    if (grant === undefined) return false
    // First, and each time: the entry of a grant that is kept already may expire too early.
    await this.index.add(grant.record.user, grant.id, Date.now() + longestLife)
    if (grant.record.isKept) return true
    const kept = await this.#repository.update(grant, { ...grant.record, isKept: true }, longestLife)
    return kept !== undefined || this.keep(id)
  }

  /**
   * Ends a grant everywhere, at once, or the one that has just replaced it. Its tokens are revoked in the background, so that
   * a logout does not depend on PagerDuty.
   */
  forget(id: string, reason: LogoutReason = 'logout'): Promise<void> {
    return this.#goingOn(this.#ended.end(id, reason))
  }

  /**
   * Ends all grants of a user, and those of the logins in progress.
   *
   * @param except the id of a grant to leave, or the one that has just replaced it
   */
  async forgetAll(user: IndexOwner, except?: string): Promise<void> {
    await inBatches(await this.index.end(user), async (id) => {
      // Read for each, since a step-up may replace it meanwhile.
      const left = except === undefined ? undefined : await this.latest(except)
      if (id !== except && id !== left?.id) await this.forget(id, 'revoked')
    })
  }

  /** @see EndedGrants.replace */
  replace(...grants: Parameters<EndedGrants['replace']>): Promise<boolean> {
    const replace = () => this.#ended.replace(...grants)
    // Once more, as the session of the old grant may have ended already. If only a reply was lost, this succeeds.
    return this.#goingOn(replace().catch(replace))
  }

  /** @see FailedLogins.withdraw */
  withdraw(...login: Parameters<FailedLogins['withdraw']>): Promise<void> {
    return this.#goingOn(this.#failed.withdraw(...login))
  }

  /** @see GrantRepository.attach */
  attach(...tokens: Parameters<GrantRepository['attach']>): Promise<Grant | undefined> {
    return this.#repository.attach(...tokens)
  }

  /** Starts nothing more, and waits until what runs is finished and stored. */
  async close(): Promise<void> {
    this.#failed.close()
    await this.#refresher.close()
    await this.#background.settled()
  }

  #goingOn<T>(work: Promise<T>): Promise<T> {
    this.#background.add(work)
    return work
  }

  #refreshed(grant: Grant, isRejected = false): Promise<Grant> {
    const refresh = this.#goingOn(this.#refresher.refresh(grant, isRejected))
    return withinDeadline(refresh, callersWait, stillWaiting)
  }
}

export { grantKey, isOver, isPresented, lifeLeft, revocable, tokensOf }

export type { Grant, GrantRecord }
