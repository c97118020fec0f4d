import { pause } from '../async/timeout'
import type { Context } from '../context'
import { LoginRequiredError, PagerDutyOAuthError, closedError, reasonOf } from '../errors/errors'
import { TokenEndpointError } from '../errors/pagerduty-errors'
import type { CircuitBreaker } from '../oauth/circuit-breaker'
import type { IDTokenVerifier } from '../oauth/id-token'
import { requestToken } from '../oauth/token-endpoint'
import { effectiveExpiry } from '../oauth/token-expiry'
import { type TokenResponse, TokenSet } from '../oauth/token-set'
import type { Lease } from '../store/lease'
import type { EndedGrants } from './ended-grants'
import { revocable } from './grant-record'
import type { Grant, GrantRepository } from './grant-repository'
import type { WriteBehind } from './write-behind'

/** Milliseconds. Long, because hanging up would throw away the only copy of the new tokens. */
export const exchangeTimeout = 60_000

/** What an attempt works with. */
export interface RefreshParts extends Context {
  readonly repository: GrantRepository
  readonly ended: EndedGrants
  readonly idTokens: IDTokenVerifier
  readonly breaker: CircuitBreaker
  readonly writeBehind: WriteBehind
  isClosed(): boolean
}

/** One refresh, by the process that holds the lease of the grant. */
export class RefreshAttempt {
  readonly #parts: RefreshParts

  constructor(parts: RefreshParts) {
    this.#parts = parts
  }

  /**
   * Exchanges the refresh token and stores the new tokens.
   *
   * @returns undefined when the lease was lost before anything was sent
   */
  async run(lease: Lease, current: Grant, isRejected: boolean): Promise<Grant | undefined> {
    const { id, record } = current
    const { refreshToken, scope } = record.tokens
    if (refreshToken === undefined) return this.#handleRejection(current, isRejected)
    const failure = await this.#parts.breaker.tryHalfOpen(id)
    if (failure !== undefined) throw failure
    const requestedAt = performance.now()
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
      return this.#handleRejection(current, isRejected, error)
    }
    const refreshed = await this.#parts.writeBehind.save(current, tokens, lease, requestedAt)
    await this.#parts.breaker.recordSuccess(id)
    return refreshed
  }

  /** Sends the refresh token, and soon again when the response was lost: PagerDuty's grace period lasts seconds, if any. */
  async #exchange(lease: Lease, refreshToken: string): Promise<TokenResponse | undefined> {
    const grant = { grant_type: 'refresh_token', refresh_token: refreshToken }
    const requireLease = async () => {
      if (!(await isSafe(lease))) throw new LeaseLost()
    }
    // Right before each request: the app's `clientSecret` may take a while.
    const send = (beforeSend: () => Promise<void>) =>
      requestToken(this.#parts.client, grant, exchangeTimeout, {}, beforeSend)
    try {
      return await send(async () => {
        await requireLease()
        if (this.#parts.isClosed()) throw closedError()
      })
    } catch (error) {
      if (error instanceof LeaseLost) return undefined
      const isLost = error instanceof TokenEndpointError && error.code === 'ERR_PAGERDUTY_TOKEN_UNREACHABLE'
      if (!isLost) throw error
      await pause(500)
      return send(requireLease).catch((failure: unknown) => {
        throw failure instanceof LeaseLost ? error : failure
      })
    }
  }

  /**
   * PagerDuty sends no id_token at a refresh today; one must name the same user and authorization. If the JWKS cannot be
   * fetched, the tokens are kept: they came straight from PagerDuty.
   */
  async #checkIdentity(idToken: string, tokens: TokenSet, user: Grant['record']['user']): Promise<void> {
    const verified = this.#parts.idTokens.verify(idToken, { accessToken: tokens.accessToken })
    const now = await verified.catch((error: Error) => {
      if (error instanceof PagerDutyOAuthError) return error.isTransient ? user : undefined
      throw error
    })
    if (now?.id === user.id && now.accountID === user.accountID && now.delegationID === user.delegationID)
      return
    this.#parts.ended.revoke([revocable(tokens)])
    throw new TokenEndpointError('PagerDuty responded to a refresh with the tokens of another user', {
      code: 'ERR_PAGERDUTY_IDENTITY_CHANGED',
      status: 503,
    })
  }

  /**
   * PagerDuty does not refresh this grant any more. An access token that is valid and was not rejected is used until it
   * expires: the response of an earlier refresh may have been lost, which need not log the user out early.
   */
  async #handleRejection(current: Grant, isRejected: boolean, error?: TokenEndpointError): Promise<Grant> {
    const { record } = current
    if (isRejected || Date.now() >= effectiveExpiry(record.tokens)) return this.#end(current)
    if (error === undefined) return current
    const dropped = await this.#dropRefreshToken(current)
    this.#parts.events.emit('refreshFailed', { grantID: current.id, reason: reasonOf(error), error })
    return dropped
  }

  /** Only from the version that was rejected: `keep()` or another process's refresh may have come in between. */
  async #dropRefreshToken(rejected: Grant): Promise<Grant> {
    const { record } = rejected
    const dropped = await this.#parts.repository.update(rejected, {
      ...record,
      tokens: record.tokens.withoutRefreshToken(),
    })
    if (dropped !== undefined) return dropped
    const current = await this.current(rejected.id)
    return current.id === rejected.id && current.record.tokens.refreshToken === record.tokens.refreshToken
      ? this.#dropRefreshToken(current)
      : current
  }

  /** Ends the grant, if this version is still the stored one. */
  async #end(rejected: Grant): Promise<Grant> {
    if (await this.#parts.repository.delete(rejected.id, rejected)) throw new LoginRequiredError()
    const current = await this.current(rejected.id)
    // `keep()` may have come in between.
    return isSameVersion(current, rejected) ? this.#end(current) : current
  }

  /** The stored grant, or the one that replaced it meanwhile. */
  async current(id: string): Promise<Grant> {
    const current = await this.#parts.repository.latest(id)
    if (current === undefined) throw new LoginRequiredError()
    return current
  }
}

/** The lease was lost before the refresh token was sent. */
class LeaseLost extends Error {}

export function isSameVersion(one: Grant, other: Grant): boolean {
  return one.id === other.id && one.record.version === other.record.version
}

/** A process that was frozen since it took the lock must not send a token that the next holder sends too. */
async function isSafe(lease: Lease): Promise<boolean> {
  if (!lease.isSafeToStart) await lease.renew()
  return lease.isSafeToStart
}
