import { CircuitBreaker } from '../oauth/circuit-breaker'
import type { Client } from '../oauth/client'
import { pause } from '../async/timeout'
import { LoginRequiredError, PagerDutyOAuthError, TokenEndpointError, TokenStoreError } from '../errors'
import { effectiveExpiry } from '../oauth/token-expiry'
import type { Grant, GrantVault } from './grant-repository'
import type { IDTokenVerifier } from '../oauth/id-token'
import { Lease, LockWait } from '../store/lease'
import { NewPairs, type PairObserver } from './write-behind'
import { requestToken } from '../oauth/token-endpoint'
import { type TokenResponse, TokenSet } from '../oauth/token-set'
import type { TokenStore } from '../store/token-store'

const leaseDuration = 15_000
/** The exchange is read to its end for this long: hanging up would throw away the only copy of the new pair. */
const exchangeTimeout = 60_000

/** What the refresher tells about its work. */
export interface RefreshObserver extends PairObserver {
  refreshFailed(grantID: string, error: Error): void
  /** Somebody else had refreshed it already. */
  overtaken(grant: Grant): void
  /** Another process was at it; the wait for it took so many milliseconds. */
  waited(grantID: string, duration: number): void
}

/** One refresh at a time for each grant, in this process and in all that share the store. */
export class Refresher {
  readonly #client: Client
  readonly #store: TokenStore
  readonly #vault: GrantVault
  readonly #idTokens: IDTokenVerifier
  readonly #observer: RefreshObserver
  readonly #flights = new Map<string, Promise<Grant>>()
  readonly #breaker: CircuitBreaker
  readonly #pairs: NewPairs
  #isClosed = false

  constructor(
    client: Client,
    store: TokenStore,
    vault: GrantVault,
    idTokens: IDTokenVerifier,
    observer: RefreshObserver,
  ) {
    this.#client = client
    this.#store = store
    this.#vault = vault
    this.#idTokens = idTokens
    this.#observer = observer
    this.#breaker = new CircuitBreaker(store, client.clientID)
    this.#pairs = new NewPairs(vault, observer)
  }

  /** The grant, or a newer version of it that this process holds and the store does not take yet. */
  newest(grant: Grant): Grant {
    const unsaved = this.#pairs.unsaved(grant.id)
    return unsaved !== undefined && unsaved.record.version > grant.record.version ? unsaved : grant
  }

  /**
   * The grant with another access token than the one seen. All callers share one flight, which belongs to none of them:
   * it goes on when they are gone.
   *
   * @param isRefused the API has refused the token seen, however long it was to live
   * @throws {LoginRequiredError} PagerDuty has ended the grant, or it was logged out
   * @throws {TokenEndpointError} PagerDuty did not refresh it this time
   * @throws {TokenStoreError} the store did not answer
   */
  async renew(seen: Grant, isRefused = false): Promise<Grant> {
    let result = await this.#fly(seen, isRefused)
    // The flight may have begun before this version was written, or for somebody whose token was not refused.
    const isOlder = result.id === seen.id && result.record.version <= seen.record.version
    if (isOlder) result = await this.#fly(seen, isRefused)
    if (result.record.tokens.accessToken !== seen.record.tokens.accessToken) return result
    throw new LoginRequiredError()
  }

  /** Renews a grant whose access token still serves, unless that is being done or was tried in vain just now. */
  ahead(grant: Grant): Promise<unknown> | undefined {
    const isIdle = !this.#flights.has(grant.id) && this.#obstacle(grant) === undefined
    return isIdle ? this.#fly(grant, false) : undefined
  }

  /** Starts nothing more, and waits until what runs is finished and stored. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.allSettled(this.#flights.values())
    await this.#pairs.close()
  }

  #fly(seen: Grant, isRefused: boolean): Promise<Grant> {
    const { id } = seen
    const flight = this.#flights.get(id)
    if (flight !== undefined) return flight
    const failure = this.#obstacle(seen)
    if (failure !== undefined) return Promise.reject(failure)
    const started = this.#run(seen, isRefused)
      .catch((error: Error) => {
        this.#observer.refreshFailed(id, error)
        throw error
      })
      .finally(() => this.#flights.delete(id))
    this.#flights.set(id, started)
    started.catch(() => {}) // There may be nobody waiting.
    return started
  }

  /** Why no refresh may begin now. */
  #obstacle({ id }: Grant): Error | undefined {
    if (this.#isClosed) return closing()
    if (this.#pairs.unsaved(id) !== undefined)
      return new TokenStoreError('The token store has not taken the last refresh yet')
    return this.#breaker.openError(id)
  }

  async #run(seen: Grant, isRefused: boolean): Promise<Grant> {
    const wait = new LockWait((duration) => this.#observer.waited(seen.id, duration))
    try {
      return await this.#runOnce(seen, isRefused, wait)
    } finally {
      wait.end()
    }
  }

  /** Waits for the lock, or for the version that its holder writes, or for the holder's failure. */
  async #runOnce(seen: Grant, isRefused: boolean, wait: LockWait): Promise<Grant> {
    const { id } = seen
    const giveUpAt = performance.now() + exchangeTimeout
    while (performance.now() < giveUpAt) {
      const lease = await Lease.acquire(this.#store, `lock:${id}`, leaseDuration)
      if (lease !== undefined) wait.end()
      try {
        const [current, failure] = await Promise.all([this.#current(id), this.#breaker.check(id)])
        if (!isSameVersion(current, seen)) {
          this.#observer.overtaken(current)
          return current
        }
        if (failure !== undefined) throw failure
        const renewed = lease && (await this.#renewUnder(lease, current, isRefused))
        if (renewed !== undefined) return renewed
      } finally {
        if (this.#pairs.unsaved(id) === undefined) await lease?.release()
      }
      if (this.#isClosed) break
      wait.begin()
      await pause(50 + Math.random() * 50)
    }
    throw new TokenStoreError('Another process has not finished a refresh')
  }

  /** Exchanges the refresh token and stores what comes. Undefined when the lock was lost before anything was sent. */
  async #renewUnder(lease: Lease, current: Grant, isRefused: boolean): Promise<Grant | undefined> {
    const { id, record } = current
    const { refreshToken, scope } = record.tokens
    if (refreshToken === undefined) return this.#cannotRenew(current, isRefused)
    const failure = await this.#breaker.tryHalfOpen(id)
    if (failure !== undefined) throw failure
    const askedAt = performance.now()
    let tokens: TokenSet
    try {
      const response = await this.#exchange(lease, refreshToken)
      if (response === undefined) return undefined
      tokens = TokenSet.from(response, { scope, refreshToken })
      if (response.id_token !== undefined) await this.#checkIdentity(response.id_token, tokens, record.user)
    } catch (error) {
      if (!(error instanceof TokenEndpointError)) throw error
      if (error.error !== 'invalid_grant' || error.isTransient) {
        await this.#breaker.recordFailure(id, error, record.version)
        throw error
      }
      await this.#breaker.recordSuccess(id)
      return this.#cannotRenew(current, isRefused, error)
    }
    const renewed = await this.#pairs.save(current, tokens, lease, askedAt)
    await this.#breaker.recordSuccess(id)
    return renewed
  }

  /** Presents the refresh token, and once more when the answer got lost: a grace period lasts seconds, if there is one. */
  async #exchange(lease: Lease, refreshToken: string): Promise<TokenResponse | undefined> {
    if (!(await isOurs(lease))) return undefined
    if (this.#isClosed) throw closing()
    const present = () =>
      requestToken(
        this.#client,
        { grant_type: 'refresh_token', refresh_token: refreshToken },
        exchangeTimeout,
      )
    try {
      return await present()
    } catch (error) {
      const isLost = error instanceof TokenEndpointError && error.code === 'ERR_PAGERDUTY_TOKEN_UNREACHABLE'
      if (!isLost) throw error
      await pause(500)
      if (!(await isOurs(lease))) throw error
      return present()
    }
  }

  /**
   * PagerDuty sends no id_token at a refresh; if it comes to, it must speak of the same person and authorization. Keys that
   * cannot be had at the moment are no reason to throw away a pair that came straight from PagerDuty.
   */
  async #checkIdentity(idToken: string, tokens: TokenSet, user: Grant['record']['user']): Promise<void> {
    const verified = this.#idTokens.verify(idToken, { accessToken: tokens.accessToken })
    const now = await verified.catch((error: Error) => {
      if (error instanceof PagerDutyOAuthError) return error.isTransient ? user : undefined
      throw error
    })
    if (now?.id === user.id && now.accountID === user.accountID && now.delegationID === user.delegationID)
      return
    this.#observer.orphaned(tokens)
    throw new TokenEndpointError('PagerDuty answered a refresh with the tokens of somebody else', {
      code: 'ERR_PAGERDUTY_IDENTITY_CHANGED',
      status: 503,
    })
  }

  /**
   * PagerDuty will not refresh this grant any more. An access token that has life left, and was not refused, serves to
   * its end: the pair that came after it may have been lost on the way, and that need not log anybody out before time.
   */
  async #cannotRenew(current: Grant, isRefused: boolean, error?: TokenEndpointError): Promise<Grant> {
    const { record } = current
    if (isRefused || Date.now() >= effectiveExpiry(record.tokens)) return this.#end(current)
    if (error === undefined) return current
    const dropped = await this.#dropRefreshToken(current)
    this.#observer.refreshFailed(current.id, error)
    return dropped
  }

  /** Only from the version that was refused: `keep()` may have come between, or the other process's new pair. */
  async #dropRefreshToken(refused: Grant): Promise<Grant> {
    const { record } = refused
    const dropped = await this.#vault.update(refused, {
      ...record,
      tokens: record.tokens.withoutRefreshToken(),
    })
    if (dropped !== undefined) return dropped
    const current = await this.#current(refused.id)
    return current.id === refused.id && current.record.tokens.refreshToken === record.tokens.refreshToken
      ? this.#dropRefreshToken(current)
      : current
  }

  /** If this version is still the stored one, the grant is over. */
  async #end(refused: Grant): Promise<Grant> {
    if (await this.#vault.delete(refused.id, refused)) throw new LoginRequiredError()
    const current = await this.#current(refused.id)
    // `keep()` may have come between.
    return isSameVersion(current, refused) ? this.#end(current) : current
  }

  /** The grant as it is now, or the one that a login has put in its place meanwhile. */
  async #current(id: string): Promise<Grant> {
    const current = await this.#vault.latest(id)
    if (current === undefined) throw new LoginRequiredError()
    return current
  }
}

function isSameVersion(one: Grant, other: Grant): boolean {
  return one.id === other.id && one.record.version === other.record.version
}

/** Whoever was frozen since the lock was taken must not present a token that the next holder presents too. */
async function isOurs(lease: Lease): Promise<boolean> {
  if (!lease.isSound) await lease.renew()
  return lease.isSound
}

function closing(): TokenStoreError {
  return new TokenStoreError('This process is shutting down')
}
