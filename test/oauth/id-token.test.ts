import { createHash } from 'node:crypto'
import fc from 'fast-check'
import type { ClientOptions } from '../../src/oauth/client-options'
import { IDTokenError } from '../../src/errors/pagerduty-errors'
import { type IDTokenContext, IDTokenVerifier } from '../../src/oauth/id-token'
import { runs } from '../fuzz/runs'
import { clientOf } from '../support/client'
import { fakeOnly } from '../support/fake-only'
import { FaultServer, json, visibleText } from '../support/fault-server'
import { claimsOf, eu, hashOf, header, issuers, signedBy, us } from '../support/good-id-token'
import {
  base64urlTwin,
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

const [issuer, documented] = issuers
const key = rsaKey('key-1')
const ec = ecKey('key-ec')
const attacker = rsaKey('key-1')
const context: IDTokenContext = { accessToken: 'pdus+_0' }

const now = 1_800_000_000
const claims = claimsOf({ now })
beforeAll(() => fakeOnly(['Date'], now * 1000))
afterAll(() => {
  jest.useRealTimers()
})

let server: FaultServer
beforeEach(async () => {
  server = await FaultServer.start()
  publish(jwk(key))
})
afterEach(async () => {
  await server.close()
})

function publish(...keys: Record<string, unknown>[]): void {
  server.behave = json({ keys })
}

function verifier(options: Partial<ClientOptions> = {}): IDTokenVerifier {
  return new IDTokenVerifier(clientOf({ jwksURL: `${server.url}/jwks`, ...options }))
}

/** A validly signed token with some claims changed; `undefined` leaves one out. */
function token(changes: Record<string, unknown> = {}, headers: Record<string, unknown> = {}): string {
  return signedBy(key, claimsOf({ now }, changes), headers)
}

/** A validly signed token whose payload is written out, for what no object can express. */
function written(pattern: RegExp | string, text: string): string {
  return signedBy(key, JSON.stringify(claims).replace(pattern, text))
}

async function refusal(idToken: string | undefined, on = verifier(), in_ = context): Promise<IDTokenError> {
  const error: unknown = await on.verify(idToken, in_).then(
    (user) => {
      throw new Error(`It was accepted: ${JSON.stringify(user)}`)
    },
    (reason: unknown) => reason,
  )
  if (!(error instanceof IDTokenError)) throw error
  // An error that repeats the token is none of those that the tests expect.
  if (idToken !== undefined && idToken.length > 40 && visibleText(error).includes(idToken.slice(-40))) {
    throw new Error('The error repeats the token')
  }
  return error
}

const refused = { code: 'ERR_PAGERDUTY_ID_TOKEN', status: 403, isTransient: false }

describe('a good id_token', () => {
  it('says who it is, and no more', async () => {
    expect(await verifier().verify(token(), context)).toEqual({
      id: 'PUSER01',
      accountID: 'PACCT01',
      subdomain: 'acme',
      region: 'us',
      apiURL: us,
      delegationID: 'DELEG01',
    })
  })

  it('may come from either issuer that PagerDuty uses, or only from those of the option', async () => {
    expect(await verifier().verify(token({ iss: documented }), context)).toBeDefined()
    expect(await verifier({ issuer: documented }).verify(token({ iss: documented }), context)).toBeDefined()
    expect(await refusal(token(), verifier({ issuer: documented }))).toMatchObject(refused)
  })

  it('falls back to sub for the id, and does without what only helps', async () => {
    const bare = token({
      user_id: undefined,
      subdomain: undefined,
      delegation_id: undefined,
      purpose: undefined,
    })
    expect(await verifier().verify(bare, context)).toEqual({
      id: 'PUSER01',
      accountID: 'PACCT01',
      subdomain: undefined,
      region: 'us',
      apiURL: us,
      delegationID: undefined,
    })
  })

  it('is not there at all: that has a code of its own', async () => {
    expect(await refusal(undefined)).toMatchObject({ code: 'ERR_PAGERDUTY_ID_TOKEN_MISSING', status: 403 })
    expect(server.requests).toHaveLength(0)
  })
})

describe('D1: an unsigned token', () => {
  test.each(['none', 'None', 'NONE', 'nOnE', ''])('of alg "%s" is rejected', async (alg) => {
    const forged = compactJWS({ ...header, alg }, claims, unsigned)
    expect(await refusal(forged)).toMatchObject(refused)
    expect(await refusal(`${forged}AAAA`)).toMatchObject(refused)
    expect(await refusal(compactJWS({ ...header, alg }, claims, rs256(key)))).toMatchObject(refused)
  })

  test('whose signature is left out is rejected', async () => {
    const [head, payload] = token().split('.')
    expect(await refusal(`${head}.${payload}.`)).toMatchObject(refused)
    expect(await refusal(`${head}.${payload}`)).toMatchObject(refused)
  })

  test('without an alg is rejected', async () => {
    expect(await refusal(token({}, { alg: undefined }))).toMatchObject(refused)
  })
})

describe('D2: another algorithm than RS256', () => {
  const hs = { ...header, alg: 'HS256' }

  test.each([
    ['HS256 keyed with the public key in PEM', compactJWS(hs, claims, hs256(pem(key)))],
    ['HS256 keyed with the PEM less its last line break', compactJWS(hs, claims, hs256(pem(key).trim()))],
    ['HS256 keyed with the public key as JWK', compactJWS(hs, claims, hs256(JSON.stringify(jwk(key))))],
    [
      'HS256 keyed with the modulus',
      compactJWS(hs, claims, hs256(Buffer.from(String(jwk(key)['n']), 'base64url'))),
    ],
    ['HS256 keyed with nothing', compactJWS(hs, claims, hs256(''))],
    ['PS256', compactJWS({ ...header, alg: 'PS256' }, claims, ps256(key))],
    ['PS256 called RS256', compactJWS(header, claims, ps256(key))],
    ['RS256 called RS512', compactJWS({ ...header, alg: 'RS512' }, claims, rs256(key))],
    ['rs256', compactJWS({ ...header, alg: 'rs256' }, claims, rs256(key))],
    ['ES256', compactJWS({ ...header, alg: 'ES256', kid: 'key-ec' }, claims, es256(ec))],
    ['ES256 called RS256', compactJWS({ ...header, kid: 'key-ec' }, claims, es256(ec))],
  ])('%s is rejected, though the keys would fit', async (_name, forged) => {
    publish(jwk(key, { alg: undefined }), jwk(ec, { alg: undefined }))
    expect(await refusal(forged)).toMatchObject(refused)
  })

  test('is rejected even if the JWKS has a key for it', async () => {
    const shared = Buffer.from('a secret that stands in the key set')
    publish(jwk(key), { kty: 'oct', kid: 'shared', k: shared.toString('base64url'), alg: 'HS256' })
    expect(await refusal(compactJWS({ ...hs, kid: 'shared' }, claims, hs256(shared)))).toMatchObject(refused)
    expect(await refusal(compactJWS({ ...header, kid: 'shared' }, claims, hs256(shared)))).toMatchObject(
      refused,
    )
  })

  test('is rejected if the key is for encryption', async () => {
    publish(jwk(key, { use: 'enc' }))
    expect(await refusal(token())).toMatchObject(refused)
  })
})

describe('D3: a header that brings its own key', () => {
  let elsewhere: FaultServer
  beforeEach(async () => {
    elsewhere = await FaultServer.start()
    elsewhere.behave = json({ keys: [jwk(attacker)] })
  })
  afterEach(async () => {
    await elsewhere.close()
  })

  test.each<[string, (url: string) => Record<string, unknown>]>([
    ['jwk', () => ({ jwk: jwk(attacker) })],
    ['jwk and no kid', () => ({ jwk: jwk(attacker), kid: undefined })],
    ['jku', (url) => ({ jku: url })],
    ['jku and an unknown kid', (url) => ({ jku: url, kid: 'other' })],
    ['x5u', (url) => ({ x5u: url })],
    ['x5c', () => ({ x5c: [attacker.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')] })],
    ['a kid that is a URL', (url) => ({ kid: url })],
  ])('%s: is rejected, and nothing is fetched from there', async (_name, bring) => {
    expect(
      await refusal(compactJWS({ ...header, ...bring(`${elsewhere.url}/jwks`) }, claims, rs256(attacker))),
    ).toMatchObject(refused)
    expect(server.requests.map(({ url }) => url)).toEqual(['/jwks'])
    expect(elsewhere.requests).toHaveLength(0)
  })
})

describe('D3: a kid that leads nowhere', () => {
  test.each(['../../x', 'key-2', '', 'KEY-1', 'key-1\0', '__proto__', 'k'.repeat(5000)])(
    '%j',
    async (kid) => {
      expect(await refusal(token({}, { kid }))).toMatchObject(refused)
      expect(server.requests).toHaveLength(1)
    },
  )

  test('is missing: rejected if two keys could be meant, accepted if there is only one', async () => {
    publish(jwk(key), jwk(rsaKey('key-2')))
    expect(await refusal(token({}, { kid: undefined }))).toMatchObject(refused)
    publish(jwk(key))
    expect(await verifier().verify(token({}, { kid: undefined }), context)).toBeDefined()
  })
})

describe('D3: a critical extension', () => {
  test.each<[string, Record<string, unknown>]>([
    ['unknown', { crit: ['x'], x: 1 }],
    ['of no name', { crit: [] }],
    ['no list', { crit: 'x', x: 1 }],
    ['the payload left as it is', { crit: ['b64'], b64: false }],
  ])('%s is rejected', async (_name, headers) => {
    expect(await refusal(token({}, headers))).toMatchObject(refused)
  })
})

describe('D4: another issuer', () => {
  test.each<[unknown]>([
    ['https://evil.example'],
    [`${issuer}/`],
    [`${issuer}.evil.example`],
    ['https://app.pagerduty.com'],
    [issuer.toUpperCase()],
    [`${issuer} `],
    [''],
    [undefined],
    [null],
    [[issuer]],
    [{ toString: issuer }],
  ])('%j is rejected', async (iss) => {
    expect(await refusal(token({ iss }))).toMatchObject(refused)
  })
})

describe('D5: the audience', () => {
  test.each<[string, unknown]>([
    ['without this client', [us]],
    ['of another app', [us, 'another-client']],
    ['with an untrusted one beside', [us, 'the-client', 'https://evil.example']],
    ['with another app beside', [us, 'the-client', 'another-client']],
    ['that only begins like this client', [us, 'the-client-2']],
    ['in other letters', [us, 'THE-CLIENT']],
    ['that is empty', []],
    ['that is missing', undefined],
    ['that is a number', 5],
    ['that holds a number', [us, 'the-client', 5]],
    ['that holds nothing', [us, 'the-client', null]],
    ['all in one text', `${us} the-client`],
    ['with an API that is only similar', ['https://api.pagerduty.com.evil.example', 'the-client']],
    ['with an API by http', ['http://api.pagerduty.com', 'the-client']],
  ])('%s is rejected', async (_name, aud) => {
    expect(await refusal(token({ aud }))).toMatchObject(refused)
    expect(await refusal(token({ aud }), verifier({ apiURL: us }))).toMatchObject(refused)
  })

  test('may be one text, if the option apiURL names the API', async () => {
    const on = verifier({ apiURL: us })
    expect(await on.verify(token({ aud: 'the-client' }), context)).toMatchObject({
      apiURL: us,
      region: undefined,
    })
    expect(await on.verify(token({ aud: 'the-client', azp: undefined }), context)).toBeDefined()
    expect(await refusal(token({ aud: 'the-client' }))).toMatchObject(refused)
  })
})

describe('D6: the authorized party', () => {
  test.each<[string, unknown]>([
    ['is missing with several audiences', undefined],
    ['is another client', 'another-client'],
    ['is null', null],
    ['is a list', ['the-client']],
    ['is empty', ''],
  ])('%s: rejected', async (_name, azp) => {
    expect(await refusal(token({ azp }))).toMatchObject(refused)
  })

  test('is another client with one audience: rejected', async () => {
    expect(
      await refusal(token({ aud: 'the-client', azp: 'another-client' }), verifier({ apiURL: us })),
    ).toMatchObject(refused)
  })
})

describe('D7: the times', () => {
  test.each<[string, Record<string, unknown>]>([
    ['ended 59 s ago', { exp: now - 59 }],
    ['issued in 60 s', { iat: now + 60 }],
    ['valid in 60 s', { nbf: now + 60 }],
    ['issued 11 minutes ago', { iat: now - 660 }],
    ['in fractions', { iat: now - 0.5, exp: now + 0.5 }],
  ])('%s is within the tolerance', async (_name, times) => {
    expect(await verifier().verify(token(times), context)).toBeDefined()
  })

  test.each<[string, Record<string, unknown>]>([
    ['ended 61 s ago', { exp: now - 61 }],
    ['ended 60 s ago', { exp: now - 60 }],
    ['without an end', { exp: undefined }],
    ['with an end in text', { exp: String(now + 3600) }],
    ['with an end of null', { exp: null }],
    ['with a negative end', { exp: -now }],
    ['issued in 61 s', { iat: now + 61 }],
    ['not said when issued', { iat: undefined }],
    ['issued in text', { iat: String(now) }],
    ['issued in milliseconds', { iat: now * 1000 }],
    ['issued 661 s ago', { iat: now - 661 }],
    ['valid in 61 s', { nbf: now + 61 }],
    ['valid in text', { nbf: String(now) }],
  ])('%s is rejected', async (_name, times) => {
    expect(await refusal(token(times))).toMatchObject(refused)
  })

  test.each(['1e400', '-1e400'])('an iat of %s is rejected', async (iat) => {
    expect(await refusal(written(`"iat":${now}`, `"iat":${iat}`))).toMatchObject(refused)
  })
})

describe('D8: at_hash', () => {
  const right = hashOf(context.accessToken)

  test('is only compared with the option requireAtHash', async () => {
    for (const at_hash of [right, 'wrong', undefined, 5]) {
      expect(await verifier().verify(token({ at_hash }), context)).toBeDefined()
    }
  })

  test('with the option has to belong to the access token', async () => {
    const strict = verifier({ requireAtHash: true })
    expect(await strict.verify(token({ at_hash: right }), context)).toBeDefined()
    expect(await refusal(token({ at_hash: right }), strict, { accessToken: 'pdus+_1' })).toMatchObject(
      refused,
    )
    for (const at_hash of [
      'wrong',
      '',
      undefined,
      null,
      5,
      [right],
      createHash('sha256').update(context.accessToken).digest('base64url'),
      `${right}=`,
    ]) {
      expect(await refusal(token({ at_hash }), strict)).toMatchObject(refused)
    }
  })
})

describe('D9: the nonce', () => {
  const sent = { ...context, nonce: 'the-nonce' }

  test('is compared when it comes back', async () => {
    expect(await verifier().verify(token({ nonce: 'the-nonce' }), sent)).toBeDefined()
    for (const nonce of ['another', '', null, 5, ['the-nonce'], 'The-Nonce']) {
      expect(await refusal(token({ nonce }), verifier(), sent)).toMatchObject(refused)
    }
  })

  test('may be left out, and is nothing to one who sent none', async () => {
    expect(await verifier().verify(token(), sent)).toBeDefined()
    expect(await verifier().verify(token({ nonce: 'any' }), context)).toBeDefined()
  })
})

describe('D10: a token for another purpose', () => {
  test.each([['access'], [''], [null], [['id']], ['ID'], [{}]])('%j is rejected', async (purpose) => {
    expect(await refusal(token({ purpose }))).toMatchObject(refused)
  })

  test.each(['at+jwt', 'logout+jwt', 'application/at+jwt', 'JWT+at', 'jwt '])(
    'a token typed %s is rejected, whatever it claims',
    async (typ) => {
      expect(await refusal(token({}, { typ }))).toMatchObject(refused)
    },
  )

  test.each(['JWT', 'jwt', undefined])('a token typed %s is an id_token', async (typ) => {
    expect(await verifier().verify(token({}, { typ }), context)).toMatchObject({ id: 'PUSER01' })
  })

  test('a logout token is rejected', async () => {
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
    const logout = {
      iss: issuer,
      sub: 'PUSER01',
      aud: 'the-client',
      iat: now,
      exp: now + 120,
      jti: 'x',
      events,
    }
    expect(
      await refusal(
        compactJWS({ ...header, typ: 'logout+jwt' }, logout, rs256(key)),
        verifier({ apiURL: us }),
      ),
    ).toMatchObject(refused)
  })

  test('an access token in place of the id_token is rejected', async () => {
    expect(await refusal('pdus+_0XBPWQQ_8a3fd2e1-0c1d-4a2b-9c7d-111111111111')).toMatchObject(refused)
    const claimsOfAccess = { ...claims, aud: us, azp: undefined, client_id: 'the-client', scope: 'openid' }
    expect(await refusal(compactJWS({ ...header, typ: 'at+jwt' }, claimsOfAccess, rs256(key)))).toMatchObject(
      refused,
    )
  })
})

describe('D11: a token out of shape', () => {
  const [head, payload, signature] = token().split('.') as [string, string, string]

  test.each([
    ['nothing', ''],
    ['dots', '..'],
    ['two segments', `${head}.${payload}`],
    ['four segments', `${head}.${payload}.${signature}.${signature}`],
    ['five segments', `${head}.${payload}.${signature}.${payload}.${signature}`],
    ['an empty payload', `${head}..${signature}`],
    ['an empty header', `.${payload}.${signature}`],
    ['a space before', ` ${token()}`],
    [
      'a changed payload',
      `${head}.${base64(JSON.stringify({ ...claims, user_id: 'POTHER1' }))}.${signature}`,
    ],
    ['a changed header', `${base64(JSON.stringify({ ...header, typ: 'jwt' }))}.${payload}.${signature}`],
    ['a signature of another token', `${head}.${payload}.${token({ jti: '1' }).split('.')[2]}`],
    ['a signature of another key', compactJWS(header, claims, rs256(attacker))],
    ['half a signature', `${head}.${payload}.${signature.slice(0, 172)}`],
    ['1 MB', `${head}.${'A'.repeat(1024 * 1024)}.${signature}`],
    ['a million dots', '.'.repeat(1024 * 1024)],
    ['a payload that is no JSON', compactJWS(header, 'PUSER01', rs256(key))],
    ['a payload of null', compactJWS(header, 'null', rs256(key))],
    ['a payload that is a list', compactJWS(header, JSON.stringify([claims]), rs256(key))],
    ['a payload that is a text', compactJWS(header, JSON.stringify(JSON.stringify(claims)), rs256(key))],
    ['a header that is no JSON', compactJWS('RS256', claims, rs256(key))],
    ['a header of null', compactJWS('null', claims, rs256(key))],
    ['a header that is a list', compactJWS('["RS256"]', claims, rs256(key))],
    ['claims only in __proto__', compactJWS(header, `{"__proto__":${JSON.stringify(claims)}}`, rs256(key))],
  ])('%s is rejected', async (_name, malformed) => {
    expect(await refusal(malformed)).toMatchObject(refused)
  })

  test('the error says by a code what did not hold', async () => {
    const messageOf = async (idToken: string) => (await refusal(idToken)).message
    expect(await messageOf(token({ exp: now - 3600 }))).toBe(
      'The id_token failed verification, ERR_JWT_EXPIRED (claim "exp")',
    )
    expect(await messageOf(`${head}.${payload}.${token({ jti: '1' }).split('.')[2]}`)).toBe(
      'The id_token failed verification, ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    )
    expect(await messageOf(token({ iss: 'https://id.example' }))).toContain('(claim "iss")')
    expect(await messageOf(token({ azp: 'another-client' }))).toContain('(claim "azp")')
  })

  test('a header or payload in another encoding is rejected, though it decodes to the same', async () => {
    let twins = 0
    for (const jti of ['', '1', '12']) {
      const parts = token({ jti }, { jti }).split('.')
      for (const index of [0, 1]) {
        const part = parts[index] as string
        // A length of a multiple of four has no spare bits.
        if (part.length % 4 === 0) continue
        twins++
        expect(
          await refusal(parts.map((it, i) => (i === index ? base64urlTwin(it) : it)).join('.')),
        ).toMatchObject(refused)
      }
    }
    expect(twins).toBe(4)
  })

  test('duplicate keys put into a token break its signature', async () => {
    const doubled = JSON.stringify(claims).replace('{', '{"user_id":"POTHER1",')
    expect(await refusal(`${head}.${base64(doubled)}.${signature}`)).toMatchObject(refused)
    const doubledLast = JSON.stringify(claims).replace(/\}$/, ',"user_id":"POTHER1"}')
    expect(await refusal(`${head}.${base64(doubledLast)}.${signature}`)).toMatchObject(refused)
    const algTwice = JSON.stringify(header).replace('{', '{"alg":"none",')
    expect(await refusal(`${base64(algTwice)}.${payload}.${signature}`)).toMatchObject(refused)
  })

  test('any changed character of header or payload is rejected', async () => {
    const good = token()
    const on = verifier()
    const character = fc.constantFrom(...'ABYZabyz0189-_.=+/ ')
    await fc.assert(
      fc.asyncProperty(fc.nat(good.lastIndexOf('.')), character, async (index, other) => {
        fc.pre(good[index] !== other)
        await refusal(good.slice(0, index) + other + good.slice(index + 1), on)
      }),
      runs(300),
    )
    expect(await on.verify(good, context)).toBeDefined()
  })
})

describe('D13: who it is', () => {
  test('the same user id in two accounts is two users', async () => {
    const on = verifier()
    const [one, two] = await Promise.all(
      ['PACCT01', 'PACCT02'].map((account_id) => on.verify(token({ account_id }), context)),
    )
    expect(one?.id).toBe(two?.id)
    expect(one?.accountID).not.toBe(two?.accountID)
  })

  test('the e-mail address decides nothing and is not handed on', async () => {
    const user = await verifier().verify(token({ email: 'admin@acme.example' }), context)
    expect(user).toEqual(await verifier().verify(token({ email: undefined }), context))
    expect(JSON.stringify(user)).not.toContain('acme.example')
  })

  test.each<[string, Record<string, unknown>]>([
    ['no account', { account_id: undefined }],
    ['an empty account', { account_id: '' }],
    ['an account that is a number', { account_id: 7 }],
    ['an account that is a list', { account_id: ['PACCT01'] }],
    ['an account with a space', { account_id: 'PACCT01 ' }],
    ['an account with a line break', { account_id: 'PACCT01\n' }],
    ['a long account', { account_id: 'P'.repeat(129) }],
    ['an empty user id', { user_id: '' }],
    ['a user id that is a number', { user_id: 7 }],
    ['neither user id nor sub', { user_id: undefined, sub: undefined }],
    ['no sub beside the user id', { sub: undefined }],
    ['a sub that is a number, beside the user id', { sub: 7 }],
    ['a sub that is no id', { user_id: undefined, sub: 'a b' }],
  ])('%s is rejected', async (_name, changes) => {
    expect(await refusal(token(changes))).toMatchObject(refused)
  })
})

describe('the regional API', () => {
  test.each([
    ['us', us],
    ['eu', eu],
  ])('%s is the one that the audience names', async (region, api) => {
    const user = await verifier().verify(token({ aud: [api, 'the-client'] }), context)
    expect(user).toMatchObject({ region, apiURL: api })
    expect(await verifier().verify(token({ aud: ['the-client', api] }), context)).toEqual(user)
  })

  test.each<[string, unknown]>([
    ['names none', ['the-client']],
    ['names both', [us, eu, 'the-client']],
    ['names one with a path', [`${us}/`, 'the-client']],
  ])('is not guessed when the audience %s', async (_name, aud) => {
    const error = await refusal(token({ aud }))
    expect(error.code).toBe('ERR_PAGERDUTY_ID_TOKEN')
  })

  test('is that of the option apiURL, whatever the audience names', async () => {
    const on = verifier({ apiURL: 'http://127.0.0.1:4000' })
    const own = 'http://127.0.0.1:4000'
    const verify = (aud: unknown) => on.verify(token({ aud }), context)
    expect(await verify([us, 'the-client'])).toMatchObject({ apiURL: own, region: 'us' })
    expect(await verify([eu, 'the-client'])).toMatchObject({ apiURL: own, region: 'eu' })
    expect(await verify([us, eu, 'the-client'])).toMatchObject({ apiURL: own, region: undefined })
    expect(await verify([own, 'the-client'])).toMatchObject({ apiURL: own, region: undefined })
    expect(await verify(['the-client'])).toMatchObject({ apiURL: own, region: undefined })
    expect(await refusal(token({ aud: ['http://127.0.0.1:4001', 'the-client'] }), on)).toMatchObject(refused)
  })
})

function base64(text: string): string {
  return Buffer.from(text).toString('base64url')
}
