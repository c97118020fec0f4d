import type { AppTokenRequest } from './token-repository'
import { AppTokenIssuer, late } from './token-issuer'
import type { Background } from '../async/background'
import type { Context } from '../context'
import { LRUMap } from '../async/lru-map'
import { type Need, satisfies } from './need'
import { refreshAt } from '../oauth/token-expiry'
import { SingleFlight } from '../async/single-flight'
import { Throttle } from '../async/throttle'
import type { TokenSet } from '../oauth/token-set'
import { withinDeadline } from '../async/timeout'

const callersWait = 11_000
/** Milliseconds without another request after the API has rejected a new token. */
const rejectedFor = 10_000
const anyToken: Need = {}

interface CachedToken {
  readonly tokens: TokenSet
  /** What callers get, all of them the same. */
  readonly result: Promise<TokenSet>
  readonly refreshAt: number
}

/** App tokens in memory. They are valid until they expire, and replaced in the background before. */
export class AppTokenCache {
  readonly #issuer: AppTokenIssuer
  readonly #background: Background
  readonly #cached = new LRUMap<string, CachedToken>(1_000)
  readonly #requests = new SingleFlight<TokenSet>()
  readonly #recentlyRejected = new Throttle(rejectedFor)

  constructor(context: Context) {
    this.#issuer = new AppTokenIssuer(context)
    this.#background = context.background
  }

  /** A token that satisfies a need: at once where one is cached, else stored, else a new one. */
  get(request: AppTokenRequest, need = anyToken): Promise<TokenSet> {
    const cached = this.#cached.get(request.id)
    const now = Date.now()
    if (cached === undefined || !satisfies(cached.tokens, need, now)) return this.#issue(request, need)
    if (now >= cached.refreshAt && this.#issuer.obstacle(request) === undefined) {
      // The event reports a failure; until the token expires, no caller needs to know.
      void this.#issueOnce(request, { not: cached.tokens.accessToken })
    }
    return cached.result
  }

  /** Another token than the one that the API rejected. The same where no other would help. */
  async replaceRejected(request: AppTokenRequest, rejected: string): Promise<string> {
    const { id } = request
    const need = { not: rejected }
    const cached = this.#cached.get(id)
    const isReplaced = cached !== undefined && satisfies(cached.tokens, need, Date.now())
    if (isReplaced || !this.#recentlyRejected.isRecent(id)) return (await this.get(request, need)).accessToken
    const stored = await this.#issuer.stored(id, need).catch(() => undefined)
    if (stored !== undefined) this.#keep(id, stored)
    return stored?.accessToken ?? rejected
  }

  /**
   * The API has rejected the other token too. If that was new, yet another would not help, and none is requested for a
   * while. Else it was revoked together with the first, and a new one is worth a try.
   */
  markRejected(request: AppTokenRequest, rejected: string): Promise<string> | undefined {
    const cached = this.#cached.get(request.id)?.tokens
    const isNew = cached?.accessToken === rejected && Date.now() - cached.obtainedAt < rejectedFor
    if (!isNew) return this.replaceRejected(request, rejected)
    this.#recentlyRejected.take(request.id)
    return undefined
  }

  /** Forgets a token here and in the store, whichever process obtained it. */
  async invalidate(accessToken: string): Promise<void> {
    for (const [id, { tokens }] of this.#cached) {
      if (tokens.accessToken === accessToken) this.#cached.delete(id)
    }
    await this.#issuer.invalidate(accessToken)
  }

  /** Starts nothing more, and waits until what runs is finished and stored. */
  async close(): Promise<void> {
    this.#issuer.close()
    await this.#requests.settled()
  }

  #issue(request: AppTokenRequest, need: Need): Promise<TokenSet> {
    const issue = async () => {
      const tokens = await this.#issueOnce(request, need)
      // A request already under way may be for a caller that needs less, or return a token that was invalidated meanwhile.
      return this.#issuer.fits(tokens, need) ? tokens : this.#issueOnce(request, need)
    }
    return withinDeadline(issue(), callersWait, late)
  }

  #issueOnce(request: AppTokenRequest, need: Need): Promise<TokenSet> {
    const { id } = request
    return this.#requests.run(id, () => {
      const work = this.#issuer.issue(request, need).then((tokens) => this.#keep(id, tokens))
      this.#background.add(work)
      return work
    })
  }

  #keep(id: string, tokens: TokenSet): TokenSet {
    if (this.#issuer.fits(tokens, anyToken)) {
      const dueAt = refreshAt(tokens, id, tokens.obtainedAt)
      this.#cached.set(id, { tokens, result: Promise.resolve(tokens), refreshAt: dueAt })
    }
    return tokens
  }
}
