import type { AccountName } from './account'
import { AppTokenVault, appTokenID } from './app-token-vault'
import { BackOff } from './back-off'
import type { Client } from './client'
import { pause } from './deadline'
import { ScopeNotGrantedError, TokenEndpointError, TokenStoreError } from './errors'
import { endOf, renewalOf } from './freshness'
import { Lease } from './lock'
import type { KeyRing } from './seal'
import { requestToken } from './token-endpoint'
import { TokenSet } from './token-set'
import type { TokenStore } from './token-store'
import { Throttle } from './throttle'

const leaseDuration = 15_000
const exchangeTimeout = 10_000
const notGrantedPause = 30_000
const mostHeld = 1_000
const hopelessFor = 10_000

/** What is asked for: some scopes on one account. */
export interface AppTokenRequest {
  readonly id: string
  readonly account: AccountName
  readonly scope: readonly string[]
}

/** What the mint tells about its work. */
export interface MintObserver {
  minted(request: AppTokenRequest, tokens: TokenSet): void
  mintFailed(request: AppTokenRequest, error: Error): void
}

/**
 * App tokens by client credentials (RFC 6749 section 4.4): held in memory, shared through the store, and minted once for
 * all processes. A token serves to its real end and is renewed behind the callers' backs before.
 */
export class AppTokenMint {
  readonly #client: Client
  readonly #store: TokenStore
  readonly #vault: AppTokenVault
  readonly #backOff: BackOff
  readonly #observer: MintObserver
  readonly #held = new Map<string, TokenSet>()
  readonly #flights = new Map<string, Promise<TokenSet>>()
  readonly #notGranted = new Map<string, { error: ScopeNotGrantedError; until: number }>()
  readonly #hopeless = new Throttle(hopelessFor)
  #isClosed = false

  constructor(client: Client, store: TokenStore, keys: KeyRing, observer: MintObserver) {
    this.#client = client
    this.#store = store
    this.#vault = new AppTokenVault(store, keys)
    this.#backOff = new BackOff(store, client.clientID)
    this.#observer = observer
  }

  /** What to ask for, with the key under which the answer is kept. */
  request(account: AccountName, scope: readonly string[]): AppTokenRequest {
    return { id: appTokenID(this.#client, account, scope), account, scope }
  }

  /** A token that is good for `minValidity` more milliseconds: at once where there is one. */
  token(request: AppTokenRequest, minValidity = 0): TokenSet | Promise<TokenSet> {
    const held = this.#held.get(request.id)
    const now = Date.now()
    if (held === undefined || now + minValidity >= endOf(held))
      return this.#renewed(request, held, minValidity)
    const isDue = now >= renewalOf(held, request.id, held.obtainedAt)
    if (isDue && this.#obstacle(request) === undefined) this.#fly(request, held).catch(() => {})
    return held
  }

  /** Another token than the one that was refused: as held, as stored, or a new one. */
  async instead(request: AppTokenRequest, refused: string): Promise<TokenSet> {
    const held = this.#held.get(request.id)
    if (held !== undefined && (held.accessToken !== refused || this.#hopeless.isRecent(request.id)))
      return held
    return this.#fly(request, held)
  }

  /** The API has refused a new token as well: one more would only go round, so it is left for a while. */
  refusedToo({ id }: AppTokenRequest): void {
    this.#hopeless.take(id)
  }

  /** Forgets a token wherever it is held, if it is this one. */
  async invalidate(accessToken: string): Promise<void> {
    for (const [id, held] of this.#held) {
      if (held.accessToken !== accessToken) continue
      this.#held.delete(id)
      const stored = await this.#vault.read(id)
      if (stored?.tokens.accessToken === accessToken) await this.#vault.delete(id, stored)
    }
  }

  /** Starts nothing more, and waits until what runs is finished and stored. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.allSettled(this.#flights.values())
  }

  /** What a flight brings may be an older token from the store, good for somebody who needs it for less long. */
  async #renewed(
    request: AppTokenRequest,
    held: TokenSet | undefined,
    minValidity: number,
  ): Promise<TokenSet> {
    const tokens = await this.#fly(request, held)
    return Date.now() + minValidity < endOf(tokens) ? tokens : this.#fly(request, tokens)
  }

  /** All callers of one key share one flight, which belongs to none of them. */
  #fly(request: AppTokenRequest, seen: TokenSet | undefined): Promise<TokenSet> {
    const { id } = request
    const flight = this.#flights.get(id)
    if (flight !== undefined) return flight
    const obstacle = this.#obstacle(request)
    if (obstacle !== undefined) return Promise.reject(obstacle)
    const started = this.#obtain(request, seen?.accessToken)
      .then(
        (tokens) => {
          this.#hold(id, tokens)
          return tokens
        },
        (error: Error) => {
          this.#observer.mintFailed(request, error)
          throw error
        },
      )
      .finally(() => this.#flights.delete(id))
    this.#flights.set(id, started)
    started.catch(() => {}) // There may be nobody waiting.
    return started
  }

  /** Why no token may be asked for now. */
  #obstacle({ id }: AppTokenRequest): Error | undefined {
    if (this.#isClosed) return new TokenStoreError('This process is shutting down')
    const notGranted = this.#notGranted.get(id)
    if (notGranted !== undefined && performance.now() < notGranted.until) return notGranted.error
    return this.#backOff.known(id)
  }

  /** The stored token where it is another than the one seen and no renewal is due, else a new one. */
  async #obtain(request: AppTokenRequest, seen: string | undefined): Promise<TokenSet> {
    const { id } = request
    const giveUpAt = performance.now() + exchangeTimeout
    while (performance.now() < giveUpAt) {
      let lease: Lease | undefined
      try {
        const before = await this.#stored(id, seen)
        if (before !== undefined) return before
        lease = await Lease.acquire(this.#store, `lock:app-${id}`, leaseDuration)
        const [stored, failure] = await Promise.all([this.#stored(id, seen), this.#backOff.look(id)])
        if (stored !== undefined) return stored
        if (failure !== undefined) throw failure
        if (lease !== undefined) {
          const tokens = await this.#mint(request)
          await this.#vault.write(id, tokens).catch(() => {}) // The next process mints one of its own.
          return tokens
        }
      } catch (error) {
        // Minting costs nothing that could be lost: without a store each process has tokens of its own.
        if (error instanceof TokenStoreError) return this.#mint(request)
        throw error
      } finally {
        await lease?.release()
      }
      await pause(50 + Math.random() * 50)
    }
    throw new TokenStoreError('Another process has not finished to mint an app token')
  }

  async #stored(id: string, seen: string | undefined): Promise<TokenSet | undefined> {
    const tokens = (await this.#vault.read(id))?.tokens
    return tokens !== undefined && tokens.accessToken !== seen && Date.now() < endOf(tokens)
      ? tokens
      : undefined
  }

  async #mint(request: AppTokenRequest): Promise<TokenSet> {
    const { id, account } = request
    const asked = [account.scope, ...request.scope]
    try {
      const grant = { grant_type: 'client_credentials', scope: asked.join(' ') }
      const tokens = TokenSet.from(await requestToken(this.#client, grant, exchangeTimeout), { scope: asked })
      this.#backOff.succeeded(id)
      const missing = asked.filter((scope) => !tokens.scope.includes(scope))
      if (missing.length > 0) throw new ScopeNotGrantedError(asked, tokens.scope)
      this.#observer.minted(request, tokens)
      return tokens
    } catch (error) {
      if (error instanceof TokenEndpointError) await this.#backOff.failed(id, error)
      if (error instanceof ScopeNotGrantedError)
        this.#notGranted.set(id, { error, until: performance.now() + notGrantedPause })
      throw error
    }
  }

  #hold(id: string, tokens: TokenSet): void {
    this.#notGranted.delete(id)
    this.#held.delete(id)
    this.#held.set(id, tokens)
    // Sets of scopes that nobody asks for again: the oldest goes first.
    const [oldest] = this.#held.keys()
    if (this.#held.size > mostHeld && oldest !== undefined) this.#held.delete(oldest)
  }
}
