import { LRUMap } from '../async/lru-map'
import { parseRetryAfter } from '../http/retry-after'
import { operationOf } from '../scopes/operations'
import type { Events } from '../observability/events'
import type { PagerDutyUser } from '../user'

/** Whose token a call has. PagerDuty counts the calls of a user in this app, and those of the app itself in an account. */
export type TokenOwner =
  | { readonly token: 'user'; readonly user: PagerDutyUser; readonly grantID?: string | undefined }
  | { readonly token: 'app'; readonly account: string }

interface Reached {
  readonly state: 'low' | 'exhausted'
  /** By `performance.now()`. */
  readonly until: number
}

/**
 * The limits of the REST API that tokens of this process are near to or have reached, each until PagerDuty resets it.
 *
 * @see https://developer.pagerduty.com/docs/rest-api-rate-limits
 */
export class RateLimits {
  readonly #events: Events | undefined
  readonly #reached = new LRUMap<string, Reached>(10_000)
  /** The largest limit seen. A smaller one is that of one operation. */
  #largest = 0

  constructor(events?: Events) {
    this.#events = events
  }

  /** Seconds until a call may be admitted again; 0 unless its limit is known to be exhausted. */
  secondsLeft(owner: TokenOwner | undefined, request: string): number {
    if (this.#reached.size === 0) return 0
    const ends = [keyOf(owner), keyOf(owner, request)].map((key) => {
      const { state, until = 0 } = this.#reached.get(key) ?? {}
      return state === 'exhausted' ? until : 0
    })
    return Math.max(0, Math.max(...ends) - performance.now()) / 1000
  }

  /** Takes what a response says. Emits once for each state until the limit is reset: an event for each call would be too many. */
  note(owner: TokenOwner | undefined, request: string, { status, headers }: Response): void {
    const [limit, left] = ['limit', 'remaining'].map((name) => numberIn(headers.get(`ratelimit-${name}`)))
    const remaining = status === 429 ? 0 : left
    if (remaining === undefined) return
    const reset = Math.max(parseRetryAfter(headers) ?? 1, 1)
    this.#largest = Math.max(this.#largest, limit ?? 0)
    const ofOperation = limit !== undefined && limit < this.#largest
    if (owner !== undefined && limit !== undefined && !ofOperation) {
      this.#events?.measureRateLimit(owner.token, { remaining, limit, reset })
    }
    const state = remaining === 0 ? 'exhausted' : remaining < (limit ?? 0) / 10 ? 'low' : undefined
    const key = keyOf(owner, ofOperation ? request : undefined)
    if (state === undefined) return void this.#reached.delete(key)
    const now = performance.now()
    const held = this.#reached.get(key)
    const isKnown = held !== undefined && now < held.until
    if (isKnown && held.state === 'exhausted' && state === 'low') return
    this.#reached.set(key, { state, until: Math.max(now + reset * 1000, isKnown ? held.until : 0) })
    if (owner === undefined || (isKnown && held.state === state)) return
    this.#events?.emit('rateLimit', {
      state,
      limit,
      remaining,
      reset,
      ...owner,
      ...(ofOperation && { operation: operationOf(request) }),
    })
  }
}

/** Of the token, or of one operation with it. */
function keyOf(owner: TokenOwner | undefined, request = ''): string {
  const name = owner?.token === 'user' ? `${owner.user.accountID} ${owner.user.id}` : owner?.account
  return `${name} ${request && (operationOf(request) ?? request)}`
}

function numberIn(text: string | null): number | undefined {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : undefined
}
