import type { AccountName } from './account'
import { type AppTokenRequest, appTokenRequest } from './token-repository'
import type { Background } from '../async/background'
import type { Client } from '../oauth/client'
import { withinDeadline } from '../async/timeout'
import { endOf, renewalOf } from '../oauth/token-expiry'
import { MintOnce, type MintOnceObserver, late } from './token-issuer'
import type { KeyRing } from '../store/encryption'
import type { TokenSet } from '../oauth/token-set'
import type { TokenStore } from '../store/token-store'
import { Throttle } from '../async/throttle'

const callersWait = 11_000
const mostHeld = 1_000
const hopelessFor = 10_000
/** A token younger than this is as good as one can be had. */
const newFor = 5_000

interface Held {
  readonly tokens: TokenSet
  /** What callers get, all of them the same. */
  readonly given: Promise<TokenSet>
  readonly renewAt: number
  /** The wall clock minus the monotonic one when it came. */
  readonly offset: number
  /** When the clocks were last compared, by the wall clock, and by how much it was behind then. */
  comparedAt: number
  behind: number
}

/** What the mint tells about its work. */
export interface MintObserver extends MintOnceObserver {
  mintFailed(request: AppTokenRequest, error: Error): void
}

/**
 * App tokens by client credentials (RFC 6749 section 4.4): held in memory, shared through the store, and minted once for
 * all processes. A token serves to its real end and is renewed behind the callers' backs before.
 */
export class AppTokenMint {
  readonly #client: Client
  readonly #mint: MintOnce
  readonly #background: Background
  readonly #observer: MintObserver
  readonly #held = new Map<string, Held>()
  readonly #flights = new Map<string, Promise<TokenSet>>()
  /** Tokens that were refused elsewhere. A flight may be bringing one, or the store may not have removed it. */
  readonly #forgotten = new Map<string, true>()
  readonly #hopeless = new Throttle(hopelessFor)

  constructor(
    client: Client,
    store: TokenStore,
    keys: KeyRing,
    background: Background,
    observer: MintObserver,
  ) {
    this.#client = client
    this.#mint = new MintOnce(client, store, keys, observer)
    this.#background = background
    this.#observer = observer
  }

  /** What to ask for, with the key under which the answer is kept. */
  request(account: AccountName, scope: readonly string[]): AppTokenRequest {
    return appTokenRequest(this.#client, account, scope)
  }

  /** A token that is good for `minValidity` more milliseconds, or a new one: at once where there is one. */
  token(request: AppTokenRequest, minValidity = 0): Promise<TokenSet> {
    const held = this.#held.get(request.id)
    const now = held === undefined ? 0 : timeOf(held)
    if (held === undefined || !isGood(held.tokens, now, minValidity))
      return this.#wanted(request, (tokens) => isGood(tokens, Date.now(), minValidity))
    if (now >= held.renewAt && this.#mint.obstacle(request) === undefined) this.#renew(request, held.tokens)
    return held.given
  }

  /** Another token than the one that was refused: as held, as stored, or a new one. The same where none would help. */
  async instead(request: AppTokenRequest, refused: string): Promise<string> {
    const { id } = request
    const isAnother = (tokens: TokenSet) =>
      tokens.accessToken !== refused && isGood(tokens, Date.now(), 0) && !this.#isForgotten(tokens)
    const held = this.#held.get(id)?.tokens
    if (held !== undefined && isAnother(held)) return held.accessToken
    if (!this.#hopeless.isRecent(id)) return (await this.#wanted(request, isAnother)).accessToken
    const stored = await this.#mint.stored(id)
    if (stored === undefined || !isAnother(stored)) return refused
    this.#hold(id, stored)
    return stored.accessToken
  }

  /**
   * The API has refused the other token as well. If that one was new, one more would only go round, so it is left for a
   * while; else it was refused for the same reason as the first, and a new one is worth a try.
   */
  refusedToo(request: AppTokenRequest, refused: string): Promise<string> | undefined {
    const held = this.#held.get(request.id)?.tokens
    const isNew = held?.accessToken === refused && Date.now() - held.obtainedAt < hopelessFor
    if (!isNew) return this.instead(request, refused)
    this.#hopeless.take(request.id)
    return undefined
  }

  /** Forgets a token here and in the store, whichever process obtained it. */
  async invalidate(accessToken: string): Promise<void> {
    remember(this.#forgotten, accessToken, true)
    for (const [id, { tokens }] of this.#held) if (tokens.accessToken === accessToken) this.#held.delete(id)
    await this.#mint.forget(accessToken)
  }

  /** Starts nothing more, and waits until what runs is finished and stored. */
  async close(): Promise<void> {
    this.#mint.close()
    await this.#background.settled()
  }

  /** Behind the callers' backs: of a failure an event tells, and until the token's end nobody needs to know more. */
  #renew(request: AppTokenRequest, due: TokenSet): void {
    const isNewer = (tokens: TokenSet) =>
      tokens.accessToken !== due.accessToken && Date.now() < renewalOf(tokens, request.id, tokens.obtainedAt)
    this.#fly(request, isNewer).catch(() => {})
  }

  /** A flight that is under way may have been begun for somebody who needs less. */
  #wanted(request: AppTokenRequest, isWanted: (tokens: TokenSet) => boolean): Promise<TokenSet> {
    const work = async () => {
      const tokens = await this.#fly(request, isWanted)
      const isFit = isWanted(tokens) && !this.#isForgotten(tokens)
      return isFit ? tokens : this.#fly(request, isWanted)
    }
    return withinDeadline(work(), callersWait, late)
  }

  /** All callers of one key share one flight, which belongs to none of them. */
  #fly(request: AppTokenRequest, isWanted: (tokens: TokenSet) => boolean): Promise<TokenSet> {
    const { id } = request
    const flight = this.#flights.get(id)
    if (flight !== undefined) return flight
    const obstacle = this.#mint.obstacle(request)
    if (obstacle !== undefined) return Promise.reject(obstacle)
    const isFit = (tokens: TokenSet) => isWanted(tokens) && !this.#isForgotten(tokens)
    const started = this.#mint
      .obtain(request, isFit)
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
    this.#background.add(started)
    return started
  }

  #isForgotten({ accessToken }: TokenSet): boolean {
    return this.#forgotten.has(accessToken)
  }

  #hold(id: string, tokens: TokenSet): void {
    if (this.#isForgotten(tokens)) return
    remember(this.#held, id, {
      tokens,
      given: Promise.resolve(tokens),
      renewAt: renewalOf(tokens, id, tokens.obtainedAt),
      offset: Date.now() - performance.now(),
      comparedAt: -Infinity,
      behind: 0,
    })
  }
}

/**
 * The time by whichever clock has gone further since: one is set back, the other sleeps with the machine. Within a few
 * milliseconds they are not compared anew.
 */
function timeOf(held: Held): number {
  const now = Date.now()
  if (now < held.comparedAt || now >= held.comparedAt + 10) {
    held.comparedAt = now
    held.behind = Math.max(performance.now() + held.offset - now, 0)
  }
  return now + held.behind
}

/** Whether a token serves, and for so many milliseconds; one that has just come is not exchanged for another. */
function isGood(tokens: TokenSet, now: number, minValidity: number): boolean {
  const end = endOf(tokens)
  const isNew = now < tokens.obtainedAt + Math.max(newFor, (tokens.expiresAt - tokens.obtainedAt) / 10)
  return now < end && (isNew || !(now + minValidity >= end))
}

/** Keys that nobody asks for again: the oldest goes first. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > mostHeld && oldest !== undefined) map.delete(oldest)
}
