import { createHash, createPublicKey, verify } from 'node:crypto'
import type { JsonWebKey } from 'node:crypto'
import type { Simulator } from '../../src/testing'
import { logIn, simulators } from './support'

const { start } = simulators()

interface Decoded {
  header: Record<string, unknown>
  claims: Record<string, unknown>
  isVerified: boolean
}

async function keys(simulator: Simulator): Promise<JsonWebKey[]> {
  const answer = await fetch(`${simulator.url}/global/oauth/anonymous/jwks`)
  return ((await answer.json()) as { keys: JsonWebKey[] }).keys
}

async function decode(simulator: Simulator, idToken: string): Promise<Decoded> {
  const [head = '', payload = '', signature = ''] = idToken.split('.')
  const header = parse(head)
  const key = (await keys(simulator)).find(({ kid }) => kid === header['kid'])
  const isVerified =
    key !== undefined &&
    verify(
      'sha256',
      Buffer.from(`${head}.${payload}`),
      createPublicKey({ key, format: 'jwk' }),
      Buffer.from(signature, 'base64url'),
    )
  return { header, claims: parse(payload), isVerified }
}

function parse(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>
}

describe('an id_token', () => {
  it('is signed with the published key and has the claims of PagerDuty', async () => {
    const simulator = await start()
    const { accessToken, idToken } = await logIn(simulator)
    const { header, claims, isVerified } = await decode(simulator, idToken)
    expect(isVerified).toBe(true)
    expect(header).toEqual({ alg: 'RS256', kid: expect.any(String), x5t: expect.any(String) })
    const hash = createHash('sha256').update(accessToken).digest()
    const issuedAt = claims['iat'] as number
    expect(claims).toEqual({
      iss: 'https://app.pagerduty.com/global/oauth/anonymous',
      aud: ['https://api.pagerduty.com', 'simulator-client'],
      azp: 'simulator-client',
      sub: 'PACME01',
      purpose: 'id',
      exp: issuedAt + 3600,
      iat: expect.any(Number),
      nbf: issuedAt,
      auth_time: expect.any(Number),
      at_hash: hash.subarray(0, 16).toString('base64url'),
      acr: expect.any(String),
      amr: expect.any(String),
      jti: expect.any(String),
      sid: expect.any(String),
      delegation_id: expect.any(String),
      product_abilities: [],
      account_id: 'PACME00',
      user_id: 'PACME01',
      subdomain: 'acme',
      region: 'UnitedStates',
    })
  })

  it('names the European API for a European user', async () => {
    const simulator = await start()
    const { idToken } = await logIn(simulator, {}, 'PGLBX01')
    const { claims } = await decode(simulator, idToken)
    expect(claims['aud']).toEqual(['https://api.eu.pagerduty.com', 'simulator-client'])
    expect(claims['subdomain']).toBe('globex')
  })

  it('returns the nonce only with echoNonce', async () => {
    const simulator = await start()
    const login = async (): Promise<unknown> => {
      const { idToken } = await logIn(simulator, { nonce: 'the-nonce' })
      return (await decode(simulator, idToken)).claims['nonce']
    }
    expect(await login()).toBeUndefined()
    simulator.settings.echoNonce = true
    expect(await login()).toBe('the-nonce')
  })

  it('can be tampered with before it is signed', async () => {
    const simulator = await start({ idTokenClaims: (claims) => ({ ...claims, iss: 'https://evil.example' }) })
    const { idToken } = await logIn(simulator)
    const { claims, isVerified } = await decode(simulator, idToken)
    expect(claims['iss']).toBe('https://evil.example')
    expect(isVerified).toBe(true)
  })

  it('has another key after a rotation, while the one before stays published', async () => {
    const simulator = await start()
    const before = await logIn(simulator)
    await simulator.rotateKeys()
    const after = await logIn(simulator)
    const [old, fresh] = [await decode(simulator, before.idToken), await decode(simulator, after.idToken)]
    expect(fresh.header['kid']).not.toBe(old.header['kid'])
    expect([old.isVerified, fresh.isVerified]).toEqual([true, true])
    await simulator.rotateKeys()
    expect((await decode(simulator, before.idToken)).isVerified).toBe(false)
  })

  it('is published without the private half of its key', async () => {
    expect(Object.keys((await keys(await start()))[0] ?? {}).toSorted()).toEqual([
      'alg',
      'e',
      'kid',
      'kty',
      'n',
      'use',
      'x5t',
    ])
  })
})

describe('the discovery document', () => {
  it('has the issuer of the tokens and leads to endpoints that respond', async () => {
    const simulator = await start()
    const answer = await fetch(`${simulator.url}/global/oauth/anonymous/.well-known/openid-configuration`)
    const document = (await answer.json()) as Record<string, string>
    expect(document['issuer']).toBe('https://app.pagerduty.com/global/oauth/anonymous')
    expect(document).not.toHaveProperty('registration_endpoint')
    expect((await fetch(String(document['jwks_uri']))).status).toBe(200)
    expect((await fetch(String(document['token_endpoint']), { method: 'POST' })).status).toBe(400)

    const { accessToken } = await logIn(simulator)
    const headers = { authorization: `Bearer ${accessToken}` }
    const userinfo = await fetch(String(document['userinfo_endpoint']), { headers })
    expect(await userinfo.json()).toMatchObject({
      user_id: 'PACME01',
      account_id: 'PACME00',
      subdomain: 'acme',
    })
  })
})
