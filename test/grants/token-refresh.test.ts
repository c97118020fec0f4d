import { MemoryTokenStore } from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import type { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

const day = 24 * 60 * 60_000
const secret = 'a secret of thirty-two characters or more, for tests'

let simulator: Simulator
let app: DropIn
let browser: Browser

beforeEach(async () => {
  simulator = await startPagerDuty()
  app = await startDropIn(simulator, {}, (express, pd) => {
    express.get('/token', pd.requireLogin(), async (req, res) => {
      res.json(await req.pagerduty.getAccessToken({ forceRefresh: req.query['force'] === '1' }))
    })
    express.get('/open', (req, res) => void res.json(req.pagerduty.user?.id ?? null))
  })
  browser = (await app.logIn()).browser
  await app.get(browser)
  simulator.resetCalls()
})
afterEach(async () => {
  jest.restoreAllMocks()
  simulator.settings.tokenLatency = 0
  await app.close()
  await simulator.close()
})

/** Lets time pass for this process and for PagerDuty. */
function pass(milliseconds: number): void {
  const now = Date.now() + milliseconds
  jest.spyOn(Date, 'now').mockReturnValue(now)
}

function refreshCalls(): number {
  return simulator.calls.token.refresh_token
}

/** What the events say next. */
async function next(event: 'refresh' | 'refreshFailed'): Promise<void> {
  await new Promise((resolve) => app.pd.on(event, resolve))
}

async function token(path = '/token'): Promise<string> {
  return (await (await app.get(browser, path)).json()) as string
}

test('a thousand requests on an expired grant make one refresh, and all succeed', async () => {
  const before = await token()
  pass(day)
  simulator.settings.tokenLatency = 300
  const answers = await Promise.all(Array.from({ length: 1000 }, () => app.get(browser, '/token')))
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]))
  expect(refreshCalls()).toBe(1)
  expect(simulator.reuses).toBe(0)
  const now = await token()
  expect(now).not.toBe(before)
  expect(now).toBe(simulator.newestAccessToken('PACME01'))
})

test('a process requests the lock once, however many of its callers wait', async () => {
  const store = new MemoryTokenStore()
  const own = await startDropIn(simulator, { tokenStore: store, secret })
  const { browser: visitor } = await own.logIn()
  pass(day)
  const created = jest.spyOn(store, 'create')
  await Promise.all(Array.from({ length: 100 }, () => own.get(visitor)))
  expect(created.mock.calls.filter(([key]) => key.startsWith('lock:'))).toHaveLength(1)
  await own.close()
})

test('a process that gets the lock after another has refreshed uses what that one stored', async () => {
  const store = new MemoryTokenStore()
  const [one, two] = [
    await startDropIn(simulator, { tokenStore: store, secret }),
    await startDropIn(simulator, { tokenStore: store, secret }),
  ]
  const { browser: visitor } = await one.logIn()
  simulator.resetCalls()
  pass(day)
  // The second has read the old version and is about to take the lock when the first is through with everything.
  const create = store.create.bind(store)
  let isFirst = true
  let first: Response | undefined
  jest.spyOn(store, 'create').mockImplementation(async (...args) => {
    if (isFirst && args[0].startsWith('lock:')) {
      isFirst = false
      first = await one.get(visitor)
    }
    return create(...args)
  })
  const second = await two.get(visitor)
  expect([first?.status, second.status]).toEqual([200, 200])
  expect(refreshCalls()).toBe(1)
  expect(simulator.reuses).toBe(0)
  await one.close()
  await two.close()
})

test('a process that was frozen until its lock ended presents no refresh token', async () => {
  const store = new MemoryTokenStore()
  const own = await startDropIn(simulator, { tokenStore: store, secret })
  const { browser: visitor } = await own.logIn()
  simulator.resetCalls()
  pass(day)
  const create = store.create.bind(store)
  const frozen = jest.spyOn(store, 'create').mockImplementation(async (...args) => {
    const isLocked = await create(...args)
    if (!args[0].startsWith('lock:')) return isLocked
    // Frozen right here, for longer than the lock lives; another process took it meanwhile.
    await store.delete(args[0])
    await create(args[0], 'somebody else', 60_000)
    const later = performance.now() + 20_000
    jest.spyOn(performance, 'now').mockImplementation(() => later)
    return isLocked
  })
  expect((await own.get(visitor)).status).toBe(503)
  expect(frozen).toHaveBeenCalled()
  expect(refreshCalls()).toBe(0)
  await own.close()
})

test('a token near its end serves at once while it is renewed behind the request', async () => {
  pass(day - 60_000)
  simulator.settings.tokenLatency = 500
  const refreshed = next('refresh')
  const before = await token()
  expect(refreshCalls()).toBeLessThanOrEqual(1)
  expect(simulator.newestAccessToken('PACME01')).not.toBe(undefined)
  await refreshed
  expect(refreshCalls()).toBe(1)
  const after = await token()
  expect(after).not.toBe(before)
  expect(after).toBe(simulator.newestAccessToken('PACME01'))
})

test('a failing PagerDuty is invisible while the token lives', async () => {
  pass(day - 60_000)
  simulator.failNext('token', '500', 10)
  const failed = next('refreshFailed')
  expect((await app.get(browser)).status).toBe(200)
  await failed
  for (let i = 0; i < 20; i++) expect((await app.get(browser)).status).toBe(200)
  expect(refreshCalls()).toBe(1) // It backs off instead of asking with every request.
})

test('a route without a guard neither refreshes nor waits', async () => {
  pass(2 * day)
  expect(await (await app.get(browser, '/open')).json()).toBe('PACME01')
  expect(refreshCalls()).toBe(0)
})

test.each([
  ['429 with Retry-After', { status: 429, retryAfter: 7 }, '7'],
  ['500', '500', '5'],
  ['invalid_client', 'invalid_client', '5'],
  ['something else than JSON', 'html', '5'],
] as const)('%s denies access for now and logs no one out', async (_what, fault, retryAfter) => {
  pass(2 * day)
  simulator.failNext('token', fault)
  const denied = await app.get(browser)
  expect(denied.status).toBe(503)
  expect(denied.headers.get('retry-after')).toBe(retryAfter)
  const later = performance.now() + 20_000
  jest.spyOn(performance, 'now').mockImplementation(() => later)
  expect((await app.get(browser)).status).toBe(200)
})

test('a refresh whose response is lost is sent once more, which a grace period allows', async () => {
  simulator.settings.grace = 10
  pass(2 * day)
  simulator.failNext('token', 'reset-after')
  expect((await app.get(browser)).status).toBe(200)
  expect(await token()).toBe(simulator.newestAccessToken('PACME01'))
})

test('invalid_grant ends the login: once for the caller, and without asking again', async () => {
  simulator.revokeAll()
  pass(2 * day)
  const answers = await Promise.all(Array.from({ length: 100 }, () => app.get(browser)))
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([401]))
  expect(answers[0]?.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
  expect(refreshCalls()).toBe(1)
  const later = await app.get(browser)
  expect(later.status).toBe(401)
  expect(later.headers.get('www-authenticate')).toBe('Bearer')
  expect(refreshCalls()).toBe(1)
})

test('a revoked user does not pass once the token has ended', async () => {
  simulator.revokeAll()
  expect((await app.get(browser, '/me')).status).toBe(200)
  pass(2 * day)
  expect((await app.get(browser, '/me')).status).toBe(401)
})

test('a rejected access token is replaced within the request, once', async () => {
  simulator.expireTokens()
  expect((await app.get(browser)).status).toBe(200)
  expect(refreshCalls()).toBe(1)
  expect(simulator.calls.api).toBe(2)
})

test('an API that rejects every token is called twice and no more', async () => {
  simulator.failNext('api', { status: 401 }, 10)
  expect((await app.get(browser)).status).toBe(401)
  expect(simulator.calls.api).toBe(2)
  expect(refreshCalls()).toBe(1)
})

test('callers whose tokens were rejected together share one renewal', async () => {
  simulator.expireTokens()
  const answers = await Promise.all(Array.from({ length: 50 }, () => app.get(browser)))
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]))
  expect(refreshCalls()).toBe(1)
})

test('forceRefresh gives another token than the one held', async () => {
  const before = await token()
  expect(await token('/token?force=1')).not.toBe(before)
  expect(refreshCalls()).toBe(1)
})

test('a logout during a refresh wins, and the late tokens are revoked', async () => {
  pass(2 * day)
  simulator.settings.tokenLatency = 300
  const waiting = app.get(browser.copy())
  await until(() => refreshCalls() === 1)
  expect((await app.logOut(browser.copy())).status).toBe(204)
  expect((await waiting).status).toBe(401)
  expect((await app.get(browser)).status).toBe(401)
  await app.pd.close()
  expect(simulator.newestRefreshToken('PACME01')).toBeUndefined()
  expect(simulator.calls.revoke).toBe(2) // What was logged out, and what came too late.
})

test('a caller that hangs up does not stop the refresh', async () => {
  pass(2 * day)
  simulator.settings.tokenLatency = 200
  const refreshed = next('refresh')
  const controller = new AbortController()
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const gone = fetch(`${app.url}/token`, { headers: { cookie }, signal: controller.signal })
  await until(() => refreshCalls() === 1)
  controller.abort()
  await expect(gone).rejects.toMatchObject({ name: 'AbortError' })
  await refreshed
  expect(await token()).toBe(simulator.newestAccessToken('PACME01'))
  expect(refreshCalls()).toBe(1)
})

test('close() finishes and stores the refresh that runs, and starts no other', async () => {
  const [grant] = await app.pd.grants.list({ accountID: 'PACME00', userID: 'PACME01' })
  pass(2 * day)
  simulator.settings.tokenLatency = 200
  const waiting = app.get(browser)
  await until(() => refreshCalls() === 1)
  await app.pd.close()
  expect((await waiting).status).toBe(200)
  await expect(grant?.getAccessToken({ forceRefresh: true })).rejects.toMatchObject({
    name: 'TokenStoreError',
    code: 'ERR_PAGERDUTY_CLOSED',
  })
})

test('a scope that a refresh removes is gone for the guard at once', async () => {
  simulator.failNext('token', {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ access_token: 'new', token_type: 'bearer', expires_in: 86400, scope: 'openid' }),
  } as never)
  pass(2 * day)
  const denied = await app.get(browser)
  expect(denied.status).toBe(403)
  expect(denied.headers.get('www-authenticate')).toBe(
    'Bearer error="insufficient_scope", scope="incidents.read"',
  )
})

test.each([0, -1, '3600', undefined, 1e308])(
  'a token that arrives with expires_in %p is not renewed at once',
  async (expires_in) => {
    const body = JSON.stringify({
      access_token: 'new',
      token_type: 'bearer',
      expires_in,
      scope: 'openid users.read',
    })
    const fault = { status: 200, headers: { 'content-type': 'application/json' }, body }
    simulator.failNext('token', fault as never, 100)
    pass(2 * day)
    for (let i = 0; i < 20; i++) await app.get(browser, '/me')
    expect(refreshCalls()).toBe(1)
  },
)

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}
