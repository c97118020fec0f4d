import { pause } from '../async/timeout'
import { LoginRequiredError, PagerDutyOAuthError, TokenStoreError } from '../errors'
import { TokenEndpointError } from '../pagerduty-errors'
import type { CircuitBreaker } from '../oauth/circuit-breaker'
import type { Client } from '../oauth/client'
import type { IDTokenVerifier } from '../oauth/id-token'
import { requestToken } from '../oauth/token-endpoint'
import { effectiveExpiry } from '../oauth/token-expiry'
import { type TokenResponse, TokenSet } from '../oauth/token-set'
import type { Lease } from '../store/lease'
import type { Grant, GrantVault } from './grant-repository'
import type { NewPairs, PairObserver } from './write-behind'

/** The exchange is read to its end for this long: hanging up would throw away the only copy of the new pair. */
export const exchangeTimeout = 60_000

/** What the refresher tells about its work. */
export interface RefreshObserver extends PairObserver {
  refreshFailed(grantID: string, error: Error): void
  /** Somebody else had refreshed it already. */
  skipped(grant: Grant): void
  /** Another process was at it; the wait for it took so many milliseconds. */
  waited(grantID: string, duration: number): void
}

/** What an attempt works with. */
export interface RefreshParts {
  readonly client: Client
  readonly vault: GrantVault
  readonly idTokens: IDTokenVerifier
  readonly breaker: CircuitBreaker
  readonly pairs: NewPairs
  readonly observer: RefreshObserver
  isClosed(): boolean
}

/** One refresh, by whoever holds the lease of the grant. */
export class RefreshAttempt {
  readonly #parts: RefreshParts

  constructor(parts: RefreshParts) {
    this.#parts = parts
  }

  /**
   * Exchanges the refresh token and stores what comes.
   *
   * @returns undefined when the lease was lost before anything was sent
   */
  async run(lease: Lease, current: Grant, isRefused: boolean): Promise<Grant | undefined> {
    const { id, record } = current
    const { refreshToken, scope } = record.tokens
    if (refreshToken === undefined) return this.#cannotRenew(current, isRefused)
    const failure = await this.#parts.breaker.tryHalfOpen(id)
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
        await this.#parts.breaker.recordFailure(id, error, record.version)
        throw error
      }
      await this.#parts.breaker.recordSuccess(id)
      return this.#cannotRenew(current, isRefused, error)
    }
    const renewed = await this.#parts.pairs.save(current, tokens, lease, askedAt)
    await this.#parts.breaker.recordSuccess(id)
    return renewed
  }

  /** Presents the refresh token, and once more when the answer got lost: a grace period lasts seconds, if there is one. */
  async #exchange(lease: Lease, refreshToken: string): Promise<TokenResponse | undefined> {
    if (!(await isOurs(lease))) return undefined
    if (this.#parts.isClosed()) throw closing()
    const present = () =>
      requestToken(
        this.#parts.client,
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
    const verified = this.#parts.idTokens.verify(idToken, { accessToken: tokens.accessToken })
    const now = await verified.catch((error: Error) => {
      if (error instanceof PagerDutyOAuthError) return error.isTransient ? user : undefined
      throw error
    })
    if (now?.id === user.id && now.accountID === user.accountID && now.delegationID === user.delegationID)
      return
    this.#parts.observer.orphaned(tokens)
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
    this.#parts.observer.refreshFailed(current.id, error)
    return dropped
  }

  /** Only from the version that was refused: `keep()` may have come between, or the other process's new pair. */
  async #dropRefreshToken(refused: Grant): Promise<Grant> {
    const { record } = refused
    const dropped = await this.#parts.vault.update(refused, {
      ...record,
      tokens: record.tokens.withoutRefreshToken(),
    })
    if (dropped !== undefined) return dropped
    const current = await this.current(refused.id)
    return current.id === refused.id && current.record.tokens.refreshToken === record.tokens.refreshToken
      ? this.#dropRefreshToken(current)
      : current
  }

  /** If this version is still the stored one, the grant is over. */
  async #end(refused: Grant): Promise<Grant> {
    if (await this.#parts.vault.delete(refused.id, refused)) throw new LoginRequiredError()
    const current = await this.current(refused.id)
    // `keep()` may have come between.
    return isSameVersion(current, refused) ? this.#end(current) : current
  }

  /** The grant as it is now, or the one that a login has put in its place meanwhile. */
  async current(id: string): Promise<Grant> {
    const current = await this.#parts.vault.latest(id)
    if (current === undefined) throw new LoginRequiredError()
    return current
  }
}

export function isSameVersion(one: Grant, other: Grant): boolean {
  return one.id === other.id && one.record.version === other.record.version
}

/** Whoever was frozen since the lock was taken must not present a token that the next holder presents too. */
async function isOurs(lease: Lease): Promise<boolean> {
  if (!lease.isSound) await lease.renew()
  return lease.isSound
}

export function closing(): TokenStoreError {
  return new TokenStoreError('This process is shutting down')
}
