import { type AppTokenRequest, AppTokenRepository } from './token-repository'
import type { Context } from '../context'
import { CircuitBreaker } from '../oauth/circuit-breaker'
import { PagerDutyOAuthError, TokenStoreError, closedError, reasonOf } from '../errors/errors'
import { ScopeNotGrantedError, TokenEndpointError } from '../errors/pagerduty-errors'
import { Lease, LockWait } from '../store/lease'
import { LRUMap } from '../async/lru-map'
import { type Need, satisfies } from './need'
import { NegativeCache } from './negative-cache'
import { missingScopes } from '../scopes/scope'
import { pause } from '../async/timeout'
import { requestToken } from '../oauth/token-endpoint'
import { TokenSet } from '../oauth/token-set'

/** Short: a process that dies during a request loses nothing, and others should not wait long for its lease. */
const leaseDuration = 5_000
const exchangeTimeout = 10_000
const longestWait = 11_000
const firstWait = 50

/** Requests app tokens (RFC 6749 section 4.4): of all processes that share the store, one at a time for each request. */
export class AppTokenIssuer {
  readonly #context: Context
  readonly #repository: AppTokenRepository
  readonly #breaker: CircuitBreaker
  readonly #negativeCache: NegativeCache
  /** These may still arrive: from a request under way, or from a store that could not delete them. */
  readonly #invalidated = new LRUMap<string, true>(1_000)
  #isClosed = false

  constructor(context: Context) {
    const { client, store, keys } = context
    this.#context = context
    this.#repository = new AppTokenRepository(store, keys)
    this.#breaker = new CircuitBreaker(store, client.clientID, 'app tokens')
    this.#negativeCache = new NegativeCache(store)
  }

  /** Why no token may be requested now, as far as this process knows. */
  obstacle(request: AppTokenRequest): Error | undefined {
    if (this.#isClosed) return closedError()
    return this.#negativeCache.get(request) ?? this.#breaker.openError(request.id)
  }

  /**
   * The stored token if it fits, else a new one.
   *
   * @throws {ScopeNotGrantedError} PagerDuty issued less than was requested
   * @throws {TokenEndpointError} PagerDuty issued no token this time
   */
  async issue(request: AppTokenRequest, need: Need): Promise<TokenSet> {
    const obstacle = this.obstacle(request)
    if (obstacle !== undefined) throw obstacle
    const wait = new LockWait((duration) =>
      this.#context.events.emit('lockWait', { lock: 'appToken', account: request.account.name, duration }),
    )
    try {
      return await this.#shared(request, need, wait).catch((error: unknown) => {
        const isOfStore = error instanceof TokenStoreError || !(error instanceof PagerDutyOAuthError)
        if (!isOfStore || this.#isClosed) throw error
        // A request loses nothing, unlike a refresh. So without the store each process has tokens of its own.
        return this.#request(request)
      })
    } catch (reason) {
      const error = reason as Error
      this.#context.events.emit('appTokenFailed', { ...about(request), reason: reasonOf(error), error })
      throw error
    } finally {
      wait.end()
    }
  }

  /** Whether a token satisfies a need and was not invalidated. */
  fits(tokens: TokenSet, need: Need): boolean {
    return !this.#invalidated.has(tokens.accessToken) && satisfies(tokens, need, Date.now())
  }

  /** The stored token, if it fits. */
  async stored(id: string, need: Need): Promise<TokenSet | undefined> {
    const tokens = await this.#repository.read(id)
    return tokens !== undefined && this.fits(tokens, need) ? tokens : undefined
  }

  /** No process reads this token from the store any more, and this one does not use it again. */
  async invalidate(accessToken: string): Promise<void> {
    this.#invalidated.set(accessToken, true)
    await this.#repository.delete(accessToken)
  }

  /** Starts nothing more. */
  close(): void {
    this.#isClosed = true
  }

  /** Waits for the lease, for the token that its holder stores, or for its failure. */
  async #shared(request: AppTokenRequest, need: Need, lockWait: LockWait): Promise<TokenSet> {
    const { id } = request
    const giveUpAt = performance.now() + longestWait
    for (let wait = firstWait; ; wait = Math.min(wait * 1.5, 4 * firstWait)) {
      const before = await this.stored(id, need)
      if (before !== undefined) return before
      const lease = await Lease.acquire(this.#context.store, `lock:app-${id}`, leaseDuration)
      if (lease !== undefined) lockWait.end()
      try {
        const [stored, failure] = await Promise.all([lease && this.stored(id, need), this.#failure(request)])
        if (stored !== undefined) return stored
        if (failure !== undefined) throw failure
        if (this.#isClosed) throw closedError()
        if (lease !== undefined) {
          const tokens = await this.#request(request)
          await this.#repository.write(id, tokens).catch(() => {}) // The next process requests its own.
          return tokens
        }
      } finally {
        await lease?.release()
      }
      if (performance.now() >= giveUpAt) throw late()
      lockWait.begin()
      await pause(wait * (1 + Math.random()))
    }
  }

  async #failure(request: AppTokenRequest): Promise<Error | undefined> {
    const [notGranted, failure] = await Promise.all([
      this.#negativeCache.load(request),
      this.#breaker.check(request.id),
    ])
    return notGranted ?? failure
  }

  async #request(request: AppTokenRequest): Promise<TokenSet> {
    const { id, requested } = request
    const grant = { grant_type: 'client_credentials', scope: requested.join(' ') }
    let tokens: TokenSet
    try {
      tokens = TokenSet.from(await requestToken(this.#context.client, grant, exchangeTimeout), {
        scope: requested,
      })
    } catch (error) {
      if (error instanceof TokenEndpointError) await this.#breaker.recordFailure(id, error)
      throw error
    }
    await this.#breaker.recordSuccess(id)
    if (missingScopes(tokens.scope, requested, 'scoped').length > 0) {
      await this.#negativeCache.add(request, tokens.scope)
      throw new ScopeNotGrantedError(requested, tokens.scope)
    }
    this.#context.events.emit('appToken', { ...about(request), expiresAt: tokens.expiresAt })
    return tokens
  }
}

function about({ account, scope }: AppTokenRequest): { account: string; scope: readonly string[] } {
  return { account: account.name, scope }
}

/** For waits that took too long, in this process or for another one's request. */
export function late(): TokenEndpointError {
  return new TokenEndpointError('PagerDuty has not issued an app token in time', {
    code: 'ERR_PAGERDUTY_TOKEN_TIMEOUT',
    status: 503,
    isTransient: true,
  })
}
