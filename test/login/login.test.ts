import { createHash } from 'node:crypto'
import { type Login, PagerDutyStrategy } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, altered, startDropIn } from '../support/drop-in'

let simulator: Simulator
let app: DropIn

beforeAll(async () => {
  // It goes on by the true time where a test holds the app's clock.
  simulator = await startPagerDuty({ now: Date.now })
})
afterAll(() => simulator.close())
beforeEach(async () => {
  simulator.resetCalls()
  simulator.revokeAll()
  app = await startDropIn(simulator)
})
afterEach(async () => {
  jest.restoreAllMocks()
  simulator.clearFaults()
  await app.close()
})

/** A callback URL that PagerDuty sent this browser to. */
async function pending(browser: Browser, path?: string): Promise<string> {
  return approve(await app.begin(browser, path))
}

function tokenCalls(): number {
  return simulator.calls.token.authorization_code
}

/** Whether the app knows the browser's user. */
async function isLoggedIn(browser: Browser): Promise<boolean> {
  const { user } = (await (await browser.visit(app.url)).json()) as { user: unknown }
  return user !== null
}

describe('a login', () => {
  test('takes a navigation to a guarded page through PagerDuty and back to it', async () => {
    const browser = new Browser()
    const denied = await browser.visit(`${app.url}/incidents?status=open`)
    expect(denied.status).toBe(302)
    expect(denied.headers.get('location')).toBe('/auth/pagerduty?returnTo=%2Fincidents%3Fstatus%3Dopen')
    const { finished } = await app.logIn(browser, { path: denied.headers.get('location') as string })
    expect(finished.status).toBe(302)
    expect(finished.headers.get('location')).toBe('/incidents?status=open')
    const incidents = (await (await app.get(browser)).json()) as { incidents: unknown[] }
    expect(incidents.incidents.length).toBeGreaterThan(0)
  })

  test('costs one token call and no call for a profile', async () => {
    await app.logIn()
    expect(tokenCalls()).toBe(1)
    expect(simulator.calls.api + simulator.calls.userinfo).toBe(0)
  })

  test('identifies the user to the app by the ids that PagerDuty signed', async () => {
    const { browser } = await app.logIn(new Browser(), { user: 'PGLBX01' })
    expect(await (await app.get(browser, '/me')).json()).toMatchObject({
      id: 'PGLBX01',
      accountID: 'PGLBX00',
      subdomain: 'globex',
      region: 'eu',
    })
  })

  test('is emitted with what was granted, and without a token', async () => {
    const heard = jest.fn()
    app.pd.on('login', heard)
    await app.logIn()
    expect(heard).toHaveBeenCalledTimes(1)
    expect(heard.mock.calls[0]).toEqual([
      expect.objectContaining({
        user: expect.objectContaining({ id: 'PACME01' }) as unknown,
        grantedScopes: expect.arrayContaining(['openid', 'incidents.read', 'users.read']) as unknown,
        requestedScopes: ['incidents.read', 'users.read'],
      }),
    ])
    expect(JSON.stringify(heard.mock.calls)).not.toContain('pdus+')
  })

  test('keeps what verify returned as req.user, and denies users whom verify rejects', async () => {
    const verify = async ({ user }: Login) => user.id === 'PACME01' && { name: `app:${user.id}` }
    await app.close()
    app = await startDropIn(simulator, { verify })
    const { browser } = await app.logIn()
    expect(await (await app.get(browser, '/me')).json()).toEqual({ name: 'app:PACME01' })
    const refused = await app.logIn(new Browser(), { user: 'PACME02' })
    expect(refused.finished.status).toBe(403)
    expect(await refused.finished.text()).toContain('This app does not let you in')
    expect(await isLoggedIn(refused.browser)).toBe(false)
  })

  test.each<[string, (login: Login) => unknown, string]>([
    ['nothing', (_login) => undefined, 'The option "verify" returned nothing'],
    ['false', (_login) => false, 'The option "verify" denied the login'],
  ])('says in the log where verify returned %s', async (_what, verify, hint) => {
    await app.close()
    const failures: Error[] = []
    app = await startDropIn(simulator, { verify }, (_express, pd) => {
      pd.on('loginFailed', ({ error }) => failures.push(error))
    })
    await app.logIn()
    expect(failures).toEqual([
      expect.objectContaining({
        code: 'ERR_PAGERDUTY_LOGIN_REFUSED',
        hint: expect.stringContaining(hint) as string,
      }) as Error,
    ])
  })

  test('a callback opened by hand says what to do, with a link to the login', async () => {
    const opened = await new Browser().visit(`${app.url}/auth/pagerduty/callback`)
    expect(opened.status).toBe(400)
    const page = await opened.text()
    expect(page).toContain('There is no login to finish here; log in again')
    expect(page).toContain('<a href="/auth/pagerduty">')
  })
})

test('what a request writes on req.user, or deep in it, no other request sees', async () => {
  await app.close()
  const verify = ({ user }: Login) => ({ id: user.id, roles: ['viewer'] })
  app = await startDropIn(simulator, { verify }, (express, pd) => {
    express.get('/as-admin', pd.requireLogin(), async (req, res) => {
      const user = req.user as unknown as { roles: string[]; isAdmin?: boolean }
      user.roles.push('admin')
      user.isAdmin = true
      Object.assign(req.pagerduty.user ?? {}, { id: 'SOMEBODY' })
      ;(req.pagerduty.grantedScopes as string[]).push('admin')
      // Whatever a refresh stores, it is not this.
      await req.pagerduty.getAccessToken({ forceRefresh: true })
      res.json(user)
    })
    express.get('/granted', pd.requireLogin(), ({ pagerduty: { user, grantedScopes } }, res) => {
      res.json([user?.id, grantedScopes.includes('admin')])
    })
  })
  const { browser } = await app.logIn()
  expect(await (await app.get(browser, '/as-admin')).json()).toMatchObject({ roles: ['viewer', 'admin'] })
  expect(await (await app.get(browser, '/me')).json()).toEqual({ id: 'PACME01', roles: ['viewer'] })
  expect(await (await app.get(browser, '/granted')).json()).toEqual(['PACME01', false])
})

test('a session that an app has taken off its request can still be regenerated, and is gone then', async () => {
  await app.close()
  app = await startDropIn(simulator, {}, (express) => {
    express.post('/taken-off', (req, res, next) => {
      const { session } = req
      req.session = null as never
      session.regenerate((error: unknown) => (error ? next(error) : res.json(req.sessionID !== session.id)))
    })
  })
  const { browser } = await app.logIn()
  const before = browser.copy()
  const answer = await browser.fetch(`${app.url}/taken-off`, { method: 'POST' })
  expect(await answer.json()).toBe(true)
  expect(await isLoggedIn(before)).toBe(false)
})

describe('the authorization request (A)', () => {
  test('A1: requests a code, with state and an S256 challenge', async () => {
    const query = new URL(await app.begin(new Browser())).searchParams
    expect(query.get('response_type')).toBe('code')
    expect(query.get('code_challenge_method')).toBe('S256')
    expect(query.get('code_challenge')).toMatch(/^[\w-]{43}$/)
    expect(query.get('state')).toMatch(/^[\w-]{32}$/)
  })

  test('A2: never repeats a state or a challenge, and sends the verifier of that challenge', async () => {
    const forms: URLSearchParams[] = []
    await app.close()
    app = await startDropIn(simulator, {
      fetch: (url, init) => {
        if (typeof init?.body === 'string') forms.push(new URLSearchParams(init.body))
        return fetch(url, init)
      },
    })
    const queries = []
    for (let i = 0; i < 200; i++) queries.push(new URL(await app.begin(new Browser())).searchParams)
    expect(new Set(queries.map((query) => query.get('state'))).size).toBe(200)
    expect(new Set(queries.map((query) => query.get('code_challenge'))).size).toBe(200)

    const browser = new Browser()
    const begun = await app.begin(browser)
    await browser.visit(await approve(begun))
    const verifier = forms[0]?.get('code_verifier') ?? ''
    expect(verifier).toMatch(/^[A-Za-z0-9\-._~]{43,128}$/)
    const challenge = createHash('sha256').update(verifier).digest('base64url')
    expect(new URL(begun).searchParams.get('code_challenge')).toBe(challenge)
  })

  test('A3: a login begun in one browser cannot be finished in another', async () => {
    const callback = await pending(new Browser())
    for (const victim of [new Browser(), (await app.logIn()).browser.copy()]) {
      const before = tokenCalls()
      const user = await (await victim.visit(app.url)).json()
      await victim.visit(callback)
      expect(tokenCalls()).toBe(before)
      expect(await (await victim.visit(app.url)).json()).toEqual(user)
    }
  })

  test('A4: keeps the five newest of many tabs, in a few kilobytes of cookies', async () => {
    const browser = new Browser()
    const callbacks: string[] = []
    for (let tab = 0; tab < 8; tab++) {
      jest.spyOn(Date, 'now').mockReturnValue(Date.now() + tab * 10)
      callbacks.push(await pending(browser, `/auth/pagerduty?returnTo=/${'x'.repeat(300)}${tab}`))
      jest.restoreAllMocks()
      const cookies = [...browser.cookies].map(([name, value]) => `${name}=${value}`)
      expect(cookies.length).toBeLessThanOrEqual(5)
      expect(cookies.join('; ').length).toBeLessThan(4200)
    }
    expect((await browser.copy().visit(callbacks[0] as string)).status).toBe(403)
    for (const callback of callbacks.slice(-browser.cookies.size)) {
      expect((await browser.copy().visit(callback)).status).toBe(302)
    }
  })

  test('A4: a login that comes back after ten minutes restarts once', async () => {
    const browser = new Browser()
    const late = await pending(browser, '/auth/pagerduty?returnTo=/me')
    const now = Date.now()
    const clock = jest.spyOn(Date, 'now').mockReturnValue(now + 11 * 60_000)
    const restarted = await browser.visit(late)
    expect(restarted.status).toBe(302)
    expect(restarted.headers.get('location')).toContain('/oauth/authorize?')
    expect(tokenCalls()).toBe(0)

    const lateAgain = await approve(restarted.headers.get('location') as string)
    clock.mockReturnValue(now + 22 * 60_000)
    const given = await browser.copy().visit(lateAgain)
    expect(given.status).toBe(403)
    expect(await given.text()).toContain('ERR_PAGERDUTY_STATE_EXPIRED')

    clock.mockReturnValue(now + 12 * 60_000)
    expect((await browser.visit(lateAgain)).headers.get('location')).toBe('/me')
  })

  test('A6: carries no secret', async () => {
    const location = await app.begin(new Browser())
    expect(location).not.toContain('simulator-secret')
    expect(location).not.toContain('client_secret')
    expect(location).not.toContain('code_verifier')
  })

  test.each([
    ['Host', 'evil.example'],
    ['X-Forwarded-Host', 'evil.example'],
    ['X-Forwarded-Proto', 'http'],
  ])('A7: %s does not change the redirect URI', async (header, value) => {
    const begun = await new Browser().visit(`${app.url}/auth/pagerduty`, { [header]: value })
    const query = new URL(begun.headers.get('location') as string).searchParams
    expect(query.get('redirect_uri')).toBe(`${app.url}/auth/pagerduty/callback`)
  })

  test('A8: takes no parameter from the visitor but returnTo, and scopes that the app itself names', async () => {
    const injected =
      'scope=write&redirect_uri=https://evil.example&client_id=x&prompt=none&state=fixed&code_challenge=x&nonce=x'
    const query = new URL(await app.begin(new Browser(), `/auth/pagerduty?${injected}`)).searchParams
    expect(query.get('scope')).toBe('incidents.read users.read')
    expect(query.get('redirect_uri')).toBe(`${app.url}/auth/pagerduty/callback`)
    expect(query.get('client_id')).toBe('simulator-client')
    expect(query.get('state')).not.toBe('fixed')
    expect(query.get('code_challenge')).not.toBe('x')
    expect(query.has('prompt')).toBe(false)
  })

  test.each([
    ['pkce', { pkce: false }],
    ['pkce', { pkce: 'plain' }],
    ['state', { state: false }],
    ['store', { store: {} }],
    ['unsafelyWithoutPKCE', { unsafelyWithoutPKCE: true }],
  ])('A1: the option %s cannot weaken it (%j)', (option, weakening) => {
    const options = {
      clientID: 'a',
      clientSecret: 'b',
      callbackURL: 'https://app.example/cb',
      scope: 'users.read',
    }
    expect(() => new PagerDutyStrategy({ ...options, ...weakening } as never)).toThrow(
      expect.objectContaining({ name: 'ConfigurationError', option }),
    )
  })

  test('A10: logging in as another user creates a new session and ends the old login', async () => {
    const { browser } = await app.logIn()
    const before = browser.copy()
    await app.logIn(browser, { user: 'PACME02' })
    expect(await (await app.get(browser, '/me')).json()).toMatchObject({ id: 'PACME02' })
    expect(await isLoggedIn(before)).toBe(false)
    expect(browser.cookies.get('pagerduty')).not.toBe(before.cookies.get('pagerduty'))
  })
})

describe('the callback (B)', () => {
  test.each([
    ['no state', { state: undefined }],
    ['an empty state', { state: '' }],
    ['a wrong state', { state: 'wrong' }],
    ['the state "undefined"', { state: 'undefined' }],
    ['the state "__proto__"', { state: '__proto__' }],
    ['a state in brackets', { state: undefined, 'state[]': 'x' }],
    ['a code in brackets', { code: undefined, 'code[x]': '1' }],
    ['neither code nor error', { code: undefined }],
    ['code and error', { error: 'access_denied' }],
    ['another issuer', { iss: 'https://evil.example' }],
    ['a NUL in the code', { code: 'a\0b' }],
    ['a line break in the state', { state: 'a\r\nb' }],
    ['a huge code', { code: 'x'.repeat(5000) }],
  ])('B1, B2, B5, B6, B8: rejects %s and leaves the login pending', async (_what, changes) => {
    const browser = new Browser()
    const callback = await pending(browser)
    const refused = await browser.visit(altered(callback, changes))
    expect([400, 403]).toContain(refused.status)
    expect(await refused.text()).not.toMatch(/\n\s+at |evil|xxxx/)
    expect(tokenCalls()).toBe(0)
    expect((await browser.visit(callback)).status).toBe(302)
    expect(await isLoggedIn(browser)).toBe(true)
  })

  test('B1: rejects a repeated parameter', async () => {
    const browser = new Browser()
    const callback = await pending(browser)
    expect((await browser.visit(`${callback}&code=other`)).status).toBe(400)
    expect((await browser.visit(`${callback}&state=other`)).status).toBe(400)
    expect(tokenCalls()).toBe(0)
  })

  test('B3: twenty callbacks at once make one token call, and every one gets the login', async () => {
    const browser = new Browser()
    const callback = await pending(browser)
    simulator.settings.tokenLatency = 200
    const tabs = Array.from({ length: 20 }, () => browser.copy())
    const answers = await Promise.all(tabs.map((tab) => tab.visit(callback)))
    simulator.settings.tokenLatency = 0
    expect(tokenCalls()).toBe(1)
    expect(answers.map((answer) => answer.status)).toEqual(Array(20).fill(302))
    for (const tab of tabs) expect(await isLoggedIn(tab)).toBe(true)
  })

  test('B3: the second callback of a double click keeps the login also when it brings the session of the first', async () => {
    const browser = new Browser()
    const callback = await pending(browser)
    const second = browser.copy()
    await browser.visit(callback)
    second.cookies.set('pagerduty', browser.cookies.get('pagerduty') as string)
    expect((await second.visit(callback)).status).toBe(302)
    expect(tokenCalls()).toBe(1)
    expect(await isLoggedIn(second)).toBe(true)
  })

  test('B3: the same callback later redirects a logged-in browser, and shows any other that the login is over', async () => {
    const browser = new Browser()
    const callback = await pending(browser)
    const thief = browser.copy()
    await browser.visit(callback)
    const again = await browser.visit(callback)
    expect(again.status).toBe(302)
    expect(again.headers.get('location')).toBe('/')
    expect((await new Browser().visit(callback)).status).toBe(403)
    await app.logOut(browser)
    simulator.resetCalls()
    // With the pending cookie itself, after the login was ended: the claim outlives it.
    expect((await thief.visit(callback)).status).toBe(403)
    expect(tokenCalls()).toBe(0)
  })

  test.each(['HEAD', 'POST', 'PUT', 'OPTIONS'])('B4: %s redeems nothing', async (method) => {
    const browser = new Browser()
    const callback = await pending(browser)
    const refused = await browser.fetch(callback, { method })
    expect(refused.status).toBe(405)
    expect(refused.headers.get('allow')).toBe('GET')
    expect(tokenCalls()).toBe(0)
    expect((await browser.visit(callback)).status).toBe(302)
  })

  test('B7: a denial is the outcome of its login, and its page repeats nothing that came with it', async () => {
    const browser = new Browser()
    const callback = await approve(await app.begin(browser), { decision: 'deny' })
    const hostile = altered(callback, { error_description: '<script>alert(1)</script>\r\nSet-Cookie: a=b' })
    const denied = await browser.visit(hostile)
    expect(denied.status).toBe(403)
    expect(await denied.text()).toContain('Access was denied at PagerDuty')
    expect(await (await browser.visit(hostile)).text()).not.toContain('script>alert')
    expect(denied.headers.get('set-cookie')).not.toContain('a=b')
  })

  test('B7: an error that belongs to no login consumes none', async () => {
    const browser = new Browser()
    const callback = await pending(browser)
    for (const state of [undefined, 'other']) {
      const stray = await browser.visit(altered(callback, { code: undefined, error: '<b>x', state }))
      expect([400, 403]).toContain(stray.status)
      expect(await stray.text()).not.toContain('<b>x')
    }
    expect((await browser.visit(callback)).status).toBe(302)
  })

  test('B9: the session before the login is dead after it, with its data', async () => {
    await app.close()
    app = await startDropIn(simulator, {}, (express) => {
      express.get('/cart', (req, res) => {
        const { session } = req as unknown as { session: { cart?: string } }
        session.cart ??= req.query['add'] as string
        res.json(session.cart ?? null)
      })
    })
    const browser = new Browser()
    await browser.visit(`${app.url}/cart?add=apple`)
    const fixed = browser.copy()
    await app.logIn(browser)
    expect(browser.cookies.get('pagerduty')).not.toBe(fixed.cookies.get('pagerduty'))
    expect(await isLoggedIn(fixed)).toBe(false)
    expect(await (await fixed.visit(`${app.url}/cart`)).json()).toBeNull()
  })

  test('B11: responses are not cached, leak no referrer, and end at a URL without the code', async () => {
    const browser = new Browser()
    const begun = await browser.visit(`${app.url}/auth/pagerduty`)
    const finished = await browser.visit(await approve(begun.headers.get('location') as string))
    const denied = await browser.visit(await approve(await app.begin(browser), { decision: 'deny' }))
    for (const { headers } of [begun, finished, denied]) {
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('pragma')).toBe('no-cache')
      expect(headers.get('referrer-policy')).toBe('no-referrer')
    }
    expect(finished.headers.get('location')).toBe('/')
  })

  test.each([
    '//evil.example',
    '/\\evil.example',
    'https:evil',
    '/%09/evil',
    'javascript:alert(1)',
    '/a\0',
    '/%',
  ])('B12: returns to this app only, not to %j', async (returnTo) => {
    const path = `/auth/pagerduty?returnTo=${encodeURIComponent(returnTo)}`
    const { finished } = await app.logIn(new Browser(), { path })
    const target = new URL(finished.headers.get('location') as string, app.url)
    expect(target.origin).toBe(app.url)
  })

  test.each([
    '500',
    'reset',
    'html',
    'redirect',
    'invalid_client',
    'invalid_grant',
    { status: 200, body: {} },
  ] as const)('B13: fails cleanly when the token endpoint responds with %j', async (fault) => {
    const browser = new Browser()
    const callback = await pending(browser)
    simulator.failNext('token', fault)
    const failed = await browser.visit(callback)
    expect(failed.status).toBe(fault === 'invalid_grant' ? 400 : 503)
    expect(await isLoggedIn(browser)).toBe(false)
    expect((await app.logIn(browser)).finished.status).toBe(302)
  })

  test('B14: when verify throws, no user is logged in and the tokens are revoked', async () => {
    await app.close()
    app = await startDropIn(simulator, {
      verify: async () => {
        throw new Error('database down')
      },
    })
    const { browser, finished } = await app.logIn()
    expect(finished.status).toBe(500)
    expect(await isLoggedIn(browser)).toBe(false)
    await app.pd.close()
    expect(simulator.calls.revoke).toBe(1)
    expect(simulator.newestRefreshToken('PACME01')).toBeUndefined()
  })
})

describe('logging out', () => {
  test('ends session and grant at once, and revokes the tokens at PagerDuty', async () => {
    const { browser } = await app.logIn()
    const otherTab = browser.copy()
    const done = await app.logOut(browser)
    expect(done.status).toBe(204)
    expect(browser.cookies.has('pagerduty')).toBe(false)
    expect((await app.get(otherTab)).status).toBe(401)
    await app.pd.close()
    expect(simulator.newestRefreshToken('PACME01')).toBeUndefined()
  })

  test('sends a form back to the front page', async () => {
    const { browser } = await app.logIn()
    const done = await app.logOut(browser, { ...Browser.navigation, 'Sec-Fetch-Site': 'same-origin' })
    expect(done.status).toBe(303)
    expect(done.headers.get('location')).toBe('/')
  })

  test.each([
    ['another site', { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }],
    ['a sibling host', { 'Sec-Fetch-Site': 'same-site', Origin: 'https://other.app.example' }],
    ['a sandboxed frame', { Origin: 'null' }],
  ])('is not done for %s', async (_who, headers) => {
    const { browser } = await app.logIn()
    expect((await app.logOut(browser, headers as Record<string, string>)).status).toBe(403)
    expect(await isLoggedIn(browser)).toBe(true)
  })

  test('is done for a page of this origin, and for a client that sends neither header', async () => {
    for (const headers of [{ Origin: app.url }, {}]) {
      const { browser } = await app.logIn()
      expect((await app.logOut(browser, headers as Record<string, string>)).status).toBe(204)
      expect(await isLoggedIn(browser)).toBe(false)
    }
  })

  test('is not done by GET', async () => {
    const { browser } = await app.logIn()
    expect((await browser.visit(`${app.url}/auth/pagerduty/logout`)).status).toBe(405)
    expect(await isLoggedIn(browser)).toBe(true)
  })

  test('is done by handlers with req.pagerduty.logout()', async () => {
    await app.close()
    app = await startDropIn(simulator, {}, (express) => {
      express.get('/bye', async (req, res) => {
        await req.pagerduty.logout()
        res.json({ user: req.pagerduty.user ?? null })
      })
    })
    const { browser } = await app.logIn()
    const old = browser.copy()
    expect(await (await app.get(browser, '/bye')).json()).toEqual({ user: null })
    expect((await app.get(old)).status).toBe(401)
  })
})
