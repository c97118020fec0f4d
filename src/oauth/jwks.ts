import { boundedFetch } from '../http/bounded-fetch'
import type { Client } from './client'
import { IDTokenError } from '../errors'
import { createLocalJWKSet } from './jose'

/** Finds the key that a token's header names. */
export type KeyFinder = ReturnType<typeof createLocalJWKSet>

const timeout = 5_000
const maxBytes = 64 * 1024
const freshFor = 10 * 60_000
const usableFor = 24 * 60 * 60_000
const coolDown = 30_000

/**
 * PagerDuty's signing keys (RFC 7517). Fetched when first needed and then kept; while the endpoint is down the last good
 * answer serves for a day.
 */
export class KeySet {
  readonly #client: Client
  #finder: KeyFinder | undefined
  #fetchedAt = 0
  #triedAt = -Infinity
  #flight: Promise<void> | undefined

  constructor(client: Client) {
    this.#client = client
  }

  /**
   * The keys as held, fetched anew when they are old.
   *
   * @throws {IDTokenError} transient, when there are none to be had
   */
  async current(): Promise<KeyFinder> {
    const age = performance.now() - this.#fetchedAt
    if (this.#finder === undefined || age > freshFor)
      await this.#fetchUnlessJustTried(this.#finder !== undefined)
    if (this.#finder !== undefined && performance.now() - this.#fetchedAt < usableFor) return this.#finder
    throw new IDTokenError('PagerDuty’s signing keys could not be fetched', {
      code: 'ERR_PAGERDUTY_KEYS_UNAVAILABLE',
      status: 503,
      headers: { 'Retry-After': '30' },
      hint: 'The code is spent; the person has to log in again once PagerDuty answers.',
      isTransient: true,
    })
  }

  /** The keys after one more look, because a token names a key that is not held: at most one look per half minute. */
  async renewed(): Promise<KeyFinder> {
    await this.#fetchUnlessJustTried(true)
    return this.current()
  }

  /** Without any key held, every caller may try: there is nothing else to serve. */
  #fetchUnlessJustTried(mayWait: boolean): Promise<void> {
    if (this.#flight !== undefined) return this.#flight
    if (mayWait && performance.now() - this.#triedAt < coolDown) return Promise.resolve()
    this.#triedAt = performance.now()
    this.#flight = this.#fetch().finally(() => {
      this.#flight = undefined
    })
    return this.#flight
  }

  async #fetch(): Promise<void> {
    try {
      const { fetch, jwksURL } = this.#client
      const init = { headers: { Accept: 'application/json' } }
      const { status, text } = await boundedFetch(fetch, jwksURL, init, { timeout, maxBytes })
      if (status !== 200) return
      const keySet = JSON.parse(text) as Parameters<typeof createLocalJWKSet>[0]
      // Throws unless it is a well-formed key set: neither a broken nor an empty answer replaces good keys.
      const finder = createLocalJWKSet(keySet)
      if (keySet.keys.length === 0) return
      this.#finder = finder
      this.#fetchedAt = performance.now()
    } catch {
      // The keys held, if any, stay; current() decides what that means.
    }
  }
}
