import { setTimeout as pause } from 'node:timers/promises'
import { BackOff } from './back-off'
import type { Client } from './client'
import { LoginRequiredError, TokenEndpointError, TokenStoreError } from './errors'
import type { Grant, GrantVault } from './grant-vault'
import type { IDTokenVerifier } from './id-token'
import { Lease } from './lock'
import { requestToken } from './token-endpoint'
import { type TokenResponse, TokenSet } from './token-set'
import type { TokenStore } from './token-store'

const leaseDuration = 15_000
/** The exchange is read to its end for this long: hanging up would throw away the only copy of the new pair. */
const exchangeTimeout = 60_000
const persistTimeout = 30_000

/** What the refresher tells about its work. */
export interface RefreshObserver {
  refreshed(grant: Grant): void
  refreshFailed(grantID: string, error: Error): void
  /** New tokens that belong to nobody any more. */
  orphaned(tokens: TokenSet): void
}

/** One refresh at a time for each grant, in this process and in all that share the store. */
export class Refresher {
  readonly #client: Client
  readonly #store: TokenStore
  readonly #vault: GrantVault
  readonly #idTokens: IDTokenVerifier
  readonly #observer: RefreshObserver
  readonly #flights = new Map<string, Promise<Grant>>()
  readonly #backOff = new BackOff()
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
  }

  /**
   * A newer version of the grant than the one seen. All callers share one flight, which belongs to none of them: it goes
   * on when they are gone.
   *
   * @throws {LoginRequiredError} PagerDuty has ended the grant, or it was logged out
   * @throws {TokenEndpointError} PagerDuty did not refresh it this time
   * @throws {TokenStoreError} the store did not answer
   */
  async renew(seen: Grant): Promise<Grant> {
    const result = await this.#fly(seen)
    // The flight may have begun before this version was written.
    return result.record.version === seen.record.version ? this.#fly(seen) : result
  }

  /** Whether a renewal would be tried now: none is under way, and the last failure is long enough ago. */
  isIdle(grantID: string): boolean {
    return !this.#flights.has(grantID) && this.#backOff.failureOf(grantID) === undefined
  }

  /** Starts nothing more, and waits until what runs is finished and stored. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.allSettled(this.#flights.values())
  }

  #fly(seen: Grant): Promise<Grant> {
    const { id } = seen
    const flight = this.#flights.get(id)
    if (flight !== undefined) return flight
    const failure = this.#backOff.failureOf(id)
    if (failure !== undefined) return Promise.reject(failure)
    if (this.#isClosed) return Promise.reject(new TokenStoreError('This process is shutting down'))
    const started = this.#run(seen)
      .then(
        (grant) => {
          this.#backOff.clear(id)
          return grant
        },
        (error: Error) => {
          if (error instanceof TokenEndpointError)
            this.#backOff.failed(id, error, (error.retryAfter ?? 0) * 1000)
          else this.#backOff.clear(id)
          this.#observer.refreshFailed(id, error)
          throw error
        },
      )
      .finally(() => this.#flights.delete(id))
    this.#flights.set(id, started)
    started.catch(() => {}) // There may be nobody waiting.
    return started
  }

  /** Waits for the lock, or for the version that its holder writes. */
  async #run(seen: Grant): Promise<Grant> {
    const giveUpAt = performance.now() + exchangeTimeout
    for (;;) {
      const lease = await Lease.acquire(this.#store, `lock:${seen.id}`, leaseDuration)
      if (lease !== undefined) {
        try {
          return await this.#renewUnder(lease, seen)
        } finally {
          await lease.release()
        }
      }
      await pause(50 + Math.random() * 50)
      const current = await this.#current(seen.id)
      if (current.record.version !== seen.record.version) return current
      if (performance.now() > giveUpAt)
        throw new TokenStoreError('Another process has not finished a refresh')
    }
  }

  async #renewUnder(lease: Lease, seen: Grant): Promise<Grant> {
    const current = await this.#current(seen.id)
    if (current.record.version !== seen.record.version) return current
    const { refreshToken } = current.record.tokens
    if (refreshToken === undefined) return this.#end(current)
    let response: TokenResponse
    try {
      response = await this.#exchange(lease, refreshToken)
    } catch (error) {
      if (error instanceof TokenEndpointError && error.error === 'invalid_grant' && !error.isTransient) {
        return this.#end(current)
      }
      throw error
    }
    const { tokens: before, user } = current.record
    const tokens = TokenSet.from(response, { scope: before.scope, refreshToken })
    if (response.id_token !== undefined) await this.#checkIdentity(response.id_token, tokens, user)
    return this.#persist(current, tokens)
  }

  /** Presents the refresh token, and once more when the answer got lost: a grace period lasts seconds, if there is one. */
  async #exchange(lease: Lease, refreshToken: string): Promise<TokenResponse> {
    for (let attempt = 1; ; attempt++) {
      // Whoever was frozen since the lock was taken must not present a token that the next holder presents too.
      if (!lease.isSound) await lease.renew()
      if (!lease.isSound) throw new TokenStoreError('The lock for a refresh was lost before it began')
      try {
        const grant = { grant_type: 'refresh_token', refresh_token: refreshToken }
        return await requestToken(this.#client, grant, exchangeTimeout)
      } catch (error) {
        const isLost = error instanceof TokenEndpointError && error.code === 'ERR_PAGERDUTY_TOKEN_UNREACHABLE'
        if (!isLost || attempt === 2) throw error
        await pause(500)
      }
    }
  }

  /** PagerDuty sends no id_token at a refresh; if it comes to, it must speak of the same person and authorization. */
  async #checkIdentity(idToken: string, tokens: TokenSet, user: Grant['record']['user']): Promise<void> {
    const now = await this.#idTokens.verify(idToken, { accessToken: tokens.accessToken })
    if (now.id === user.id && now.accountID === user.accountID && now.delegationID === user.delegationID)
      return
    this.#observer.orphaned(tokens)
    throw new TokenEndpointError('PagerDuty answered a refresh with the tokens of somebody else', {
      code: 'ERR_PAGERDUTY_IDENTITY_CHANGED',
      status: 503,
    })
  }

  /** Writes the new pair. It is the only copy, so a store that fails is asked again for half a minute. */
  async #persist(before: Grant, tokens: TokenSet): Promise<Grant> {
    const record = { ...before.record, version: before.record.version + 1, tokens }
    const giveUpAt = performance.now() + persistTimeout
    for (let wait = 100; ; wait = Math.min(wait * 2, 2_000)) {
      try {
        const stored = (await this.#vault.update(before, record)) ?? (await this.#adopt(before, record))
        this.#observer.refreshed(stored)
        return stored
      } catch (error) {
        if (!(error instanceof TokenStoreError) || performance.now() > giveUpAt) throw error
        await pause(wait)
      }
    }
  }

  /** The version presented is not there any more: logged out, kept by `keep()`, or written by another process. */
  async #adopt(before: Grant, record: Grant['record']): Promise<Grant> {
    const current = await this.#vault.read(before.id)
    if (current === undefined) {
      this.#observer.orphaned(record.tokens)
      throw new LoginRequiredError()
    }
    if (current.record.version !== before.record.version) return current
    const merged = { ...current.record, version: record.version, tokens: record.tokens }
    return (await this.#vault.update(current, merged)) ?? this.#adopt(current, record)
  }

  /** PagerDuty will not refresh this version. If it is still the stored one, the grant is over. */
  async #end(refused: Grant): Promise<Grant> {
    if (await this.#vault.delete(refused.id, refused)) throw new LoginRequiredError()
    const current = await this.#current(refused.id)
    if (current.record.version !== refused.record.version) return current
    throw new LoginRequiredError()
  }

  async #current(id: string): Promise<Grant> {
    const current = await this.#vault.read(id)
    if (current === undefined) throw new LoginRequiredError()
    return current
  }
}
