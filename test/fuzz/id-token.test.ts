import { verify } from 'node:crypto'
import fc from 'fast-check'
import type { ClientOptions } from '../../src/oauth/client-options'
import { IDTokenError } from '../../src/errors/pagerduty-errors'
import { IDTokenVerifier } from '../../src/oauth/id-token'
import { clientOf } from '../support/client'
import { fakeOnly } from '../support/fake-only'
import { claimsOf, eu, hashOf, header, issuers, us } from '../support/good-id-token'
import {
  type SigningKey,
  compactJWS,
  ecKey,
  es256,
  hs256,
  jwk,
  pem,
  ps256,
  rs256,
  rsaKey,
  unsigned,
} from '../support/keys'
import { runs } from './runs'

const [issuer, documented] = issuers
const now = 1_800_000_000
const accessToken = 'pdus+_0'
const nonce = 'the-nonce'

const key = rsaKey('key-1')
const second = rsaKey('key-2')
const attacker = rsaKey('key-1')
const ec = ecKey('key-ec')
const published: readonly SigningKey[] = [key, second]
const keySet = JSON.stringify({ keys: [jwk(key), jwk(second), jwk(ec, { alg: 'ES256' })] })

beforeAll(() => fakeOnly(['Date'], now * 1000))
afterAll(() => {
  jest.useRealTimers()
})

function verifier(options: Partial<ClientOptions> = {}): IDTokenVerifier {
  return new IDTokenVerifier(clientOf({ fetch: async () => new Response(keySet), ...options }))
}

/** The rules that hold for a token, checked with nothing of the library nor of what it uses; the number of each that does not. */
function broken(token: string, requireAtHash: boolean): readonly string[] {
  const [first = '', middle = '', last = '', ...more] = token.split('.')
  const parts = [first, middle, last]
  const isShaped =
    more.length === 0 && token.length <= 16_384 && parts.every((part) => part !== '' && isCanonical(part))
  const header = isShaped ? objectOf(first) : undefined
  const claims = isShaped ? objectOf(middle) : undefined
  if (header === undefined || claims === undefined) return ['D11']
  const signer = published.find(({ kid }) => kid === header['kid'])
  const isSigned =
    signer !== undefined &&
    verify('sha256', Buffer.from(`${first}.${middle}`), signer.publicKey, Buffer.from(last, 'base64url'))
  const { iss, aud, azp, exp, nbf, iat, sub, purpose, at_hash, user_id, account_id } = claims
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  const regions: readonly unknown[] = audiences.filter((it) => it === us || it === eu)
  const rules: Readonly<Record<string, boolean>> = {
    D1: header['alg'] !== 'none' && isSigned,
    D2: header['alg'] === 'RS256',
    // RFC 7797 is known, and its b64 of true changes nothing.
    D3: header['crit'] === undefined || (String(header['crit']) === 'b64' && header['b64'] === true),
    D4: iss === issuer || iss === documented,
    D5:
      audiences.includes('the-client') &&
      audiences.every((it) => it === 'the-client' || regions.includes(it)),
    D6: azp === 'the-client' || (azp === undefined && audiences.length === 1),
    D7:
      isTime(exp) &&
      exp > now - 60 &&
      isTime(iat) &&
      iat <= now + 60 &&
      iat >= now - 660 &&
      (nbf === undefined || (isTime(nbf) && nbf <= now + 60)),
    D8: !requireAtHash || at_hash === hashOf(accessToken),
    D9: claims['nonce'] === undefined || claims['nonce'] === nonce,
    D10: (purpose === undefined || purpose === 'id') && isJWT(header['typ']),
    D13: typeof sub === 'string' && isID(user_id ?? sub) && isID(account_id) && regions.length === 1,
  }
  return Object.keys(rules).filter((rule) => rules[rule] !== true)
}

function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part
}

function objectOf(part: string): Record<string, unknown> | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(part, 'base64url'))
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function isID(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && value.length <= 128 && !/[^!-~]/.test(value)
}

function isJWT(typ: unknown): boolean {
  return typ === undefined || (typeof typ === 'string' && typ.toLowerCase() === 'jwt')
}

const atHash = hashOf(accessToken)
const odd = fc.constantFrom<unknown>(
  null,
  '',
  0,
  -1,
  true,
  [],
  {},
  '__proto__',
  1e308,
  [['the-client']],
  'a b',
  '\n',
)
const oneOf = (...values: unknown[]) => fc.oneof({ arbitrary: fc.constantFrom(...values), weight: 6 }, odd)
/** Changes of single claims; `undefined` leaves one out. */
const claimChanges: readonly fc.Arbitrary<Record<string, unknown>>[] = Object.entries({
  iss: oneOf(documented, `${issuer}/`, `${issuer}x`, 'https://evil.example', [issuer], undefined),
  aud: fc.oneof(
    oneOf('the-client', us, [us, eu, 'the-client'], [eu, 'the-client'], ['the-client', 'another'], undefined),
    fc.shuffledSubarray([us, eu, 'the-client', 'the-client', 'another-client', `${us}/`]),
  ),
  azp: oneOf(undefined, 'another-client', ['the-client']),
  exp: oneOf(now - 59, now - 60, now - 61, now - 59.5, `${now + 60}`, undefined),
  iat: oneOf(now + 60, now + 61, now - 660, now - 661, `${now}`, undefined),
  nbf: oneOf(now, now + 60, now + 61, `${now}`),
  purpose: oneOf(undefined, 'access', 'ID', ['id']),
  nonce: oneOf(undefined, 'another', [nonce]),
  at_hash: oneOf(atHash, atHash.slice(1), undefined),
  sub: oneOf(undefined, 'a b', 'P'.repeat(129)),
  user_id: oneOf(undefined, '', 7, 'PUSER02'),
  account_id: oneOf(undefined, '', 7, ['PACCT01'], 'P'.repeat(129)),
}).map(([name, value]) => value.map((it) => ({ [name]: it })))
const headerChanges: readonly fc.Arbitrary<Record<string, unknown>>[] = Object.entries({
  alg: oneOf('none', 'None', 'HS256', 'ES256', 'PS256', 'RS512', 'rs256', undefined),
  kid: oneOf('key-2', 'key-ec', 'key-3', '../../x', undefined),
  typ: oneOf(undefined, 'jwt', 'at+jwt', 'logout+jwt', 'application/jwt'),
  crit: oneOf(['exp'], ['b64'], undefined),
  b64: oneOf(false, true),
  jwk: fc.constant(jwk(attacker)),
  jku: fc.constant('https://evil.example/jwks'),
  x5u: fc.constant('https://evil.example/cert'),
}).map(([name, value]) => value.map((it) => ({ [name]: it })))

const signers = [rs256(key), rs256(second), rs256(attacker), ps256(key), es256(ec), unsigned, hs256(pem(key))]
const signer = fc.oneof({ arbitrary: fc.constant(rs256(key)), weight: 4 }, fc.constantFrom(...signers))
const few = (changes: readonly fc.Arbitrary<Record<string, unknown>>[], maxLength: number) =>
  fc
    .array(fc.oneof(...changes), { maxLength })
    .map((list) => Object.assign({}, ...list) as Record<string, unknown>)

/** What may happen to a token on its way. */
const damage = fc.oneof(
  { arbitrary: fc.constant((token: string) => token), weight: 8 },
  fc.tuple(fc.nat(), fc.constantFrom(...'AZaz09-_.=+/ é')).map(
    ([at, letter]) =>
      (token: string) =>
        token.slice(0, at % token.length) + letter + token.slice((at % token.length) + 1),
  ),
  fc.nat().map((at) => (token: string) => token.slice(0, at % token.length)),
  fc.constantFrom<((token: string) => string)[]>(
    (token) => `${token}.`,
    (token) => `${token}=`,
    (token) => ` ${token}`,
    (token) => token.split('.').toReversed().join('.'),
    (token) => `${token}.${token}`,
    (token) => `${token}${'A'.repeat(20_000)}`,
  ),
)

/** A token with a few things wrong, or none. */
const token = fc
  .tuple(few(headerChanges, 2), few(claimChanges, 3), signer, damage)
  .map(([headers, changes, sign, spoil]) => {
    return spoil(compactJWS({ ...header, ...headers }, claimsOf({ now }, { nonce, ...changes }), sign))
  })

describe.each([true, false])('any id_token, with requireAtHash: %s', (requireAtHash) => {
  it('is accepted if and only if every rule holds, and otherwise rejected with a typed error', async () => {
    const on = verifier({ requireAtHash })
    const tally = { accepted: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(token, async (text) => {
        // Whether another spelling of the same signature is accepted or not does not matter: it says the same.
        fc.pre(isCanonical(text.split('.')[2] ?? ''))
        const verdict: unknown = await on.verify(text, { accessToken, nonce }).then(
          () => [],
          (error: unknown) => error,
        )
        const rules = broken(text, requireAtHash)
        expect(verdict instanceof IDTokenError || rules.length === 0 ? [] : rules).toEqual([])
        expect(verdict instanceof IDTokenError).toBe(rules.length > 0)
        tally[rules.length > 0 ? 'refused' : 'accepted']++
      }),
      runs(requireAtHash ? 300 : 900),
    )
    expect(tally.accepted + (requireAtHash ? 11 : 0)).toBeGreaterThan(10)
    expect(tally.refused).toBeGreaterThan(10)
  })
})

describe('any text for an id_token', () => {
  it('is rejected with a typed error, which does not repeat it', async () => {
    const on = verifier()
    const base64 = fc
      .oneof(fc.jsonValue({ maxDepth: 1 }), fc.string())
      .map((it) => Buffer.from(JSON.stringify(it)).toString('base64url'))
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(base64, { maxLength: 5 }).map((parts) => parts.join('.')),
    )
    await fc.assert(
      fc.asyncProperty(text, async (it) => {
        const error: unknown = await on.verify(it, { accessToken, nonce }).catch((reason: unknown) => reason)
        expect(error).toBeInstanceOf(IDTokenError)
        expect(it.length < 8 || !String(error).includes(it)).toBe(true)
      }),
      runs(150),
    )
  })
})
