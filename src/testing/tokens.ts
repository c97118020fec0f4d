import { createHash, randomUUID } from 'node:crypto'
import type { Account, AccountUser } from './accounts'

/** @internal One authorization: by a user, or by the app itself for an account. Every token that came of it ends with it. */
export interface Delegation {
  id: string
  clientID: string
  appType: 'scoped' | 'classic'
  account: Account
  user?: AccountUser
  scope: readonly string[]
  nonce?: string | undefined
  /** Milliseconds since the epoch. */
  startedAt: number
  revoked: boolean
}

/** A login, or a token of the app itself, that is still valid. Shows no token. */
export interface LiveGrant {
  clientID: string
  subdomain: string
  /** Absent where the app itself got the token. */
  user?: AccountUser
  scope: readonly string[]
  /** When it was consented to, in milliseconds since the epoch, as the ends below. */
  startedAt: number
  /** When its newest access token ends; undefined when none serves. */
  accessUntil: number | undefined
  /** When its refresh token ends; undefined when there is none. */
  refreshUntil: number | undefined
}

/** @internal */
export interface Token {
  value: string
  delegation: Delegation
  expiresAt: number
}

/** @internal */
export interface TokenPair {
  access: Token
  refresh?: Token
}

/** @internal */
export interface RefreshToken extends Token {
  access: Token
  spent?: { at: number; successor: TokenPair }
}

/** @internal */
export interface Code extends Token {
  redirectURI: string
  challenge: string | undefined
  spent: boolean
}

const day = 86_400

/** @internal Seconds, as PagerDuty documents them. */
export const lifetimes = {
  scoped: { access: day, refresh: 30 * day, window: 365 * day },
  classic: { access: 30 * day, refresh: 210 * day, window: 3 * 365 * day },
}

/** @internal What the authorization server remembers, by the values of codes and tokens. */
export class Records {
  readonly codes = new Map<string, Code>()
  readonly access = new Map<string, Token>()
  readonly refresh = new Map<string, RefreshToken>()
}

/** @internal RFC 7636 section 4.6. A verifier without a challenge is rejected too, against a downgrade (RFC 9700 section 2.1.1). */
export function verifies(challenge: string | undefined, verifier: string | undefined): boolean {
  if (challenge === undefined || verifier === undefined) return challenge === verifier
  if (!/^[\w.~-]{43,128}$/.test(verifier)) return false
  return createHash('sha256').update(verifier).digest('base64url') === challenge
}

/** @internal The European prefix has never been published: whatever reads it should treat tokens as opaque. */
export function tokenValue(kind: 0 | 1, { account }: Delegation): string {
  return `pd${account.region}+_${kind}XBPWQQ_${randomUUID()}`
}
