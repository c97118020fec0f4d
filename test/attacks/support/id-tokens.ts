import { createHash } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { claimsOf, clientID, eu, hashOf, header, issuers, signedBy, us } from '../../support/good-id-token'
import { compactJWS, ecKey, es256, hs256, jwk, pem, ps256, rs256, rsaKey, unsigned } from '../../support/keys'
import type { Rule } from './id-token-rules'

/** The moment at which an id_token is made, and the login that it is for. */
export interface LoginAtHand {
  /** Seconds since the epoch. */
  now: number
  nonce: string
  accessToken: string
}

/** An id_token as some attacker, or some PagerDuty, would present it. */
export interface Presented {
  /** The row of the checklist that requires it. */
  row: string
  name: string
  /** The rules it breaks, and no others; none where it is to be accepted. */
  breaks: readonly Rule[]
  make: (login: LoginAtHand) => string
}

const [issuer, documentedIssuer] = issuers

const first = rsaKey('key-1')
const second = rsaKey('key-2')
const third = rsaKey('key-3')
const attacker = rsaKey('key-1')
const ec = ecKey('key-ec')
const shared = Buffer.from('a secret that stands in the key set, for everybody to read')

/** The keys that PagerDuty publishes, and the one that it will publish next. */
export const keys = { published: [first, second], next: third }

/** A JWKS full of temptations: keys for every algorithm, some of them good for more than one. */
export const temptingKeys: readonly Record<string, unknown>[] = [
  ...keys.published.map((key) => jwk(key)),
  jwk({ ...second, kid: 'key-any' }, { alg: undefined, use: undefined }),
  jwk({ ...second, kid: 'key-enc' }, { use: 'enc' }),
  jwk({ ...second, kid: 'key-hs' }, { alg: 'HS256' }),
  jwk(ec, { alg: undefined }),
  { kty: 'oct', kid: 'key-oct', k: shared.toString('base64url') },
]

/** A validly signed token of these claims. */
export function signed(claims: object | string, headers?: Record<string, unknown>, key = first): string {
  return signedBy(key, claims, headers)
}

type Changes = Record<string, unknown> | ((login: LoginAtHand) => Record<string, unknown>)

function given(row: string, name: string, breaks: readonly Rule[], make: Presented['make']): Presented {
  return { row, name, breaks, make }
}

/** Validly signed, with some claims changed. */
function claiming(row: string, name: string, breaks: readonly Rule[], changes: Changes): Presented {
  const at = (login: LoginAtHand) => (typeof changes === 'function' ? changes(login) : changes)
  return given(row, name, breaks, (login) => signed(claimsOf(login, at(login))))
}

/** Validly signed, with some of the header changed. */
function headed(
  row: string,
  name: string,
  breaks: readonly Rule[],
  changes: Record<string, unknown>,
): Presented {
  return given(row, name, breaks, (login) => signed(claimsOf(login), changes))
}

/** With another header and signature. */
function forged(
  row: string,
  name: string,
  breaks: readonly Rule[],
  headers: Record<string, unknown>,
  signer: Parameters<typeof compactJWS>[2],
): Presented {
  return given(row, name, breaks, (login) => compactJWS({ ...header, ...headers }, claimsOf(login), signer))
}

/** A good token taken apart. */
function broken(
  row: string,
  name: string,
  breaks: readonly Rule[],
  make: (head: string, payload: string, signature: string, login: LoginAtHand) => string,
): Presented {
  return given(row, name, breaks, (login) => {
    const [head = '', payload = '', signature = ''] = signed(claimsOf(login)).split('.')
    return make(head, payload, signature, login)
  })
}

const base64 = (text: string) => Buffer.from(text).toString('base64url')
const unsignedRules = ['algorithm', 'signature'] as const

/** The tokens that are presented to an app with its defaults. `elsewhere` is a URL that must never be requested. */
export function presented(elsewhere: string): Presented[] {
  const ofAttacker = rs256(attacker)
  const certificate = attacker.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  return [
    claiming('D4', 'as PagerDuty makes it', [], {}),
    claiming('D4', 'of the issuer that PagerDuty documents', [], { iss: documentedIssuer }),
    given('D3', 'by the other published key', [], (login) => signed(claimsOf(login), {}, second)),

    ...['none', 'None', 'NONE', 'nOnE', ''].map((alg) =>
      // A signature that is left out altogether is no compact JWS.
      forged('D1', `alg "${alg}" without a signature (CVE-2022-23540)`, ['shape'], { alg }, unsigned),
    ),
    forged('D1', 'alg "none" above a good signature', ['algorithm'], { alg: 'none' }, rs256(first)),
    forged('D1', 'alg "none" above some bytes', unsignedRules, { alg: 'none' }, () =>
      Buffer.from('unsigned'),
    ),
    headed('D1', 'no alg at all', ['algorithm'], { alg: undefined }),
    broken('D1', 'RS256 with the signature left out', ['shape'], (head, payload) => `${head}.${payload}.`),

    ...(
      [
        ['the public key in PEM (CVE-2022-23541)', pem(first)],
        ['the PEM less its last line break', pem(first).trim()],
        ['the public key as JWK', JSON.stringify(jwk(first))],
        ['the modulus', Buffer.from(String(jwk(first)['n']), 'base64url')],
        ['nothing (GHSA-869p-cjfg-cm3x)', ''],
        ['its own kid', 'key-1'],
      ] as const
    ).map(([what, secret]) =>
      forged('D2', `HS256 keyed with ${what}`, unsignedRules, { alg: 'HS256' }, hs256(secret)),
    ),
    forged(
      'D2',
      'HS256 by a secret that the key set shows',
      ['algorithm', 'key'],
      { alg: 'HS256', kid: 'key-oct' },
      hs256(shared),
    ),
    forged(
      'D2',
      'HS256 keyed with a key that is published for it',
      ['algorithm', 'key'],
      { alg: 'HS256', kid: 'key-hs' },
      hs256(pem(second)),
    ),
    forged('D2', 'PS256', unsignedRules, { alg: 'PS256' }, ps256(first)),
    forged(
      'D2',
      'PS256 by a key for any algorithm',
      unsignedRules,
      { alg: 'PS256', kid: 'key-any' },
      ps256(second),
    ),
    forged('D2', 'PS256 called RS256', ['signature'], {}, ps256(first)),
    headed('D2', 'RS256 called RS512', ['algorithm'], { alg: 'RS512' }),
    headed('D2', 'RS256 in small letters', ['algorithm'], { alg: 'rs256' }),
    forged('D2', 'ES256', ['algorithm', 'key'], { alg: 'ES256', kid: 'key-ec' }, es256(ec)),
    forged('D2', 'ES256 called RS256 (CVE-2022-23539)', ['key'], { kid: 'key-ec' }, es256(ec)),
    forged('D2', 'by a key that is there to encrypt', ['key'], { kid: 'key-enc' }, rs256(second)),

    forged('D3', 'jwk of the attacker', ['signature'], { jwk: jwk(attacker) }, ofAttacker),
    forged(
      'D3',
      'jwk of the attacker and no kid',
      ['key'],
      { jwk: jwk(attacker), kid: undefined },
      ofAttacker,
    ),
    forged('D3', 'jku', ['signature'], { jku: `${elsewhere}/jwks` }, ofAttacker),
    forged('D3', 'jku and a kid of its own', ['key'], { jku: `${elsewhere}/jwks`, kid: 'other' }, ofAttacker),
    forged('D3', 'x5u', ['signature'], { x5u: `${elsewhere}/certificate` }, ofAttacker),
    forged('D3', 'x5c', ['signature'], { x5c: [certificate] }, ofAttacker),
    forged('D3', 'a kid that is a URL', ['key'], { kid: `${elsewhere}/jwks` }, ofAttacker),
    headed('D3', 'a kid that climbs out of its folder', ['key'], { kid: '../../dev/null' }),
    headed('D3', 'a kid that nobody has', ['key'], { kid: 'key-9' }),
    headed('D3', 'a kid that every object has', ['key'], { kid: '__proto__' }),
    headed('D3', 'no kid where two keys could be meant', ['key'], { kid: undefined }),
    headed('D3', 'the kid of the other key', ['signature'], { kid: 'key-2' }),
    headed('D3', 'an unknown critical extension', ['critical'], { crit: ['x'], x: 1 }),
    headed('D3', 'a payload that is not encoded', ['critical'], { crit: ['b64'], b64: false }),

    claiming('D4', 'another issuer', ['issuer'], { iss: 'https://evil.example' }),
    claiming('D4', 'an issuer that begins alike', ['issuer'], { iss: `${issuer}.evil.example` }),
    claiming('D4', 'an issuer that the right one begins with', ['issuer'], {
      iss: 'https://app.pagerduty.com',
    }),
    claiming('D4', 'a slash behind the issuer', ['issuer'], { iss: `${issuer}/` }),
    claiming('D4', 'no issuer', ['issuer'], { iss: undefined }),
    claiming('D4', 'a list of issuers', ['issuer'], { iss: [issuer] }),

    claiming('D5', 'one audience, as text', [], { aud: clientID }),
    claiming('D5', 'one audience, and no party', [], { aud: clientID, azp: undefined }),
    claiming('D5', 'the European API', [], { aud: [eu, clientID] }),
    claiming('D5', 'both APIs', [], { aud: [us, eu, clientID] }),
    claiming('D5', 'only the API', ['audience'], { aud: [us] }),
    claiming('D5', 'another app', ['audience'], { aud: [us, 'another-client'] }),
    claiming('D5', 'another app beside', ['audience'], { aud: [us, clientID, 'another-client'] }),
    claiming('D5', 'an audience beside that nobody trusts', ['audience'], {
      aud: [us, clientID, 'https://evil.example'],
    }),
    claiming('D5', 'an API that begins alike', ['audience'], { aud: [`${us}.evil.example`, clientID] }),
    claiming('D5', 'a client that begins alike', ['audience'], { aud: [us, `${clientID}-2`] }),
    claiming('D5', 'all in one text', ['audience'], { aud: `${us} ${clientID}` }),
    claiming('D5', 'no audience', ['audience'], { aud: undefined }),

    claiming('D6', 'several audiences and no party', ['party'], { azp: undefined }),
    claiming('D6', 'another party', ['party'], { azp: 'another-client' }),
    claiming('D6', 'another party for one audience', ['party'], { aud: clientID, azp: 'another-client' }),
    claiming('D6', 'a list of parties', ['party'], { azp: [clientID] }),

    claiming('D7', 'ended 59 s ago', [], ({ now }) => ({ exp: now - 59 })),
    claiming('D7', 'ended 60 s ago', ['time'], ({ now }) => ({ exp: now - 60 })),
    claiming('D7', 'ended 61 s ago', ['time'], ({ now }) => ({ exp: now - 61 })),
    claiming('D7', 'without an end', ['time'], { exp: undefined }),
    claiming('D7', 'an end in text', ['time'], ({ now }) => ({ exp: String(now + 3600) })),
    claiming('D7', 'issued in 60 s', [], ({ now }) => ({ iat: now + 60 })),
    claiming('D7', 'issued in 61 s', ['time'], ({ now }) => ({ iat: now + 61 })),
    claiming('D7', 'issued 11 minutes ago', [], ({ now }) => ({ iat: now - 660 })),
    claiming('D7', 'issued 11 minutes and a second ago', ['time'], ({ now }) => ({ iat: now - 661 })),
    claiming('D7', 'not said when issued', ['time'], { iat: undefined }),
    claiming('D7', 'good in 60 s', [], ({ now }) => ({ nbf: now + 60 })),
    claiming('D7', 'good in 61 s', ['time'], ({ now }) => ({ nbf: now + 61 })),

    claiming('D8', 'the hash of another access token, where none is required', [], {
      at_hash: hashOf('another'),
    }),

    claiming('D9', 'the nonce of this login', [], ({ nonce }) => ({ nonce })),
    claiming('D9', 'the nonce of another login (CVE-2026-42206)', ['nonce'], ({ nonce }) => ({
      nonce: hashOf(nonce),
    })),
    claiming('D9', 'an empty nonce (CVE-2023-27490)', ['nonce'], { nonce: '' }),
    claiming('D9', 'a nonce of null', ['nonce'], { nonce: null }),
    claiming('D9', 'a list of nonces with this one', ['nonce'], ({ nonce }) => ({ nonce: [nonce] })),

    claiming('D10', 'no purpose', [], { purpose: undefined }),
    claiming('D10', 'the purpose of an access token', ['purpose'], { purpose: 'access_token' }),
    claiming('D10', 'an empty purpose', ['purpose'], { purpose: '' }),
    claiming('D10', 'a list of purposes', ['purpose'], { purpose: ['id'] }),
    headed('D10', 'no type', [], { typ: undefined }),
    headed('D10', 'typed as an access token', ['type'], { typ: 'at+jwt' }),
    headed('D10', 'typed as a logout token', ['type'], { typ: 'logout+jwt' }),
    given('D10', 'the access token itself', ['shape'], ({ accessToken }) => accessToken),

    broken('D11', 'another user in the payload', ['signature'], (head, _payload, signature, login) =>
      [head, base64(JSON.stringify(claimsOf(login, { user_id: 'POTHER1' }))), signature].join('.'),
    ),
    broken('D11', 'two segments', ['shape'], (head, payload) => `${head}.${payload}`),
    broken(
      'D11',
      'five segments',
      ['shape'],
      (head, payload, signature) => `${head}.${payload}.${signature}.${payload}.${signature}`,
    ),
    given('D11', 'encrypted, and a bomb when inflated (CVE-2024-28176)', ['shape'], () => bombJWE()),
    broken('D11', 'dots', ['shape'], () => '.'.repeat(10_000)),
    given('D11', 'a payload that is a list', ['shape'], (login) =>
      signed(`[${JSON.stringify(claimsOf(login))}]`),
    ),
    given('D11', 'a payload of null', ['shape'], () => signed('null')),
    given('D11', 'a payload that is no JSON', ['shape'], () => signed('PUSER01')),

    claiming('D13', 'no account', ['identity'], { account_id: undefined }),
    claiming('D13', 'an account that is a number', ['identity'], { account_id: 7 }),
    claiming('D13', 'an account with a line break', ['identity'], { account_id: 'PACCT01\n' }),
    claiming('D13', 'no sub', ['identity'], { sub: undefined }),
    claiming('D13', 'a user id that is empty', ['identity'], { user_id: '' }),
  ]
}

/** For an app with the option `requireAtHash`. */
export const presentedToTheStrict: readonly Presented[] = [
  claiming('D8', 'the hash of its access token', [], ({ accessToken }) => ({ at_hash: hashOf(accessToken) })),
  claiming('D8', 'the hash of another access token', ['hash'], { at_hash: hashOf('another') }),
  claiming('D8', 'the whole hash', ['hash'], ({ accessToken }) => ({
    at_hash: createHash('sha256').update(accessToken).digest('base64url'),
  })),
  claiming('D8', 'a hash that is missing', ['hash'], {}),
  claiming('D8', 'a hash of null', ['hash'], { at_hash: null }),
]

/** Five segments of a JWE (RFC 7516) whose content is a lot of blanks, deflated. */
function bombJWE(): string {
  const content = deflateRawSync(Buffer.alloc(4 * 1024 * 1024, ' ')).toString('base64url')
  const head = base64(JSON.stringify({ alg: 'dir', enc: 'A256GCM', zip: 'DEF', kid: 'key-oct' }))
  return [head, '', base64('twelve-bytes'), content, base64('sixteen-bytes-in')].join('.')
}
