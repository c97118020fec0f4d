import { boundedFetch } from '../http/bounded-fetch'
import type { Client } from './client'
import { IDTokenError } from '../errors/pagerduty-errors'
import { createLocalJWKSet } from './jose'
import { SingleFlight } from '../async/single-flight'

/** Finds the key that a token's header names. */
export type KeyFinder = ReturnType<typeof createLocalJWKSet>

const timeout = 5_000
const maxBytes = 64 * 1024
const freshFor = 10 * 60_000
const maxStale = 24 * 60 * 60_000
const coolDown = 30_000

/** PagerDuty's JWKS (RFC 7517): fetched when first needed, then cached. During an outage the last one is used for a day. */
export class JWKSCache {
  readonly #client: Client
  readonly #fetches = new SingleFlight<void>()
  #finder: KeyFinder | undefined
  #fetchedAt = 0
  #triedAt = -Infinity

  constructor(client: Client) {
    this.#client = client
  }

  /**
   * The cached keys, fetched again when they are old.
   *
   * @throws {IDTokenError} transient, when no keys can be had
   */
  async current(): Promise<KeyFinder> {
    if (this.#finder === undefined || this.#age > freshFor) await this.#fetchOnce()
    if (this.#finder !== undefined && this.#age < maxStale) return this.#finder
    throw new IDTokenError('PagerDuty’s JWKS could not be fetched', {
      code: 'ERR_PAGERDUTY_KEYS_UNAVAILABLE',
      status: 503,
      headers: { 'Retry-After': '30' },
      hint: 'The code is spent; the user has to log in again once PagerDuty responds.',
      isTransient: true,
    })
  }

  /** The keys after another fetch, because a token names an unknown key: at most one fetch in half a minute. */
  async refreshed(): Promise<KeyFinder> {
    await this.#fetchOnce()
    return this.current()
  }

  get #age(): number {
    return performance.now() - this.#fetchedAt
  }

  async #fetchOnce(): Promise<void> {
    await this.#fetches.run(this.#client.jwksURL, async () => {
      // Without any key, every caller may try.
      const isCoolingDown = performance.now() - this.#triedAt < coolDown
      if (this.#finder === undefined || !isCoolingDown) await this.#fetch()
    })
  }

  async #fetch(): Promise<void> {
    this.#triedAt = performance.now()
    try {
      const { fetch, jwksURL } = this.#client
      const init = { headers: { Accept: 'application/json' } }
      const { status, text } = await boundedFetch(fetch, jwksURL, init, { timeout, maxBytes })
      if (status !== 200) return
      const keySet = JSON.parse(text) as Parameters<typeof createLocalJWKSet>[0]
      const finder = createLocalJWKSet(keySet) // Throws unless the JWKS is well-formed.
      // A rotation that removes every key is a mistake.
      if (keySet.keys.length === 0) return
      this.#finder = finder
      this.#fetchedAt = performance.now()
    } catch {
      // The cached keys stay; current() decides what that means.
    }
  }
}
