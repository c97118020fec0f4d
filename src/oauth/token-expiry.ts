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
  const window = windowOf(tokens)
  const hash = createHash('sha256').update(`${grantID} ${version}`).digest().readUInt32BE() / 2 ** 32
  return Math.max(tokens.expiresAt - window * (1 - 0.75 * hash), tokens.obtainedAt + floor)
}

/** Whether that moment has come. For most of a token's life it takes no hash to know. */
export function isRenewalDue(tokens: TokenSet, grantID: string, version: number, now: number): boolean {
  return now >= tokens.expiresAt - windowOf(tokens) && now >= renewalOf(tokens, grantID, version)
}

function windowOf({ expiresAt, obtainedAt }: TokenSet): number {
  return Math.min((expiresAt - obtainedAt) / 10, longestWindow)
}
