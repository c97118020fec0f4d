import { Redis } from 'ioredis'
import { type PagerDutyOptions, pagerduty } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'
import { describeWithRedis, startRedis } from '../support/redis'

const callbackURL = 'https://app.example/auth/pagerduty/callback'
const secret = 'a secret of thirty-two characters or more, for tests'
const proxied = { 'X-Forwarded-Proto': 'https' }

let simulator: Simulator
let app: DropIn

beforeAll(async () => {
  simulator = await startPagerDuty({
    clients: [{ clientID: 'a', clientSecret: 'b', scope: ['incidents.read'], redirectURIs: [callbackURL] }],
  })
})
afterAll(() => simulator.close())
afterEach(() => app.close())

async function start(options: PagerDutyOptions = {}): Promise<void> {
  app = await startDropIn(simulator, { callbackURL, scope: 'incidents.read', ...options })
}

/** A login through a proxy that terminates TLS: the browser's https request arrives here as http. */
async function logIn(browser: Browser): Promise<Response> {
  const begun = await browser.visit(`${app.url}/auth/pagerduty`, proxied)
  const callback = new URL(await approve(begun.headers.get('location') as string))
  return browser.visit(app.url + callback.pathname + callback.search, proxied)
}

test('E1: where the app is https, every cookie is bound to its host, secure, and out of reach of scripts', async () => {
  await start()
  const browser = new Browser()
  const begun = await browser.visit(`${app.url}/auth/pagerduty`, proxied)
  const pending = begun.headers.getSetCookie()
  const session = (await logIn(browser)).headers.getSetCookie().filter((line) => !line.includes('Max-Age=0'))
  expect(pending).toHaveLength(1)
  expect(session).toHaveLength(1)
  expect(pending[0]).toMatch(/^__Host-pagerduty-login-/)
  expect(session[0]).toMatch(/^__Host-pagerduty=/)
  for (const line of [...pending, ...session]) {
    expect(line).toMatch(/; Path=\//)
    expect(line).toMatch(/; HttpOnly/)
    expect(line).toMatch(/; Secure/)
    expect(line).toMatch(/; SameSite=Lax/)
    expect(line).not.toMatch(/Domain/i)
  }
  expect(browser.cookies.size).toBe(2) // The session, and the first login, which is still pending.
})

test('a session cookie that was verified once lets no cookie pass that differs from it', async () => {
  await start()
  const browser = new Browser()
  await logIn(browser)
  const guarded = async (cookie: string) =>
    (await new Browser().fetch(`${app.url}/me`, { headers: { Cookie: cookie } })).status
  const good = `__Host-pagerduty=${browser.cookies.get('__Host-pagerduty')}`
  for (let time = 0; time < 2; time++) {
    expect(await guarded(good)).toBe(200)
    for (const forged of [good.slice(0, -1), `${good}A`, good.replace(/\.[^.]*$/, ''), good.toUpperCase()]) {
      expect(await guarded(forged)).toBe(401)
    }
  }
})

test('E3: a login that arrives over plain http ends in an error with the fix, not in a loop', async () => {
  await start()
  const heard = jest.fn()
  app.pd.on('loginFailed', heard)
  const refused = await new Browser().visit(`${app.url}/auth/pagerduty`)
  expect(refused.status).toBe(500)
  expect(refused.headers.get('set-cookie')).toBeNull()
  expect(heard).toHaveBeenCalledWith({
    reason: 'ERR_PAGERDUTY_CONFIGURATION',
    error: expect.objectContaining({
      option: 'callbackURL',
      hint: expect.stringContaining('X-Forwarded-Proto: https') as unknown,
    }) as unknown,
  })
  expect(await refused.text()).not.toContain('X-Forwarded-Proto')
})

test('the login path follows the callback path, so that the app can live under a path', async () => {
  const under = 'https://app.example/tools/auth/pagerduty/callback'
  await start({ callbackURL: under })
  const denied = await new Browser().visit(`${app.url}/incidents`)
  expect(denied.headers.get('location')).toBe('/tools/auth/pagerduty?returnTo=%2Fincidents')
  const begun = await new Browser().visit(`${app.url}/tools/auth/pagerduty`, proxied)
  expect(begun.headers.get('location')).toContain(`redirect_uri=${encodeURIComponent(under)}`)
})

test('name and attributes of the session cookie can be changed, and a SameSite that breaks logins is warned about', async () => {
  const warn = jest.fn()
  await start({ session: { name: 'sid', cookie: { sameSite: 'strict', maxAge: 60_000 } }, logger: { warn } })
  const lines = (await logIn(new Browser())).headers.getSetCookie()
  expect(lines.find((line) => line.startsWith('sid='))).toMatch(/; Path=\/;.*SameSite=Strict/)
  expect(warn.mock.calls).toEqual([[expect.stringContaining('"session.cookie.sameSite" is "strict"')]])
})

test.each([
  ['session.name', { name: 'my session' }],
  ['session.cookie.maxAge', { cookie: { maxAge: '3600000' as never } }],
  ['session.cookie.maxAge', { cookie: { maxAge: 0 } }],
  ['session.cookie.sameSite', { cookie: { sameSite: 'laxx' as never } }],
  ['session.cookie.secure', { cookie: { secure: 'yes' as never } }],
  ['session.cookie.path', { cookie: { path: 'app' } }],
  ['session.cookie.path', { cookie: { path: '/elsewhere' } }],
  ['session.cookie.path', { cookie: { path: '/auth/pager' } }],
  ['session.name', { name: '__Host-sid', cookie: { path: '/auth' } }],
  ['session.name', { name: '__Host-sid', cookie: { domain: 'app.example' } }],
  ['session.name', { name: '__host-sid', cookie: { secure: false } }],
  ['session.name', { name: '__Secure-sid', cookie: { secure: false } }],
  ['session.cookie.sameSite', { cookie: { sameSite: 'none' as never, secure: false } }],
  ['session.cookie.domain', { cookie: { domain: 'ex ample' } }],
  ['session.cookie.domain', { cookie: { domain: 'other.example' } }],
])('a session that no browser would keep is rejected at start-up: %s of %j', async (option, settings) => {
  await start()
  const pd = pagerduty({
    ...simulator.options('a'),
    scope: 'incidents.read',
    callbackURL,
    secret,
    session: settings,
  })
  expect(() => pd.auth()).toThrow(`"${option}"`)
  await pd.close()
})

test('a secure session cookie is rejected if the app uses http', async () => {
  await start()
  const http = 'http://localhost:3000/auth/pagerduty/callback'
  const pd = pagerduty({
    ...simulator.options('a'),
    scope: 'incidents.read',
    callbackURL: http,
    secret,
    session: { cookie: { secure: true } },
  })
  expect(() => pd.auth()).toThrow('"session.cookie.secure" is true, but callbackURL is http')
  await pd.close()
})

test('an option of the session cookie that is there and undefined is as if it were left out', async () => {
  const cookie = { secure: undefined, path: undefined, sameSite: undefined, httpOnly: undefined }
  await start({ session: { cookie } })
  const lines = (await logIn(new Browser())).headers.getSetCookie()
  expect(lines.find((line) => line.startsWith('__Host-pagerduty='))).toMatch(
    /; Path=\/;.*HttpOnly; Secure; SameSite=Lax$/,
  )
})

test.each([
  ['none', ''],
  ['garbage', 'pagerduty=s%3Agarbage; pagerduty-login-x=y; =; ;;'],
  ['a wrong signature', '__Host-pagerduty=s%3Aabc.def'],
  ['an unsigned id', '__Host-pagerduty=abc.def'],
  ['a repeated name', '__Host-pagerduty=a; __Host-pagerduty=b'],
  ['a huge value', `__Host-pagerduty=${'x'.repeat(7000)}`],
  ['prototype names', '__proto__=x; constructor=y'],
])('E8: a cookie header with %s is an anonymous visitor, never an error', async (_what, cookie) => {
  await start()
  const answer = await new Browser().fetch(`${app.url}/incidents`, { headers: { cookie } })
  expect(answer.status).toBe(401)
})

describeWithRedis('with the store down', () => {
  test('E7: no guarded handler runs, no cookie is set, and the login is there again afterwards', async () => {
    const server = await startRedis()
    const redis = new Redis(server.url, { retryStrategy: () => 100 })
    redis.on('error', () => {})
    await start({ redis, secret: 'a secret of thirty-two characters or more, for tests' })
    const browser = new Browser()
    await logIn(browser)
    expect((await browser.fetch(`${app.url}/incidents`, { headers: proxied })).status).toBe(200)
    server.freeze()
    const [down, unguarded] = await Promise.all([
      browser.fetch(`${app.url}/incidents`, { headers: proxied }),
      browser.fetch(`${app.url}/`, { headers: proxied }),
    ])
    for (const answer of [down, unguarded]) {
      expect(answer.status).toBe(503)
      expect(answer.headers.get('retry-after')).toBe('2')
      expect(answer.headers.get('set-cookie')).toBeNull()
    }
    server.thaw()
    expect((await browser.fetch(`${app.url}/incidents`, { headers: proxied })).status).toBe(200)
    redis.disconnect()
    await server.stop()
  })
})
