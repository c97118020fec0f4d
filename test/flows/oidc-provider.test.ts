import { createHash } from 'node:crypto'
import type { PagerDutyOAuthError, PagerDutyOptions } from '../../src'
import { Browser } from '../support/browser'
import { altered } from '../support/drop-in'
import type { Decision, OIDCProvider, ProviderApp, ResourceServer } from '../support/oidc-provider'
import { approve, startOIDCProvider, startProviderApp, startResourceServer } from '../support/oidc-provider'

const hour = 60 * 60_000

let provider: OIDCProvider
let api: ResourceServer
let app: ProviderApp
let failures: PagerDutyOAuthError[]
let warnings: Error[]

beforeAll(async () => {
  provider = await startOIDCProvider({ accessTokenTTL: 3600 })
  api = await startResourceServer(provider)
})
afterAll(async () => {
  await api.close()
  await provider.close()
})
afterEach(async () => {
  jest.restoreAllMocks()
  await provider.release()
  await app.close()
  const { serverErrors } = await provider.seen()
  if (serverErrors.length > 0) throw new Error(`The provider failed:\n${serverErrors.join('\n')}`)
})

async function start(kind: 'scoped' | 'classic' = 'scoped', options: PagerDutyOptions = {}): Promise<void> {
  app = await startProviderApp(provider, api, kind, options)
  failures = []
  warnings = []
  app.pd.on('loginFailed', ({ error }) => failures.push(error as PagerDutyOAuthError))
  app.pd.on('warning', ({ error }) => warnings.push(error))
}

/** A browser that is logged in and has been seen once since. */
async function loggedIn(decision?: Decision): Promise<Browser> {
  const { browser, finished } = await app.logIn(decision)
  expect([finished.status, finished.headers.get('location')]).toEqual([302, '/me'])
  expect((await app.get(browser, '/me')).status).toBe(200)
  return browser
}

/** Lets time pass for this process only: the provider has a clock of its own. */
function pass(milliseconds: number): void {
  const now = Date.now() + milliseconds
  jest.spyOn(Date, 'now').mockReturnValue(now)
}

async function json(answer: Response | Promise<Response>): Promise<Record<string, unknown>> {
  return (await (await answer).json()) as Record<string, unknown>
}

async function token(browser: Browser): Promise<string> {
  return (await (await app.get(browser, '/token')).json()) as string
}

/** The newest pair that the provider sent. */
function newest(): { access_token: string; refresh_token: string; id_token: string } {
  return app.wire.answers.at(-1) as never
}

async function grantTypes(): Promise<(string | undefined)[]> {
  return (await app.exchanges()).map((exchange) => exchange.grantType)
}

async function isLoggedIn(browser: Browser): Promise<boolean> {
  return (await json(browser.fetch(app.url)))['user'] !== null
}

function claimsOf(idToken: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(idToken.split('.')[1] as string, 'base64url').toString()) as Record<
    string,
    unknown
  >
}

describe.each([
  ['a confidential Scoped client', 'scoped', 'openid incidents.read users.read', ['client_secret']],
  ['a public Classic client', 'classic', 'openid read', []],
] as const)('%s', (_what, kind, scope, secret) => {
  beforeEach(() => start(kind))

  test('logs in with PKCE, as whom the id_token names', async () => {
    const browser = await loggedIn()
    expect(await json(app.get(browser, '/me'))).toEqual({
      user: {
        id: 'PACME01',
        accountID: 'PACME00',
        subdomain: 'acme',
        apiURL: api.url,
        delegationID: expect.stringMatching(/^D[\w-]{20,}$/) as unknown,
      },
      grantedScopes: scope.split(' '),
      requestedScopes: scope.split(' '),
    })
    expect(claimsOf(newest().id_token)['aud']).toBe(app.clientID)
  })

  test('sends the token endpoint what it must and nothing else', async () => {
    const browser = await loggedIn()
    pass(2 * hour)
    await app.get(browser)
    const common = { clientID: app.clientID, hasAuthorization: false, status: 200 }
    expect(await app.exchanges()).toEqual([
      {
        ...common,
        grantType: 'authorization_code',
        keys: ['client_id', ...secret, 'code', 'code_verifier', 'grant_type', 'redirect_uri'],
      },
      {
        ...common,
        grantType: 'refresh_token',
        keys: ['client_id', ...secret, 'grant_type', 'refresh_token'],
      },
    ])
  })

  test('calls an API that asks the provider about the token', async () => {
    const browser = await loggedIn({ user: 'PGLBX01' })
    expect(await json(app.get(browser))).toEqual({
      incidents: [],
      sub: 'PGLBX01',
      client_id: app.clientID,
      scope,
    })
    expect(api.presented.at(-1)).toBe(newest().access_token)
  })

  test('refreshes: both tokens are new, and the API takes the new one', async () => {
    const browser = await loggedIn()
    const before = newest()
    pass(2 * hour)
    expect((await app.get(browser)).status).toBe(200)
    const after = newest()
    expect(await grantTypes()).toEqual(['authorization_code', 'refresh_token'])
    expect(after.access_token).not.toBe(before.access_token)
    expect(after.refresh_token).not.toBe(before.refresh_token)
    expect(api.presented.at(-1)).toBe(after.access_token)
    expect(await token(browser)).toBe(after.access_token)
  })

  test('logs out at the provider too', async () => {
    const browser = await loggedIn()
    pass(2 * hour)
    await app.get(browser)
    const { access_token, refresh_token } = newest()
    expect((await app.logOut(browser)).status).toBe(204)
    expect(await isLoggedIn(browser)).toBe(false)
    await app.pd.close() // Waits for what runs in the background.

    const { revocations } = await provider.seen()
    expect(revocations.filter(({ clientID }) => clientID === app.clientID)).toEqual([
      { clientID: app.clientID, keys: ['client_id', ...secret, 'token'], status: 200 },
    ])
    const refused = await app.refreshByHand(refresh_token)
    expect([refused.status, (await json(refused))['error']]).toEqual([400, 'invalid_grant'])
    const called = await fetch(`${api.url}/incidents`, {
      headers: { authorization: `Bearer ${access_token}` },
    })
    expect(called.status).toBe(401)
    expect(warnings).toEqual([])
  })

  test('learns that the user denied access', async () => {
    const browser = new Browser()
    const callback = await approve(await app.begin(browser), { deny: true })
    expect(new URL(callback).searchParams.get('error')).toBe('access_denied')
    const refused = await browser.fetch(callback)
    expect(refused.status).toBe(403)
    expect(await refused.json()).toMatchObject({ status: 403, code: 'access_denied' })
    expect(await isLoggedIn(browser)).toBe(false)
    expect(await app.exchanges()).toEqual([])
  })

  test.each([
    ['another verifier', (form: URLSearchParams) => form.set('code_verifier', 'x'.repeat(43))],
    ['no verifier', (form: URLSearchParams) => form.delete('code_verifier')],
  ])('is rejected by the provider with %s', async (_which, changeForm) => {
    app.wire.changeForm = changeForm
    const { browser, finished } = await app.logIn()
    expect(finished.status).toBe(400)
    expect(await finished.json()).toMatchObject({ status: 400, code: 'invalid_grant' })
    expect(await app.exchanges()).toMatchObject([{ status: 400, error: 'invalid_grant' }])
    expect(await isLoggedIn(browser)).toBe(false)
  })
})

test('the granted scopes are those that the user granted, not those requested', async () => {
  await start()
  const browser = await loggedIn({ without: 'users.read' })
  expect(await json(app.get(browser, '/me'))).toMatchObject({
    grantedScopes: ['openid', 'incidents.read'],
    requestedScopes: ['openid', 'incidents.read', 'users.read'],
  })
  const denied = await app.get(browser, '/users')
  expect(denied.status).toBe(403)
  expect(denied.headers.get('www-authenticate')).toBe('Bearer error="insufficient_scope", scope="users.read"')
  expect((await app.get(browser)).status).toBe(200)

  pass(2 * hour)
  expect((await app.get(browser, '/users')).status).toBe(403)
  expect(await grantTypes()).toEqual(['authorization_code', 'refresh_token'])
})

test('a scope that this client may not request ends the login before a token call', async () => {
  // Registered as Classic, configured as Scoped.
  await start('classic', {
    appType: 'scoped',
    clientSecret: 'never sent',
    scope: ['openid', 'incidents.read'],
  })
  const { browser, finished } = await app.logIn()
  expect(finished.status).toBe(400)
  expect(await finished.json()).toMatchObject({ code: 'invalid_scope' })
  expect(await app.exchanges()).toEqual([])
  expect(await isLoggedIn(browser)).toBe(false)
})

describe('a refresh', () => {
  beforeEach(() => start())

  test('happens once for 200 requests that wait for it together', async () => {
    const browser = await loggedIn()
    await provider.hold()
    const before = app.arrivals()
    pass(2 * hour)
    const waiting = Array.from({ length: 200 }, () => app.get(browser.copy(), '/token'))
    while (app.arrivals() < before + 200) await new Promise((resolve) => setImmediate(resolve))
    await provider.release()
    const answers = await Promise.all(waiting)
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]))
    const tokens = await Promise.all(answers.map((answer) => answer.json()))
    expect(new Set(tokens)).toEqual(new Set([newest().access_token]))
    expect(await grantTypes()).toEqual(['authorization_code', 'refresh_token'])
  })

  test('follows the rotation, and the provider ends the grant when someone else uses an old token', async () => {
    const browser = await loggedIn()
    const { refresh_token: first } = newest()
    for (let i = 0; i < 5; i++) {
      pass(2 * hour)
      expect((await app.get(browser)).status).toBe(200)
    }
    // The provider rejects a token that was used before, so the library has used none twice.
    expect((await app.exchanges()).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200])
    expect(new Set(app.wire.answers.map((answer) => answer['refresh_token'])).size).toBe(6)

    const thief = await app.refreshByHand(first)
    expect([thief.status, (await json(thief))['error']]).toEqual([400, 'invalid_grant'])

    pass(2 * hour)
    const ended = await app.get(browser)
    expect(ended.status).toBe(401)
    expect(ended.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
    expect(await isLoggedIn(browser)).toBe(false)
    expect((await app.exchanges()).map(({ status }) => status).slice(6)).toEqual([400, 400])
  })

  test('accepts the id_token that this provider sends with it, and none of another user', async () => {
    await loggedIn({ user: 'PGLBX01' })
    const { id_token: other } = newest()
    const browser = await loggedIn()
    const me = await json(app.get(browser, '/me'))
    pass(2 * hour)
    expect(await json(app.get(browser, '/me'))).toEqual(me)
    expect(claimsOf(newest().id_token)['sub']).toBe('PACME01')

    pass(2 * hour)
    app.wire.changeAnswer = (body) => (body['id_token'] = other)
    const refused = await app.get(browser, '/me')
    expect(refused.status).toBe(503)
    expect(await refused.json()).toMatchObject({ code: 'ERR_PAGERDUTY_IDENTITY_CHANGED' })
  })

  test('replaces, within the request, an access token that the provider no longer knows', async () => {
    const browser = await loggedIn()
    const { access_token: lost } = newest()
    await provider.dropAccessToken(lost)
    expect((await app.get(browser)).status).toBe(200)
    expect(api.presented.slice(-2)).toEqual([lost, newest().access_token])
    expect(await grantTypes()).toEqual(['authorization_code', 'refresh_token'])
  })

  test('ends the login where the provider has revoked the access token, and the grant with it', async () => {
    const browser = await loggedIn()
    const { clientID: client_id, clientSecret: client_secret } = app
    const form = { token: newest().access_token, client_id, client_secret }
    expect((await provider.post('/token/revocation', form)).status).toBe(200)
    const ended = await app.get(browser)
    expect(ended.status).toBe(401)
    expect(await ended.json()).toMatchObject({ code: 'ERR_PAGERDUTY_LOGIN_REQUIRED' })
    expect(await isLoggedIn(browser)).toBe(false)
  })
})

describe('the authorization response', () => {
  beforeEach(() => start())

  test('names its issuer, and is rejected without a token call if it names another', async () => {
    const browser = new Browser()
    const callback = await approve(await app.begin(browser))
    expect(new URL(callback).searchParams.get('iss')).toBe(provider.issuer)
    for (const iss of ['https://evil.example', `${provider.issuer}/`, provider.issuer.toUpperCase()]) {
      const refused = await browser.fetch(altered(callback, { iss }))
      expect(refused.status).toBe(400)
      expect(await refused.json()).toMatchObject({ code: 'ERR_PAGERDUTY_CALLBACK_MALFORMED' })
    }
    expect(await app.exchanges()).toEqual([])
    expect((await browser.fetch(callback)).status).toBe(302)
  })

  test('makes one token call when it arrives five times at once, or the provider would revoke everything', async () => {
    const browser = new Browser()
    const callback = await approve(await app.begin(browser))
    const tabs = Array.from({ length: 5 }, () => browser.copy())
    const answers = await Promise.all(tabs.map((tab) => tab.fetch(callback)))
    expect(answers.map((answer) => answer.status)).toEqual([302, 302, 302, 302, 302])
    expect(await grantTypes()).toEqual(['authorization_code'])
    for (const tab of tabs) expect((await app.get(tab)).status).toBe(200)
  })
})

describe('the authorization request', () => {
  beforeEach(() => start())

  test('sends a nonce that comes back signed, and the challenge of the verifier', async () => {
    const browser = new Browser()
    let verifier = ''
    app.wire.changeForm = (form) => (verifier = form.get('code_verifier') ?? '')
    const begun = await app.begin(browser)
    expect((await browser.fetch(await approve(begun))).status).toBe(302)
    const query = new URL(begun).searchParams
    expect(query.get('nonce')).toMatch(/^[\w-]{22}$/)
    expect(claimsOf(newest().id_token)['nonce']).toBe(query.get('nonce'))
    expect(query.get('code_challenge')).toBe(createHash('sha256').update(verifier).digest('base64url'))
  })

  test('does not end in the id_token of another login, and its tokens are revoked', async () => {
    await loggedIn({ user: 'PGLBX01' })
    const { id_token: other } = newest()
    app.wire.changeAnswer = (body) => (body['id_token'] = other)
    const { browser, finished } = await app.logIn()
    expect(finished.status).toBe(403)
    expect(await finished.json()).toMatchObject({ code: 'ERR_PAGERDUTY_ID_TOKEN' })
    expect(failures.map(({ message }) => message)).toEqual([
      'The id_token belongs to another login (claim "nonce")',
    ])
    expect(await isLoggedIn(browser)).toBe(false)
    await app.pd.close()
    expect((await app.refreshByHand(newest().refresh_token)).status).toBe(400)
  })
})

test('a wrong secret is the operator’s business, not the visitor’s', async () => {
  await start('scoped', { clientSecret: 'not this one' })
  const { finished } = await app.logIn()
  expect(finished.status).toBe(503)
  expect(await finished.json()).toMatchObject({ code: 'invalid_client' })
  expect(await app.exchanges()).toMatchObject([{ status: 401, error: 'invalid_client' }])
})

test('a provider that sends no at_hash is rejected if at_hash is required', async () => {
  await start('scoped', { requireAtHash: true })
  const { finished } = await app.logIn()
  expect(claimsOf(newest().id_token)['at_hash']).toBeUndefined()
  expect(finished.status).toBe(403)
  expect(failures.map(({ message }) => message)).toEqual([
    'The id_token belongs to another access token (claim "at_hash")',
  ])
})
