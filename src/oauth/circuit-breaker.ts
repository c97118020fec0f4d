import { createHash } from 'node:crypto'
import { TokenEndpointError } from '../errors/pagerduty-errors'
import { type Failure, type OpenCircuit, OpenCircuits, sharedFor } from './open-circuits'
import type { TokenStore } from '../store/token-store'

/** What a failure says something about: one grant, all grants of a kind, or everything in the client's name. */
export type Concern = 'grant' | 'kind' | 'client'

/** Milliseconds: the first backoff is doubled with each failure in a row, up to the longest. */
const firstBackoff = 1_000
/** Servers accept a lost refresh again for a minute at most: several attempts have to fit in. */
const longestBackoff: Readonly<Record<Concern, number>> = { grant: 15_000, kind: 10_000, client: 10_000 }
/** Milliseconds after which the one request of a half-open circuit counts as failed. */
const probeTime = 15_000

/**
 * Closed: requests are sent. Open: none is. Half-open: one is sent, and its outcome closes the circuit or opens it again, for
 * longer.
 */
export type State = 'closed' | 'open' | 'half-open'

export function stateOf(circuit: OpenCircuit | undefined, concern: Concern, now: number): State {
  if (circuit === undefined || now >= circuit.until + longestBackoff[concern]) return 'closed'
  return now < circuit.until ? 'open' : 'half-open'
}

/** @param isInARow the last request of another grant failed too, with no success in between */
export function concernOf(error: TokenEndpointError, isInARow: boolean): Concern {
  // Rate limits are per client, and its credentials are the same for everything.
  if (error.httpStatus === 429 || error.error === 'invalid_client') return 'client'
  if (error.error === 'unauthorized_client') return 'kind'
  return error.isTransient && isInARow ? 'kind' : 'grant'
}

/**
 * Keeps requests from a token endpoint that fails, in all processes that share the store. A failure opens the circuit of
 * what it concerns. `Retry-After` is obeyed where it is longer than the backoff.
 */
export class CircuitBreaker {
  readonly #store: TokenStore
  readonly #circuits: OpenCircuits
  readonly #kind: string
  readonly #client: string
  /** The grant that failed last, with no success since. */
  #failing: string | undefined
  /** The grant whose request decides about a half-open circuit. */
  #probing: string | undefined

  /** @param kind of grants; that PagerDuty rejects app tokens says nothing about users' refreshes */
  constructor(store: TokenStore, clientID: string, kind = 'refreshes') {
    this.#store = store
    this.#circuits = new OpenCircuits(store)
    // Keys are limited in length and alphabet, client IDs are not.
    const client = createHash('sha256').update(clientID).digest('base64url').slice(0, 22)
    this.#client = `client ${client}`
    this.#kind = `${kind} ${client}`
  }

  /** Why no request is sent for a grant now, as far as this process knows. */
  openError(grantID: string): TokenEndpointError | undefined {
    const now = performance.now()
    for (const key of this.#keys(grantID)) {
      const circuit = this.#circuits.get(key)
      if (circuit !== undefined && circuit.until > now) return openError(circuit.failure, circuit.until - now)
    }
    return undefined
  }

  /** The same, as all processes know it. */
  async check(grantID: string): Promise<TokenEndpointError | undefined> {
    const known = this.openError(grantID)
    if (known !== undefined) return known
    await this.#circuits.load(this.#keys(grantID))
    return this.openError(grantID)
  }

  /**
   * If a circuit of all grants is half-open, one process sends one request. The others wait a second for its outcome, or all
   * of them would come at once.
   *
   * @returns the failure, where another request is that one
   */
  async tryHalfOpen(grantID: string): Promise<TokenEndpointError | undefined> {
    const now = performance.now()
    for (const concern of ['client', 'kind'] as const) {
      const key = this.#key(concern, grantID)
      const circuit = this.#circuits.get(key)
      if (circuit === undefined || stateOf(circuit, concern, now) !== 'half-open') continue
      if (await this.#store.create(probeOf(key), grantID, probeTime)) {
        this.#probing = grantID
        return undefined
      }
      this.#circuits.set(key, { ...circuit, until: now + sharedFor })
      return openError(circuit.failure, sharedFor)
    }
    return undefined
  }

  /** @param version of the grant that could not be refreshed */
  async recordFailure(grantID: string, error: TokenEndpointError, version?: number): Promise<void> {
    const concern = concernOf(error, this.#failing !== undefined && this.#failing !== grantID)
    // That PagerDuty rejects the request of one grant says nothing about the endpoint.
    if (error.isTransient) this.#failing = grantID
    await this.#open(concern, grantID, error, concern === 'grant' ? version : undefined)
    await this.#endProbe(grantID)
  }

  async recordSuccess(grantID: string): Promise<void> {
    this.#failing = undefined
    this.#circuits.delete(this.#key('grant', grantID))
    for (const concern of ['client', 'kind'] as const) {
      const key = this.#key(concern, grantID)
      // A request that was sent after this one may have opened it, unless it is open for the sake of this one.
      const isOpen = (this.#circuits.get(key)?.until ?? 0) >= performance.now()
      if (!isOpen || this.#probing === grantID) this.#circuits.delete(key)
    }
    await this.#endProbe(grantID)
  }

  async #open(
    concern: Concern,
    grantID: string,
    error: TokenEndpointError,
    version: number | undefined,
  ): Promise<void> {
    const { retryAfter } = error
    const key = this.#key(concern, grantID)
    const before = this.#circuits.get(key)
    const now = performance.now()
    const state = stateOf(before, concern, now)
    // Several failures at once count as one.
    if (state === 'open' && retryAfter === undefined) return
    const isRepeated = before !== undefined && state !== 'closed' && before.version === version
    const delay = isRepeated ? Math.min(before.delay * 2, longestBackoff[concern]) : firstBackoff
    // Spread, so that what failed together is not tried together.
    const wait = Math.max(delay * (0.8 + 0.2 * Math.random()), (retryAfter ?? 0) * 1000)
    // PagerDuty may have requested a longer wait in the previous response.
    if (before !== undefined && before.until >= now + wait) return
    // With Retry-After on a whole second, so that of a thousand equal responses only the first is written.
    const grain = retryAfter === undefined ? 1 : 1000
    const endsAt = Math.ceil((Date.now() + wait) / grain) * grain
    const { message, code, error: sent, httpStatus, hint } = error
    const failure = { message, code, error: sent, httpStatus, hint }
    const circuit = { until: now + wait, delay, failure, version, endsAt }
    this.#circuits.set(key, circuit)
    if (state === 'open' && before?.endsAt === endsAt) return
    await this.#circuits.share(key, circuit, endsAt).catch(() => {}) // Then it is open in this process only.
  }

  async #endProbe(grantID: string): Promise<void> {
    if (this.#probing !== grantID) return
    this.#probing = undefined
    const keys = (['client', 'kind'] as const).map((concern) => probeOf(this.#key(concern, grantID)))
    await Promise.allSettled(keys.map((key) => this.#store.delete(key, grantID))) // They expire by themselves.
  }

  #keys(grantID: string): readonly string[] {
    return [this.#key('client', grantID), this.#key('kind', grantID), this.#key('grant', grantID)]
  }

  #key(concern: Concern, grantID: string): string {
    const owner = { client: this.#client, kind: this.#kind, grant: grantID }
    return `pause:${owner[concern]}`
  }
}

function probeOf(key: string): string {
  return `probe:${key.slice('pause:'.length)}`
}

function openError({ message, ...details }: Failure, left: number): TokenEndpointError {
  return new TokenEndpointError(message, {
    ...details,
    status: 503,
    isTransient: true,
    retryAfter: Math.ceil(left / 1000),
  })
}
