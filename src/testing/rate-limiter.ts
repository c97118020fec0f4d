import type { Token } from './tokens'
import type { Settings } from './settings'
import { rateLimitError, rateLimitHeaders, Refusal } from './wire'

const windowLength = 60_000

/** Counts calls in windows of a minute: per client and user, and for app tokens per client and account. */
export class RateLimiter {
  readonly #settings: Settings
  readonly #windows = new Map<string, { count: number; endsAt: number }>()

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** The headers of every response, and a 429 for a call over the limit. If no limit is set, the headers use PagerDuty's. */
  admit({ delegation }: Token): { headers: Record<string, string>; refusal: Refusal | undefined } {
    const { now, rateLimit } = this.#settings
    const limit = rateLimit?.limit ?? 960
    const key = `${delegation.clientID} ${delegation.user?.id ?? delegation.account.id}`
    let window = this.#windows.get(key)
    if (!window || now() >= window.endsAt) window = { count: 0, endsAt: now() + windowLength }
    this.#windows.set(key, window)
    window.count += 1
    const isOver = rateLimit !== undefined && window.count > limit
    return {
      headers: rateLimitHeaders(limit, Math.max(0, limit - window.count), (window.endsAt - now()) / 1000),
      refusal: isOver ? new Refusal({ status: 429, body: rateLimitError }) : undefined,
    }
  }
}
