import { createHash } from 'node:crypto'
import type { TokenSet } from './token-set'

const longestWindow = 24 * 60 * 60_000
const floor = 5_000

/**
 * When an access token counts as ended, in milliseconds since the epoch: not before its real end, so that a failing
 * PagerDuty stays invisible until then; and not within five seconds, so that a token that arrives expired cannot make
 * every request ask for another.
 */
export function endOf(tokens: TokenSet): number {
  return Math.max(tokens.expiresAt, tokens.obtainedAt + floor)
}

/**
 * When to renew a token that still serves: within the last tenth of its life, at most a day. The moment is spread over
 * the window by a hash, the same in every process and at every request, so that tokens issued together are not renewed
 * together.
 */
export function renewalOf(tokens: TokenSet, grantID: string, version: number): number {
  const window = Math.min((tokens.expiresAt - tokens.obtainedAt) / 10, longestWindow)
  const hash = createHash('sha256').update(`${grantID} ${version}`).digest().readUInt32BE() / 2 ** 32
  return Math.max(tokens.expiresAt - window * (1 - 0.75 * hash), tokens.obtainedAt + floor)
}
