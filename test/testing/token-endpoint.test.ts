import type { Simulator } from '../../src/testing'
import {
  authorize,
  authorizeURL,
  classicClient,
  codeForm,
  logIn,
  publicClient,
  requestToken,
  simulators,
  statusOf,
  tokensOf,
} from './support'

const { start, pass } = simulators()

async function post(
  simulator: Simulator,
  body: string | URLSearchParams,
  path = '/oauth/token',
  type?: string,
): Promise<Response> {
  return fetch(simulator.url + path, {
    method: 'POST',
    body,
    ...(type && { headers: { 'content-type': type } }),
  })
}

describe('the form of a token request', () => {
  it('is rejected as JSON, in the URL, or with a repeated parameter', async () => {
    const simulator = await start()
    const form = new URLSearchParams({ grant_type: 'client_credentials' })
    const twice = 'client_id=a&client_id=b'
    const answers = await Promise.all([
      post(simulator, JSON.stringify(Object.fromEntries(form)), undefined, 'application/json'),
      post(simulator, form, `/oauth/token?${form}`),
      post(simulator, twice, undefined, 'application/x-www-form-urlencoded'),
      fetch(`${simulator.url}/oauth/token`, { method: 'POST' }),
    ])
    for (const answer of answers) {
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ error: 'invalid_request' })
    }
  })

  it('is rejected when it is too large', async () => {
    expect((await post(await start(), 'a'.repeat(300_000))).status).toBe(413)
  })

  it('needs a known grant type', async () => {
    const simulator = await start()
    expect((await requestToken(simulator, {})).body['error']).toBe('invalid_request')
    expect((await requestToken(simulator, { grant_type: 'password' })).body['error']).toBe(
      'unsupported_grant_type',
    )
  })
})

describe('client authentication', () => {
  it.each([
    ['a wrong secret', { client_secret: 'wrong' }],
    ['no secret', { client_secret: undefined }],
    ['an unknown client', { client_id: 'someone' }],
    ['no client', { client_id: undefined }],
  ])('responds with 401 invalid_client to %s', async (_name, change) => {
    const { status, body } = await requestToken(await start(), { grant_type: 'refresh_token', ...change })
    expect(status).toBe(401)
    expect(body['error']).toBe('invalid_client')
  })

  it('does not take HTTP Basic', async () => {
    const simulator = await start()
    const answer = await fetch(`${simulator.url}/oauth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa('simulator-client:simulator-secret')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    })
    expect(answer.status).toBe(401)
  })

  it('accepts a public client without a secret, and rejects it with one, even an empty one', async () => {
    const simulator = await start({ clients: [publicClient] })
    expect((await logIn(simulator, { scope: 'read' })).scope).toBe('openid read')
    const { status, body } = await requestToken(simulator, codeForm('any', { client_secret: '' }))
    expect(status).toBe(401)
    expect(body['error']).toBe('invalid_client')
  })
})

describe('redeeming a code', () => {
  it('responds as for a Scoped app', async () => {
    const simulator = await start()
    const { status, headers, body } = await requestToken(
      simulator,
      codeForm((await authorize(simulator)).get('code')),
    )
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toEqual({
      access_token: expect.stringMatching(/^pdus\+_0XBPWQQ_[\da-f-]{36}$/),
      refresh_token: expect.stringMatching(/^pdus\+_1XBPWQQ_[\da-f-]{36}$/),
      id_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: 'bearer',
      expires_in: 86400,
      scope: 'openid incidents.read users.read',
    })
  })

  it('marks and measures Classic tokens in their own way', async () => {
    const simulator = await start({ clients: [classicClient] })
    const code = (await authorize(simulator, { scope: 'write' })).get('code')
    const { body } = await requestToken(simulator, codeForm(code))
    expect(body).toMatchObject({
      client_info: 'prefix_legacy_app',
      expires_in: 2592000,
      scope: 'openid write',
    })
  })

  it('issues European tokens with a prefix of their own', async () => {
    const tokens = await logIn(await start(), {}, 'PGLBX01')
    expect(tokens.accessToken).toMatch(/^pdeu\+_0/)
    expect(tokens.refreshToken).toMatch(/^pdeu\+_1/)
  })

  it('follows the lifetimes in the settings', async () => {
    const simulator = await start({ accessTokenLifetime: 5 })
    const code = (await authorize(simulator)).get('code')
    expect((await requestToken(simulator, codeForm(code))).body['expires_in']).toBe(5)
  })

  it('works once, and a second time ends the tokens of the first', async () => {
    const simulator = await start()
    const form = codeForm((await authorize(simulator)).get('code'))
    const { accessToken, refreshToken } = tokensOf((await requestToken(simulator, form)).body)
    expect(await statusOf(simulator, accessToken)).toBe(200)

    const again = await requestToken(simulator, form)
    expect(again.status).toBe(400)
    expect(again.body['error']).toBe('invalid_grant')
    expect(await statusOf(simulator, accessToken)).toBe(401)
    const renewal = await requestToken(simulator, {
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
    })
    expect(renewal.body['error']).toBe('invalid_grant')
  })

  it('works for 30 seconds', async () => {
    const simulator = await start()
    const [early, late] = [await authorize(simulator), await authorize(simulator)]
    pass(25)
    expect((await requestToken(simulator, codeForm(early.get('code')))).status).toBe(200)
    pass(10)
    expect((await requestToken(simulator, codeForm(late.get('code')))).body['error']).toBe('invalid_grant')
  })

  it.each([
    ['another redirect_uri', { redirect_uri: 'http://127.0.0.1:9/other' }],
    ['no redirect_uri', { redirect_uri: undefined }],
    ['a wrong verifier', { code_verifier: 'w'.repeat(43) }],
    ['no verifier', { code_verifier: undefined }],
    ['a short verifier', { code_verifier: 'v' }],
    ['an unknown code', { code: 'unknown' }],
  ])('is rejected with %s', async (_name, change) => {
    const simulator = await start()
    const { status, body } = await requestToken(
      simulator,
      codeForm((await authorize(simulator)).get('code'), change),
    )
    expect(status).toBe(400)
    expect(body['error']).toBe('invalid_grant')
  })

  it('is denied to another client, whose attempt costs the owner nothing', async () => {
    const simulator = await start({ clients: [classicClient, { ...classicClient, clientID: 'other' }] })
    const form = codeForm((await authorize(simulator)).get('code'))
    expect((await requestToken(simulator, form, 'other')).body['error']).toBe('invalid_grant')
    expect((await requestToken(simulator, form)).status).toBe(200)
  })

  it('is rejected with a verifier when there was no challenge', async () => {
    const simulator = await start({ clients: [classicClient] })
    const bare = { code_challenge: undefined, code_challenge_method: undefined }
    const [one, two] = [await authorize(simulator, bare), await authorize(simulator, bare)]
    expect((await requestToken(simulator, codeForm(one.get('code')))).body['error']).toBe('invalid_grant')
    const without = codeForm(two.get('code'), { code_verifier: undefined })
    expect((await requestToken(simulator, without)).status).toBe(200)
  })

  it('gives each click on Allow a code of its own', async () => {
    const simulator = await start()
    const click = (): Promise<Response> =>
      fetch(authorizeURL(simulator), {
        method: 'POST',
        body: new URLSearchParams({ user: 'PACME01', decision: 'allow' }),
        redirect: 'manual',
      })
    const answers = await Promise.all([click(), click()])
    const codes = answers.map((answer) =>
      new URL(String(answer.headers.get('location'))).searchParams.get('code'),
    )
    expect(codes[0]).not.toBe(codes[1])
    for (const code of codes) expect((await requestToken(simulator, codeForm(code))).status).toBe(200)
  })
})
