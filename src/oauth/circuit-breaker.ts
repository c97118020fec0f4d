import { createHash } from 'node:crypto'
import { TokenEndpointError } from '../errors'
import { isNumber, isOptionalNumber, isOptionalText, isText, parseJSON } from '../store/decode'
import type { TokenStore } from '../store/token-store'

/**
 * Milliseconds: the first pause, doubled with each failure in a row up to the longest. Servers that let a lost answer be asked
 * for again do so for a minute at most, so that several attempts have to fit in there.
 */
export const pauses = { first: 1_000, longest: 15_000, longestForAll: 10_000 } as const

const mostRemembered = 10_000
/** Each that fails means that another process has written a pause that ends later. */
const mostAttempts = 100
/** Milliseconds after which a pause that another process began is looked up again. */
const lookedUp = 1_000
/** Milliseconds after which the one that is tried first counts as failed. */
const probeTime = 15_000

interface Pause {
  /** Milliseconds, by the monotonic clock. */
  until: number
  delay: number
  failure: Failure
  /** The version of the grant that could not be refreshed; where it is another one, some process has had success since. */
  version?: number | undefined
  /** When it ends for all processes, in milliseconds since the epoch; undefined where another one began it. */
  endsAt?: number
}

/** A failure as other processes are told of it. It holds no secret: only codes, and sentences of this package. */
type Failure = Pick<TokenEndpointError, 'message' | 'code' | 'error' | 'httpStatus' | 'hint'>

/**
 * Pauses after failures of the token endpoint, for all processes that share the store. A failure pauses its own grant.
 * One that says something about the client (a rate limit, wrong credentials) pauses everything that is asked of PagerDuty
 * in its name. One that says something about the endpoint (several grants in a row could not be served, with no success
 * in between), or about this kind of grant, pauses all grants of the kind. `Retry-After` is obeyed where it is longer.
 */
export class CircuitBreaker {
  readonly #store: TokenStore
  /** Keys of the pauses of the whole client and of all grants of this kind. */
  readonly #client: string
  readonly #kind: string
  readonly #pauses = new Map<string, Pause>()
  #failing: string | undefined
  #probing: string | undefined

  /** @param kind what the grants are; a refused app token says nothing about people's refreshes */
  constructor(store: TokenStore, clientID: string, kind = 'refreshes') {
    this.#store = store
    // A key has a length and an alphabet; what PagerDuty calls a client has neither.
    const client = createHash('sha256').update(clientID).digest('base64url').slice(0, 22)
    this.#client = `pause:client ${client}`
    this.#kind = `pause:${kind} ${client}`
  }

  /** The failure for which a grant is left alone at the moment, as far as this process knows. */
  openError(grantID: string): TokenEndpointError | undefined {
    for (const key of [this.#client, this.#kind, keyOf(grantID)]) {
      const pause = this.#pauses.get(key)
      const left = pause === undefined ? 0 : pause.until - performance.now()
      if (pause !== undefined && left > 0) return paused(pause.failure, left)
    }
    return undefined
  }

  /** The same, as all processes know it. */
  async check(grantID: string): Promise<TokenEndpointError | undefined> {
    const known = this.openError(grantID)
    if (known !== undefined) return known
    const keys = [this.#client, this.#kind, keyOf(grantID)]
    const values = await Promise.all(keys.map((key) => this.#store.get(key)))
    for (const [position, key] of keys.entries()) {
      const shared = decode(values[position])
      if (shared !== undefined) this.#remember(key, { ...shared, until: performance.now() + lookedUp })
    }
    return this.openError(grantID)
  }

  /**
   * After a pause of all grants one is tried first, by one process; the others wait a second until that has succeeded, or
   * all of them would come at once.
   *
   * @returns the failure, where another grant is being tried
   */
  async tryHalfOpen(grantID: string): Promise<TokenEndpointError | undefined> {
    const now = performance.now()
    const ended = [this.#client, this.#kind].find((key) => {
      const { until = 0 } = this.#pauses.get(key) ?? {}
      return until <= now && now < until + pauses.longestForAll
    })
    const pause = ended === undefined ? undefined : this.#pauses.get(ended)
    if (ended === undefined || pause === undefined) return undefined
    if (await this.#store.create(probeOf(ended), grantID, probeTime)) {
      this.#probing = grantID
      return undefined
    }
    this.#remember(ended, { ...pause, until: now + lookedUp })
    return paused(pause.failure, lookedUp)
  }

  /** Begins a pause, here and in all processes. */
  async recordFailure(grantID: string, error: TokenEndpointError, version?: number): Promise<void> {
    await this.#begin(grantID, error, version)
    await this.#endProbe(grantID)
  }

  async #begin(grantID: string, error: TokenEndpointError, version: number | undefined): Promise<void> {
    const key = this.#concerned(grantID, error)
    // A refusal of what this one grant asks for says nothing about the endpoint.
    if (error.isTransient) this.#failing = grantID
    const isOwn = key === keyOf(grantID)
    const longest = isOwn ? pauses.longest : pauses.longestForAll
    const seen = isOwn ? version : undefined
    const before = this.#pauses.get(key)
    const now = performance.now()
    // Several at once are one failure, and what is long ago does not count.
    if (before !== undefined && now < before.until && error.retryAfter === undefined) return
    const isInARow = before !== undefined && now < before.until + longest && before.version === seen
    const delay = isInARow ? Math.min(before.delay * 2, longest) : pauses.first
    // Spread, so that what failed together is not tried together.
    const wait = Math.max(delay * (0.8 + 0.2 * Math.random()), (error.retryAfter ?? 0) * 1000)
    // PagerDuty may have asked for more in the answer before.
    if (before !== undefined && before.until >= now + wait) return
    // Retry-After ends on a whole second here, so that of a thousand answers which ask for the same only the first is written.
    const grain = error.retryAfter === undefined ? 1 : 1000
    const endsAt = Math.ceil((Date.now() + wait) / grain) * grain
    const { message, code, error: sent, httpStatus, hint } = error
    const failure = { message, code, error: sent, httpStatus, hint }
    this.#remember(key, { until: now + wait, delay, failure, version: seen, endsAt })
    if (before?.endsAt === endsAt && now < before.until) return
    await this.#share(key, { delay, failure, version: seen, endsAt }).catch(() => {}) // Then only here.
  }

  /** Of several pauses the one that ends last counts, whichever process began it and in whatever order they come. */
  async #share(key: string, pause: Omit<Pause, 'until'> & { endsAt: number }): Promise<void> {
    const value = JSON.stringify(pause)
    const { endsAt } = pause
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const left = endsAt - Date.now()
      if (left <= 0 || (await this.#store.create(key, value, left))) return
      const current = await this.#store.get(key)
      if (current === undefined) continue // It has just ended.
      if (endOf(current) >= endsAt) return
      if (await this.#store.replace(key, current, value, left)) return
    }
  }

  /** PagerDuty has answered: it works. */
  async recordSuccess(grantID: string): Promise<void> {
    this.#failing = undefined
    this.#pauses.delete(keyOf(grantID))
    for (const key of [this.#client, this.#kind]) {
      const forAll = this.#pauses.get(key)
      // One that runs was begun by a later call than this one, perhaps; unless it only waits for this very one.
      const isOver = forAll !== undefined && forAll.until < performance.now()
      if (isOver || this.#probing === grantID) this.#pauses.delete(key)
    }
    await this.#endProbe(grantID)
  }

  async #endProbe(grantID: string): Promise<void> {
    if (this.#probing !== grantID) return
    this.#probing = undefined
    const ends = [this.#client, this.#kind].map((key) => this.#store.delete(probeOf(key), grantID))
    await Promise.allSettled(ends) // They end by themselves.
  }

  /** The key of what a failure pauses. */
  #concerned(grantID: string, { error, httpStatus, isTransient }: TokenEndpointError): string {
    // Rate limits are per client, and its credentials are the same for everything.
    if (httpStatus === 429 || error === 'invalid_client') return this.#client
    if (error === 'unauthorized_client') return this.#kind
    const isInARow = isTransient && this.#failing !== undefined && this.#failing !== grantID
    return isInARow ? this.#kind : keyOf(grantID)
  }

  #remember(key: string, pause: Pause): void {
    this.#pauses.delete(key)
    this.#pauses.set(key, pause)
    // Keys that nobody asks for again: the oldest goes first.
    const [oldest] = this.#pauses.keys()
    if (this.#pauses.size > mostRemembered && oldest !== undefined) this.#pauses.delete(oldest)
  }
}

function probeOf(pauseKey: string): string {
  return `probe:${pauseKey.slice('pause:'.length)}`
}

function keyOf(grantID: string): string {
  return `pause:${grantID}`
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

/** When a stored pause ends, in milliseconds since the epoch; 0 where it does not say. */
function endOf(value: string): number {
  const { endsAt } = Object(parseJSON(value)) as { endsAt?: unknown }
  return isNumber(endsAt) ? endsAt : 0
}

/** What another process began; undefined for what another version may have written. */
function decode(value: string | undefined): Omit<Pause, 'until'> | undefined {
  const { delay, failure, version } = Object(parseJSON(value ?? '')) as Record<string, unknown>
  const { message, code, error, httpStatus, hint } = Object(failure) as Record<string, unknown>
  if (!isNumber(delay) || !isOptionalNumber(version) || !isOptionalNumber(httpStatus)) return undefined
  if (!isText(message) || !isText(code) || !isOptionalText(error) || !isOptionalText(hint)) return undefined
  return { delay, version, failure: { message, code, error, httpStatus, hint } }
}
