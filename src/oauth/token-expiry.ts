import { createHash } from 'node:crypto'
import type { TokenSet } from './token-set'

const longestWindow = 24 * 60 * 60_000
const shortestLife = 5_000

/**
 * When an access token counts as expired, in milliseconds since the epoch. Not before it really expires: until then no user
 * sees an outage of PagerDuty. Not within five seconds: a token that arrives expired must not make every request refresh.
 */
export function effectiveExpiry(tokens: TokenSet): number {
  return Math.max(tokens.expiresAt, tokens.obtainedAt + shortestLife)
}

/**
 * When to refresh a token that is still valid: in the last tenth of its life, at most a day. A hash spreads the moment, so
 * that tokens issued together are not refreshed together; it is the same in every process.
 */
export function refreshAt(tokens: TokenSet, grantID: string, version: number): number {
  const hash = createHash('sha256').update(`${grantID} ${version}`).digest().readUInt32BE() / 2 ** 32
  return Math.max(tokens.expiresAt - windowOf(tokens) * (1 - 0.75 * hash), tokens.obtainedAt + shortestLife)
}

/** Whether that moment has come. For most of a token's life it takes no hash to know. */
export function shouldRefresh(tokens: TokenSet, grantID: string, version: number, now: number): boolean {
  return now >= tokens.expiresAt - windowOf(tokens) && now >= refreshAt(tokens, grantID, version)
}

function windowOf({ expiresAt, obtainedAt }: TokenSet): number {
  return Math.min((expiresAt - obtainedAt) / 10, longestWindow)
}
