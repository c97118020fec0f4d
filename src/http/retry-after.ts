const longestWait = 15 * 60

/** Seconds to wait: `Retry-After` as seconds or date (RFC 9110 section 10.2.3), else PagerDuty's `ratelimit-reset`. */
export function parseRetryAfter(headers: Headers): number | undefined {
  for (const value of [headers.get('retry-after'), headers.get('ratelimit-reset')]) {
    if (value === null) continue
    // Date.parse() alone accepts nearly anything with a number in it, as a date long past.
    const isDate = /^[A-Z][a-z]+, .+ GMT$/.test(value)
    const date = isDate ? (Date.parse(value) - Date.now()) / 1000 : NaN
    const seconds = /^\d+(\.\d+)?$/.test(value) ? Number(value) : date
    if (!Number.isNaN(seconds)) return Math.min(Math.max(Math.ceil(seconds), 0), longestWait)
  }
  return undefined
}
