import { type AppTokenRequest, AppTokenVault } from './token-repository'
import { BackOff } from '../oauth/circuit-breaker'
import type { Client } from '../oauth/client'
import { pause } from '../async/timeout'
import { PagerDutyOAuthError, ScopeNotGrantedError, TokenEndpointError, TokenStoreError } from '../errors'
import { Lease, LockWait } from '../store/lease'
import { NotGranted } from './negative-cache'
import type { KeyRing } from '../store/encryption'
import { requestToken } from '../oauth/token-endpoint'
import { TokenSet } from '../oauth/token-set'
import type { TokenStore } from '../store/token-store'

/** Short: who dies while minting leaves nothing half done, and nobody should have to wait long for the lock. */
const leaseDuration = 5_000
const exchangeTimeout = 10_000
const longestWait = 11_000
const firstWait = 50

/** What is told about mints. */
export interface MintOnceObserver {
  minted(request: AppTokenRequest, tokens: TokenSet): void
  /** Another process was minting; the wait for it took so many milliseconds. */
  waited(request: AppTokenRequest, duration: number): void
}

/** One mint at a time for each request in all processes that share the store. What comes of it is shared by them. */
export class MintOnce {
  readonly #client: Client
  readonly #store: TokenStore
  readonly #vault: AppTokenVault
  readonly #backOff: BackOff
  readonly #notGranted: NotGranted
  readonly #observer: MintOnceObserver
  #isClosed = false

  constructor(client: Client, store: TokenStore, keys: KeyRing, observer: MintOnceObserver) {
    this.#client = client
    this.#store = store
    this.#vault = new AppTokenVault(store, keys)
    this.#backOff = new BackOff(store, client.clientID, 'app tokens')
    this.#notGranted = new NotGranted(store)
    this.#observer = observer
  }

  /** Why no token may be asked for now, as far as this process knows. */
  obstacle(request: AppTokenRequest): Error | undefined {
    if (this.#isClosed) return closing()
    return this.#notGranted.known(request) ?? this.#backOff.known(request.id)
  }

  /**
   * The stored token if it is wanted, else a new one.
   *
   * @throws {ScopeNotGrantedError} PagerDuty issued less than was asked for
   * @throws {TokenEndpointError} PagerDuty gave no token this time
   */
  async obtain(request: AppTokenRequest, isWanted: (tokens: TokenSet) => boolean): Promise<TokenSet> {
    const wait = new LockWait((duration) => this.#observer.waited(request, duration))
    try {
      return await this.#shared(request, isWanted, wait)
    } catch (error) {
      const isOurs = error instanceof PagerDutyOAuthError && !(error instanceof TokenStoreError)
      if (isOurs || this.#isClosed) throw error
      // Minting costs nothing that could be lost: without a store, each process has tokens of its own.
      return this.#mint(request)
    } finally {
      wait.end()
    }
  }

  /** The stored token; none where the store does not answer. */
  stored(id: string): Promise<TokenSet | undefined> {
    return this.#vault.read(id).catch(() => undefined)
  }

  /** Removes this token from the store. */
  forget(accessToken: string): Promise<void> {
    return this.#vault.delete(accessToken)
  }

  /** Starts nothing more. */
  close(): void {
    this.#isClosed = true
  }

  /** Waits for the lock, or for the token that its holder stores, or for the holder's failure. */
  async #shared(
    request: AppTokenRequest,
    isWanted: (tokens: TokenSet) => boolean,
    lockWait: LockWait,
  ): Promise<TokenSet> {
    const { id } = request
    const giveUpAt = performance.now() + longestWait
    for (let wait = firstWait; ; wait = Math.min(wait * 1.5, 4 * firstWait)) {
      const before = await this.#vault.read(id)
      if (before !== undefined && isWanted(before)) return before
      const lease = await Lease.acquire(this.#store, `lock:app-${id}`, leaseDuration)
      if (lease !== undefined) lockWait.end()
      try {
        const again = lease === undefined ? undefined : this.#vault.read(id)
        const [stored, failure] = await Promise.all([again, this.#failure(request)])
        if (stored !== undefined && isWanted(stored)) return stored
        if (failure !== undefined) throw failure
        if (this.#isClosed) throw closing()
        if (lease !== undefined) {
          const tokens = await this.#mint(request)
          await this.#vault.write(id, tokens).catch(() => {}) // The next process mints one of its own.
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
      this.#notGranted.look(request),
      this.#backOff.look(request.id),
    ])
    return notGranted ?? failure
  }

  async #mint(request: AppTokenRequest): Promise<TokenSet> {
    const { id, asked } = request
    const tokens = await this.#request(request)
    await this.#backOff.succeeded(id)
    if (asked.every((scope) => tokens.scope.includes(scope))) {
      this.#observer.minted(request, tokens)
      return tokens
    }
    await this.#notGranted.found(request, tokens.scope)
    throw new ScopeNotGrantedError(asked, tokens.scope)
  }

  async #request({ id, asked }: AppTokenRequest): Promise<TokenSet> {
    try {
      const grant = { grant_type: 'client_credentials', scope: asked.join(' ') }
      return TokenSet.from(await requestToken(this.#client, grant, exchangeTimeout), { scope: asked })
    } catch (error) {
      if (error instanceof TokenEndpointError) await this.#backOff.failed(id, error)
      throw error
    }
  }
}

function closing(): TokenStoreError {
  return new TokenStoreError('This process is shutting down')
}

/** What a wait ends with that was too long, here or for the process that mints. */
export function late(): TokenEndpointError {
  return new TokenEndpointError('PagerDuty has not issued an app token in time', {
    code: 'ERR_PAGERDUTY_TOKEN_TIMEOUT',
    status: 503,
    isTransient: true,
  })
}
