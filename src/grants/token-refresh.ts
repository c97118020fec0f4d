import { SingleFlight } from '../async/single-flight'
import { pause } from '../async/timeout'
import type { Context } from '../context'
import { LoginRequiredError, TokenStoreError, closedError, reasonOf } from '../errors/errors'
import { TokenEndpointError } from '../errors/pagerduty-errors'
import { CircuitBreaker } from '../oauth/circuit-breaker'
import { IDTokenVerifier } from '../oauth/id-token'
import { Lease, LockWait } from '../store/lease'
import type { EndedGrants } from './ended-grants'
import type { Grant, GrantRepository } from './grant-repository'
import { RefreshAttempt, exchangeTimeout, isSameVersion } from './refresh-attempt'
import { WriteBehind } from './write-behind'

const leaseDuration = 15_000

/** Refreshes each grant once at a time, in all processes that share the store. */
export class Refresher {
  readonly #context: Context
  readonly #inFlight = new SingleFlight<Grant>()
  readonly #attempt: RefreshAttempt
  readonly #breaker: CircuitBreaker
  readonly #writeBehind: WriteBehind
  #isClosed = false

  constructor(context: Context, repository: GrantRepository, ended: EndedGrants) {
    this.#context = context
    const breaker = (this.#breaker = new CircuitBreaker(context.store, context.client.clientID))
    const writeBehind = (this.#writeBehind = new WriteBehind(context, repository, ended))
    const idTokens = new IDTokenVerifier(context.client)
    const isClosed = () => this.#isClosed
    this.#attempt = new RefreshAttempt({
      ...context,
      repository,
      ended,
      idTokens,
      breaker,
      writeBehind,
      isClosed,
    })
  }

  /** The grant, or a newer version that the store did not take yet. */
  latest(grant: Grant): Grant {
    const pending = this.#writeBehind.pending(grant.id)
    return pending !== undefined && pending.record.version > grant.record.version ? pending : grant
  }

  /**
   * The grant with another access token than the one seen. All callers share one refresh, which goes on without them.
   *
   * @param isRejected the API rejected the token seen, although it has not expired
   * @throws {LoginRequiredError} PagerDuty has ended the grant, or it was logged out
   * @throws {TokenEndpointError} PagerDuty did not refresh it this time
   * @throws {TokenStoreError} the store failed, or this process is shutting down
   */
  async refresh(seen: Grant, isRejected = false): Promise<Grant> {
    let result = await this.#refreshOnce(seen, isRejected)
    // A refresh already under way may have begun before this version was written, or for a caller whose token was not rejected.
    const isOlder = result.id === seen.id && result.record.version <= seen.record.version
    if (isOlder) result = await this.#refreshOnce(seen, isRejected)
    if (result.record.tokens.accessToken !== seen.record.tokens.accessToken) return result
    throw new LoginRequiredError()
  }

  /** Refreshes a grant whose access token is still valid, unless a refresh is under way or failed recently. */
  refreshAhead(grant: Grant): Promise<unknown> | undefined {
    const isIdle = !this.#inFlight.has(grant.id) && this.#obstacle(grant) === undefined
    return isIdle ? this.#refreshOnce(grant, false) : undefined
  }

  /** Starts nothing more, and waits until what runs is finished and stored. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#inFlight.settled()
    await this.#writeBehind.close()
  }

  #refreshOnce(seen: Grant, isRejected: boolean): Promise<Grant> {
    const { id } = seen
    const failure = this.#inFlight.has(id) ? undefined : this.#obstacle(seen)
    if (failure !== undefined) return Promise.reject(failure)
    return this.#inFlight.run(id, () =>
      this.#run(seen, isRejected).catch((error: Error) => {
        this.#context.events.emit('refreshFailed', { grantID: id, reason: reasonOf(error), error })
        throw error
      }),
    )
  }

  /** Why no refresh may start now. */
  #obstacle({ id }: Grant): Error | undefined {
    if (this.#isClosed) return closedError()
    if (this.#writeBehind.pending(id) !== undefined)
      return new TokenStoreError('The last refresh of this grant is not stored yet')
    return this.#breaker.openError(id)
  }

  async #run(seen: Grant, isRejected: boolean): Promise<Grant> {
    const wait = new LockWait((duration) =>
      this.#context.events.emit('lockWait', { lock: 'refresh', grantID: seen.id, duration }),
    )
    try {
      return await this.#runOnce(seen, isRejected, wait)
    } finally {
      wait.end()
    }
  }

  /** Waits for the lock, for the version that its holder stores, or for its failure. */
  async #runOnce(seen: Grant, isRejected: boolean, wait: LockWait): Promise<Grant> {
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
        const refreshed = lease && (await this.#attempt.run(lease, current, isRejected))
        if (refreshed !== undefined) return refreshed
      } finally {
        if (this.#writeBehind.pending(id) === undefined) await lease?.release()
      }
      if (this.#isClosed) break
      wait.begin()
      await pause(50 + Math.random() * 50)
    }
    throw new TokenStoreError('Another process has not finished its refresh of this grant')
  }
}

/** A caller gives up. The refresh goes on. */
export function stillWaiting(): TokenEndpointError {
  const message = 'PagerDuty has not refreshed the access token in time; it is still being waited for'
  return new TokenEndpointError(message, {
    code: 'ERR_PAGERDUTY_REFRESH_TIMEOUT',
    status: 503,
    isTransient: true,
  })
}
