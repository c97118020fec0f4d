import { SingleFlight } from '../async/single-flight'
import { pause } from '../async/timeout'
import type { Context } from '../context'
import { LoginRequiredError, TokenStoreError, reasonOf } from '../errors'
import { CircuitBreaker } from '../oauth/circuit-breaker'
import { IDTokenVerifier } from '../oauth/id-token'
import { Lease, LockWait } from '../store/lease'
import type { EndedGrants } from './ended-grants'
import type { Grant, GrantVault } from './grant-repository'
import { RefreshAttempt, closing, exchangeTimeout, isSameVersion } from './refresh-attempt'
import { NewPairs } from './write-behind'

const leaseDuration = 15_000

/** One refresh at a time for each grant, in this process and in all that share the store. */
export class Refresher {
  readonly #context: Context
  readonly #flights = new SingleFlight<Grant>()
  readonly #attempt: RefreshAttempt
  readonly #breaker: CircuitBreaker
  readonly #pairs: NewPairs
  #isClosed = false

  constructor(context: Context, vault: GrantVault, ended: EndedGrants) {
    this.#context = context
    const breaker = (this.#breaker = new CircuitBreaker(context.store, context.client.clientID))
    const pairs = (this.#pairs = new NewPairs(context, vault, ended))
    const idTokens = new IDTokenVerifier(context.client)
    const isClosed = () => this.#isClosed
    this.#attempt = new RefreshAttempt({ ...context, vault, ended, idTokens, breaker, pairs, isClosed })
  }

  /** The grant, or a newer version of it that this process holds and the store does not take yet. */
  newest(grant: Grant): Grant {
    const unsaved = this.#pairs.unsaved(grant.id)
    return unsaved !== undefined && unsaved.record.version > grant.record.version ? unsaved : grant
  }

  /**
   * The grant with another access token than the one seen. All callers share one flight, which belongs to none of them:
   * it goes on when they are gone.
   *
   * @param isRefused the API has refused the token seen, however long it was to live
   * @throws {LoginRequiredError} PagerDuty has ended the grant, or it was logged out
   * @throws {TokenEndpointError} PagerDuty did not refresh it this time
   * @throws {TokenStoreError} the store did not answer
   */
  async renew(seen: Grant, isRefused = false): Promise<Grant> {
    let result = await this.#fly(seen, isRefused)
    // The flight may have begun before this version was written, or for somebody whose token was not refused.
    const isOlder = result.id === seen.id && result.record.version <= seen.record.version
    if (isOlder) result = await this.#fly(seen, isRefused)
    if (result.record.tokens.accessToken !== seen.record.tokens.accessToken) return result
    throw new LoginRequiredError()
  }

  /** Renews a grant whose access token still serves, unless that is being done or was tried in vain just now. */
  ahead(grant: Grant): Promise<unknown> | undefined {
    const isIdle = !this.#flights.has(grant.id) && this.#obstacle(grant) === undefined
    return isIdle ? this.#fly(grant, false) : undefined
  }

  /** Starts nothing more, and waits until what runs is finished and stored. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#flights.settled()
    await this.#pairs.close()
  }

  #fly(seen: Grant, isRefused: boolean): Promise<Grant> {
    const { id } = seen
    const failure = this.#flights.has(id) ? undefined : this.#obstacle(seen)
    if (failure !== undefined) return Promise.reject(failure)
    return this.#flights.run(id, () =>
      this.#run(seen, isRefused).catch((error: Error) => {
        this.#context.events.emit('refreshFailed', { grantID: id, reason: reasonOf(error), error })
        throw error
      }),
    )
  }

  /** Why no refresh may begin now. */
  #obstacle({ id }: Grant): Error | undefined {
    if (this.#isClosed) return closing()
    if (this.#pairs.unsaved(id) !== undefined)
      return new TokenStoreError('The token store has not taken the last refresh yet')
    return this.#breaker.openError(id)
  }

  async #run(seen: Grant, isRefused: boolean): Promise<Grant> {
    const wait = new LockWait((duration) =>
      this.#context.events.emit('lockWait', { lock: 'refresh', grantID: seen.id, duration }),
    )
    try {
      return await this.#runOnce(seen, isRefused, wait)
    } finally {
      wait.end()
    }
  }

  /** Waits for the lock, or for the version that its holder writes, or for the holder's failure. */
  async #runOnce(seen: Grant, isRefused: boolean, wait: LockWait): Promise<Grant> {
    const { id } = seen
    const giveUpAt = performance.now() + exchangeTimeout
    while (performance.now() < giveUpAt) {
      const lease = await Lease.acquire(this.#context.store, `lock:${id}`, leaseDuration)
      if (lease !== undefined) wait.end()
      try {
        const [current, failure] = await Promise.all([this.#attempt.current(id), this.#breaker.check(id)])
        if (!isSameVersion(current, seen)) {
          this.#context.events.emit('refreshSkipped', {
            grantID: current.id,
            version: current.record.version,
          })
          return current
        }
        if (failure !== undefined) throw failure
        const renewed = lease && (await this.#attempt.run(lease, current, isRefused))
        if (renewed !== undefined) return renewed
      } finally {
        if (this.#pairs.unsaved(id) === undefined) await lease?.release()
      }
      if (this.#isClosed) break
      wait.begin()
      await pause(50 + Math.random() * 50)
    }
    throw new TokenStoreError('Another process has not finished a refresh')
  }
}
