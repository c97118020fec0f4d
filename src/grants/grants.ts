import { Background } from '../async/background'
import { inBatches } from '../async/batches'
import { checkedTokenStore } from '../store/checked-token-store'
import { Client } from '../oauth/client'
import { withinDeadline } from '../async/timeout'
import { EndedGrants } from './ended-grants'
import { TokenEndpointError } from '../pagerduty-errors'
import { TokenStoreError, reasonOf } from '../errors'
import { Events } from '../observability/events'
import { effectiveExpiry, shouldRefresh } from '../oauth/token-expiry'
import { GrantIndex, type IndexOwner } from './grant-index'
import { type GrantOptions, longestLife, resolveLifetimes } from './grant-options'
import { type GrantRecord, revocable } from './grant-record'
import { type Grant, GrantVault, grantKey } from './grant-repository'
import { IDTokenVerifier } from '../oauth/id-token'
import { MemoryTokenStore } from '../store/memory-token-store'
import { Refresher } from './token-refresh'
import { missingScopes } from '../scopes/scope'
import type { KeyRing } from '../store/encryption'
import { resolveSecret } from '../store/store-options'
import type { TokenStore } from '../store/token-store'
import { Throttle } from '../async/throttle'
import type { PagerDutyUser } from '../user'

/** What a new grant is made of. */
export type NewGrant = Pick<GrantRecord, 'user' | 'tokens' | 'requestedScopes' | 'appUser'>

const callersWait = 10_000
const unpresentedFor = 60_000
const hopelessFor = 10_000

/** The grants of users: made at login, read with each request, refreshed, ended. */
export class UserGrants {
  readonly client: Client
  readonly store: TokenStore
  readonly keys: KeyRing
  readonly events: Events
  readonly idTokens: IDTokenVerifier
  readonly index: GrantIndex
  readonly lifetimes: ReturnType<typeof resolveLifetimes>
  readonly #vault: GrantVault
  readonly #refresher: Refresher
  readonly #ended: EndedGrants
  readonly #hopeless = new Throttle(hopelessFor)
  readonly #background: Background

  /** @throws {ConfigurationError} */
  constructor(options: GrantOptions, events = new Events(options.name)) {
    this.client = new Client(options)
    this.store = checkedTokenStore(options.tokenStore ?? new MemoryTokenStore())
    this.keys = resolveSecret(options)
    this.events = events
    this.idTokens = new IDTokenVerifier(this.client)
    this.index = new GrantIndex(this.store, this.keys)
    this.lifetimes = resolveLifetimes(options)
    this.#vault = new GrantVault(this.store, this.keys)
    this.#background = new Background(options.waitUntil)
    const revokes = options.revokeOnLogout ?? true
    this.#ended = new EndedGrants(this.client, this.#vault, events, this.#background, revokes)
    this.#refresher = new Refresher(this.client, this.store, this.#vault, this.idTokens, {
      refreshed: ({ id, record }, before, duration) => {
        const { user, version, tokens, requestedScopes } = record
        this.events.emit('refresh', { user, grantID: id, version, expiresAt: tokens.expiresAt, duration })
        const missing = missingScopes(tokens.scope, before.record.tokens.scope, this.client.appType)
        if (missing.length === 0) return
        const diagnosis = `PagerDuty has taken away ${missing.join(', ')}: the app at PagerDuty may have been changed.`
        const grantedScopes = tokens.scope
        this.events.emit('partialGrant', {
          when: 'refresh',
          user,
          requestedScopes,
          grantedScopes,
          missing,
          diagnosis,
        })
      },
      refreshFailed: (grantID, error) =>
        this.events.emit('refreshFailed', { grantID, reason: reasonOf(error), error }),
      skipped: ({ id, record }) =>
        this.events.emit('refreshSkipped', { grantID: id, version: record.version }),
      waited: (grantID, duration) => this.events.emit('lockWait', { lock: 'refresh', grantID, duration }),
      unsaved: (_grantID, error) => this.events.emit('warning', { error }),
      orphaned: (tokens) => this.#ended.revoke([revocable(tokens)]),
    })
  }

  /**
   * Stores and lists the grant of a login under the id made when it began. It lives a minute until a session presents it.
   *
   * @param arrivedAt when the login's callback arrived
   * @throws {TokenStoreError} the login must not come about, because it may not be stored or listed
   * @throws {AuthorizationResponseError} all logins of the user were ended since it arrived, or there are too many
   */
  async create(id: string, grant: NewGrant, arrivedAt = Date.now()): Promise<Grant> {
    const absoluteEnd = Date.now() + this.lifetimes.absolute
    const record = { ...grant, version: 1, isKept: false, absoluteEnd, superseded: [] }
    const created = await this.#vault.create(id, record, unpresentedFor)
    if (created === undefined) throw new TokenStoreError('The grant of this login is there already')
    // Stored first: an entry without a grant counts as one that has ended.
    await this.index.add(grant.user, id, absoluteEnd, arrivedAt)
    return created
  }

  /** The grant as it is now, or undefined when there is none. */
  read(id: string): Promise<Grant | undefined> {
    return this.#vault.read(id)
  }

  /** The same, or the grant that took its place in the last two minutes. */
  latest(id: string): Promise<Grant | undefined> {
    return this.#vault.latest(id)
  }

  /** The same from a stored value that was read elsewhere. */
  open(id: string, sealed: string): Grant | undefined {
    return this.#vault.open(id, sealed)
  }

  /**
   * The grant with an access token that is good for `minValidity` more milliseconds: at once where it is, even while it
   * is being renewed ahead of its end, else after a refresh that is waited for ten seconds.
   */
  usable(grant: Grant, minValidity = 0): Grant | Promise<Grant> {
    const newest = this.#refresher.newest(grant)
    const { tokens, version } = newest.record
    const now = Date.now()
    if (now + minValidity >= effectiveExpiry(tokens)) return this.#renewed(newest)
    if (tokens.refreshToken !== undefined && shouldRefresh(tokens, newest.id, version, now)) {
      const renewal = this.#refresher.ahead(newest)
      if (renewal !== undefined) this.#background.add(renewal)
    }
    return newest
  }

  /** A grant whose access token is another than the one that was refused: as stored, else renewed. */
  async instead(grant: Grant, refused: string): Promise<Grant> {
    const held = this.#refresher.newest(grant)
    if (held.record.tokens.accessToken !== refused) return held
    const stored = await this.#vault.read(grant.id)
    if (stored === undefined) return this.#renewed(grant, true)
    const isAnother = stored.record.tokens.accessToken !== refused
    return isAnother || this.#hopeless.isRecent(grant.id) ? stored : this.#renewed(stored, true)
  }

  /** The API has refused a renewed token as well: renewing once more would only go round, so it is left for a while. */
  refusedToo(id: string): void {
    this.#hopeless.take(id)
  }

  /** Lets a grant live as long as its session: `idle` milliseconds from now, never beyond its absolute end. */
  async extend(grant: Grant, idle: number): Promise<void> {
    if (grant.record.isKept || (await this.#vault.extend(grant, lifeLeft(grant, idle)))) return
    // A refresh came between.
    const current = await this.#vault.read(grant.id)
    if (current !== undefined) await this.extend(current, idle)
  }

  /** Lets a grant outlive its session. Returns false when there is none. */
  async keep(id: string): Promise<boolean> {
    const grant = await this.#vault.latest(id)
    if (grant === undefined) return false
    // First, and each time: what was kept before may not have been listed for long enough.
    await this.index.add(grant.record.user, grant.id, Date.now() + longestLife)
    if (grant.record.isKept) return true
    const kept = await this.#vault.update(grant, { ...grant.record, isKept: true }, longestLife)
    return kept !== undefined || this.keep(id)
  }

  /**
   * Ends a grant everywhere, at once, or the one that has just taken its place. Its tokens are revoked in the background: a
   * logout does not depend on PagerDuty.
   */
  forget(id: string): Promise<void> {
    return this.#goingOn(this.#ended.end(id))
  }

  /** Ends all grants of a user, and those of the logins in progress. */
  async forgetAll(user: IndexOwner): Promise<void> {
    await inBatches(await this.index.end(user), (id) => this.forget(id))
  }

  /** @see EndedGrants.replace */
  replace(id: string, successor: Grant): Promise<boolean> {
    const replace = () => this.#ended.replace(id, successor)
    // The session that holds the old grant ends with it, so the new one has to come. If only a reply was lost, this is told so.
    return this.#goingOn(replace().catch(replace))
  }

  /** @see EndedGrants.withdraw */
  withdraw(...login: Parameters<EndedGrants['withdraw']>): Promise<void> {
    return this.#goingOn(this.#ended.withdraw(...login))
  }

  /** @see GrantVault.attach */
  attach(...tokens: Parameters<GrantVault['attach']>): Promise<Grant | undefined> {
    return this.#vault.attach(...tokens)
  }

  /** Starts nothing more and waits until what runs is finished and stored. */
  async close(): Promise<void> {
    await this.#refresher.close()
    await this.#background.settled()
  }

  #goingOn<T>(work: Promise<T>): Promise<T> {
    this.#background.add(work)
    return work
  }

  #renewed(grant: Grant, isRefused = false): Promise<Grant> {
    const renewal = this.#goingOn(this.#refresher.renew(grant, isRefused))
    return withinDeadline(renewal, callersWait, stillWaiting)
  }
}

/** Whether the session's end of a grant has come; a kept grant may live on without the session. */
export function isOver(grant: Grant): boolean {
  return Date.now() >= grant.record.absoluteEnd
}

/** Milliseconds that a grant may live from now on when it is used now. */
export function lifeLeft(grant: Grant, idle: number): number {
  return Math.max(Math.min(idle, grant.record.absoluteEnd - Date.now()), 1)
}

export { grantKey, revocable }
export type { Grant, GrantRecord, PagerDutyUser }

function stillWaiting(): TokenEndpointError {
  const message = 'PagerDuty has not refreshed the access token in time; it is still being waited for'
  return new TokenEndpointError(message, {
    code: 'ERR_PAGERDUTY_REFRESH_TIMEOUT',
    status: 503,
    isTransient: true,
  })
}
