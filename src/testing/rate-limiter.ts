import type { Token } from './grants'
import type { Settings } from './settings'
import { Refusal } from './wire'

const windowLength = 60_000

/** Counts calls in windows of a minute: per client and user, and for app tokens per client and account. */
export class RateLimiter {
  readonly #settings: Settings
  readonly #windows = new Map<string, { count: number; endsAt: number }>()

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** The headers to answer with, if the call is within the limit. */
  admit({ delegation }: Token): Record<string, string> {
    const { now, rateLimit } = this.#settings
    if (!rateLimit) return {}
    const key = `${delegation.clientID} ${delegation.user?.id ?? delegation.account.id}`
    let window = this.#windows.get(key)
    if (!window || now() >= window.endsAt) window = { count: 0, endsAt: now() + windowLength }
    this.#windows.set(key, window)
    window.count += 1

    const headers = {
      'ratelimit-limit': `${rateLimit.limit}`,
      'ratelimit-remaining': `${Math.max(0, rateLimit.limit - window.count)}`,
      // Seconds to wait, not a point in time.
      'ratelimit-reset': `${Math.ceil((window.endsAt - now()) / 1000)}`,
    }
    if (window.count <= rateLimit.limit) return headers
    throw new Refusal({
      status: 429,
      headers,
      body: { error: { message: 'Rate Limit Exceeded', code: 2020 } },
    })
  }
}
