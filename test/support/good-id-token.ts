import { createHash } from 'node:crypto'
import { type SigningKey, compactJWS, rs256 } from './keys'

// An id_token as PagerDuty makes it, by node:crypto alone: neither the library nor what it verifies with has a say in
// what is good.

/** The one that its tokens name, and the one that its documentation names. */
export const issuers = [
  'https://app.pagerduty.com/global/oauth/anonymous',
  'https://identity.pagerduty.com/global/oauth/anonymous',
] as const
export const us = 'https://api.pagerduty.com'
export const eu = 'https://api.eu.pagerduty.com'
export const clientID = 'the-client'

export const header = { alg: 'RS256', typ: 'JWT', kid: 'key-1' }

/** With some claims changed; `undefined` leaves one out. */
export function claimsOf({ now }: { now: number }, changes: Record<string, unknown> = {}): object {
  return {
    iss: issuers[0],
    sub: 'PUSER01',
    aud: [us, clientID],
    azp: clientID,
    iat: now,
    exp: now + 3600,
    amr: 'urn:se:curity:authentication:html-form',
    purpose: 'id',
    user_id: 'PUSER01',
    account_id: 'PACCT01',
    subdomain: 'acme',
    delegation_id: 'DELEG01',
    email: 'ada@acme.example',
    ...changes,
  }
}

/** A validly signed token of these claims. */
export function signedBy(
  key: SigningKey,
  claims: object | string,
  headers: Record<string, unknown> = {},
): string {
  return compactJWS({ ...header, kid: key.kid, ...headers }, claims, rs256(key))
}

/** The `at_hash` of an access token (OpenID Connect Core 3.1.3.6). */
export function hashOf(accessToken: string): string {
  return createHash('sha256').update(accessToken).digest().subarray(0, 16).toString('base64url')
}
