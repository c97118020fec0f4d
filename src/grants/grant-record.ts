import type { PagerDutyUser } from '../user'
import { isNumber, isOptionalText, isText, listOf, parseJSON } from '../store/decode'
import { parseGrantedScope } from '../scopes/scope'
import { groupScopes, ungroupScopes } from '../scopes/scope-groups'
import { TokenSet } from '../oauth/token-set'

/**
 * What is stored of one login: its user, what was granted, and the current tokens. Requests share it, so it is never changed,
 * and apps get copies.
 */
export interface GrantRecord {
  /** Counts the token pairs of this grant. */
  readonly version: number
  readonly user: PagerDutyUser
  readonly tokens: TokenSet
  /** The scopes that the login requested. */
  readonly requestedScopes: readonly string[]
  /** When its login was finished, in milliseconds since the epoch. */
  readonly createdAt: number
  /** When it was last extended by a request, likewise. */
  readonly lastUsedAt: number
  /** What the option `label` returned at the login. */
  readonly label: string | undefined
  /** When its session expires however much it is used, in milliseconds since the epoch. */
  readonly absoluteEnd: number
  /** Whether it outlives its session, for background jobs. */
  readonly isKept: boolean
  /** What `verify` returned for `req.user`, as JSON knows it. */
  readonly appUser: unknown
  /**
   * Tokens of earlier grants of the same user that this one replaced. PagerDuty may count all of them as one authorization, so
   * they are revoked with this grant and not before. The newest come last.
   */
  readonly superseded: readonly string[]
}

const format = 1

/** What a new grant is made of. */
export type NewGrant = Pick<GrantRecord, 'user' | 'tokens' | 'requestedScopes' | 'appUser' | 'label'>

/** The record as a string, to be encrypted. Short member names: it is read with every request. */
export function encodeGrant(record: GrantRecord): string {
  const { user, tokens } = record
  const isAsRequested = tokens.scope.join(' ') === record.requestedScopes.join(' ')
  return JSON.stringify({
    f: format,
    v: record.version,
    u: [user.id, user.accountID, user.subdomain, user.region, user.apiURL, user.delegationID],
    a: tokens.accessToken,
    r: tokens.refreshToken,
    e: tokens.expiresAt,
    o: tokens.obtainedAt,
    s: groupScopes(tokens.scope),
    q: isAsRequested ? undefined : groupScopes(record.requestedScopes),
    c: record.createdAt,
    l: record.lastUsedAt,
    n: record.label,
    x: record.absoluteEnd,
    k: record.isKept ? 1 : undefined,
    p: record.appUser,
    t: record.superseded.length > 0 ? record.superseded : undefined,
  })
}

/** Undefined for anything that is not a complete record. */
export function decodeGrant(text: string): GrantRecord | undefined {
  const wire = Object(parseJSON(text)) as Record<string, unknown>
  const { f, v, u, a, r, e, o, c, l, n, x, k, p, t = [] } = wire
  const s = ungroupScopes(wire['s'])
  const q = wire['q'] === undefined ? s : ungroupScopes(wire['q'])
  if (f !== format || !isNumber(v) || !isNumber(e) || !isNumber(o) || !isNumber(x)) return undefined
  if (!isNumber(c) || !isNumber(l) || !isOptionalText(n)) return undefined
  if (!isText(a) || s === undefined || q === undefined || !isOptionalText(r)) return undefined
  const superseded = listOf(t)
  if (!superseded?.every(isText)) return undefined
  const [id, accountID, subdomain, region, apiURL, delegationID] = listOf(u) ?? []
  if (!isText(id) || !isText(accountID) || !isText(apiURL)) return undefined
  if (!isOptionalText(subdomain) || !isOptionalText(delegationID)) return undefined
  if (region !== undefined && region !== 'us' && region !== 'eu') return undefined
  return {
    version: v,
    user: Object.freeze({ id, accountID, subdomain, region, apiURL, delegationID }),
    tokens: new TokenSet({
      accessToken: a,
      refreshToken: r,
      expiresAt: e,
      obtainedAt: o,
      scope: Object.freeze(parseGrantedScope(s)),
    }),
    requestedScopes: Object.freeze(parseGrantedScope(q)),
    createdAt: c,
    lastUsedAt: l,
    label: n,
    absoluteEnd: x,
    isKept: k === 1,
    appUser: p,
    superseded,
  }
}

/** What is revoked at PagerDuty when a grant ends. A refresh token takes its access token with it. */
export function tokensOf({ superseded, tokens }: GrantRecord): readonly string[] {
  return [...new Set([...superseded, revocable(tokens)])]
}

/** The token whose revocation ends all tokens of one response of the token endpoint. */
export function revocable(tokens: TokenSet): string {
  return tokens.refreshToken ?? tokens.accessToken
}
