import { effectiveExpiry } from '../oauth/token-expiry'
import type { TokenSet } from '../oauth/token-set'

/** Milliseconds for which a new token is the best that can be had. */
const newFor = 5_000

/** What a caller needs of a token. */
export interface Need {
  /** Milliseconds for which it must still be valid. A new token satisfies any; no other would live longer. */
  readonly minValidity?: number
  /** An access token that will not do: the API rejected it, or it is to be replaced before it expires. */
  readonly not?: string
}

export function satisfies(tokens: TokenSet, { minValidity = 0, not }: Need, now: number): boolean {
  const { accessToken, obtainedAt, expiresAt } = tokens
  const expiry = effectiveExpiry(tokens)
  const isNew = now < obtainedAt + Math.max(newFor, (expiresAt - obtainedAt) / 10)
  // Negated, so that NaN requires nothing.
  return accessToken !== not && now < expiry && (isNew || !(now + minValidity >= expiry))
}
