import { TokenEndpointError } from './errors'
import type { TokenStore } from './token-store'

/** Milliseconds: the first pause, doubled with each failure in a row up to the longest. */
export const pauses = { first: 1_000, longest: 60_000, longestForAll: 30_000 } as const

const mostRemembered = 10_000
/** Milliseconds after which a pause that another process began is looked up again. */
const lookedUp = 1_000

interface Pause {
  /** Milliseconds, by the monotonic clock. */
  until: number
  delay: number
  failure: Failure
}

/** A failure as other processes are told of it. It holds no secret: only codes, and sentences of this package. */
type Failure = Pick<TokenEndpointError, 'message' | 'code' | 'error' | 'httpStatus' | 'hint'>

/**
 * Pauses after failures of the token endpoint, for all processes that share the store. A failure pauses its own grant;
 * one that says something about the client or the endpoint (a rate limit, wrong credentials, failures of several grants
 * with no success in between) pauses all of them. `Retry-After` is obeyed where it is longer.
 */
export class BackOff {
  readonly #store: TokenStore
  readonly #all: string
  readonly #pauses = new Map<string, Pause>()
  #failing: string | undefined

  constructor(store: TokenStore, clientID: string) {
    this.#store = store
    this.#all = `pause:client ${clientID}`
  }

  /** The failure for which a grant is left alone at the moment, as far as this process knows. */
  known(grantID: string): TokenEndpointError | undefined {
    for (const key of [this.#all, keyOf(grantID)]) {
      const pause = this.#pauses.get(key)
      const left = pause === undefined ? 0 : pause.until - performance.now()
      if (pause !== undefined && left > 0) return paused(pause.failure, left)
    }
    return undefined
  }

  /** The same, as all processes know it. */
  async look(grantID: string): Promise<TokenEndpointError | undefined> {
    const known = this.known(grantID)
    if (known !== undefined) return known
    const keys = [this.#all, keyOf(grantID)]
    const values = await Promise.all(keys.map((key) => this.#store.get(key)))
    for (const [position, key] of keys.entries()) {
      const shared = decode(values[position])
      if (shared !== undefined) this.#remember(key, { ...shared, until: performance.now() + lookedUp })
    }
    return this.known(grantID)
  }

  /** Begins a pause, here and in all processes. */
  async failed(grantID: string, error: TokenEndpointError): Promise<void> {
    const isForAll = concernsAll(error) || (this.#failing !== undefined && this.#failing !== grantID)
    this.#failing = grantID
    const key = isForAll ? this.#all : keyOf(grantID)
    const longest = isForAll ? pauses.longestForAll : pauses.longest
    const before = this.#pauses.get(key)
    const now = performance.now()
    // Several at once are one failure, and what is long ago does not count.
    if (before !== undefined && now < before.until && error.retryAfter === undefined) return
    const isInARow = before !== undefined && now < before.until + longest
    const delay = isInARow ? Math.min(before.delay * 2, longest) : pauses.first
    // Spread, so that what failed together is not tried together.
    const wait = Math.max(delay * (0.8 + 0.2 * Math.random()), (error.retryAfter ?? 0) * 1000)
    const { message, code, error: sent, httpStatus, hint } = error
    const failure = { message, code, error: sent, httpStatus, hint }
    this.#remember(key, { until: now + wait, delay, failure })
    await this.#store.create(key, JSON.stringify({ delay, failure }), wait).catch(() => {}) // Then only here.
  }

  /** PagerDuty has refreshed the grant. */
  succeeded(grantID: string): void {
    this.#failing = undefined
    this.#pauses.delete(keyOf(grantID))
    const forAll = this.#pauses.get(this.#all)
    // One that runs was begun by a later call than this one, perhaps.
    if (forAll !== undefined && forAll.until < performance.now()) this.#pauses.delete(this.#all)
  }

  /** It does not matter any more. */
  forget(grantID: string): void {
    this.#pauses.delete(keyOf(grantID))
  }

  #remember(key: string, pause: Pause): void {
    this.#pauses.delete(key)
    this.#pauses.set(key, pause)
    // Keys that nobody asks for again: the oldest goes first.
    const [oldest] = this.#pauses.keys()
    if (this.#pauses.size > mostRemembered && oldest !== undefined) this.#pauses.delete(oldest)
  }
}

function keyOf(grantID: string): string {
  return `pause:${grantID}`
}

/** Rate limits are per client, and wrong credentials are the same for every grant. */
function concernsAll({ error, httpStatus }: TokenEndpointError): boolean {
  return httpStatus === 429 || error === 'invalid_client' || error === 'unauthorized_client'
}

function paused(failure: Failure, left: number): TokenEndpointError {
  const { message, ...details } = failure
  return new TokenEndpointError(message, {
    ...details,
    status: 503,
    isTransient: true,
    retryAfter: Math.ceil(left / 1000),
  })
}

function decode(value: string | undefined): { delay: number; failure: Failure } | undefined {
  try {
    return value === undefined ? undefined : (JSON.parse(value) as { delay: number; failure: Failure })
  } catch {
    return undefined
  }
}
