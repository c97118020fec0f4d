import { MemoryTokenStore, TokenStoreError } from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import type { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

const hour = 60 * 60_000
const day = 24 * hour
const secret = 'a secret of thirty-two characters or more, for tests'

let simulator: Simulator
let store: MemoryTokenStore
/** Two processes of one app. */
let one: DropIn
let two: DropIn
let browser: Browser

beforeEach(async () => {
  simulator = await startPagerDuty()
  store = new MemoryTokenStore()
  one = await start()
  two = await start()
  browser = await logIn('PACME01')
})
afterEach(async () => {
  jest.restoreAllMocks()
  await one.close()
  await two.close()
  await simulator.close()
})

function start(): Promise<DropIn> {
  return startDropIn(simulator, { tokenStore: store, secret }, (express, pd) => {
    express.get('/token', pd.requireLogin(), async (req, res) => {
      const { minValidity } = req.query
      res.json(await req.pagerduty.getAccessToken({ minValidity: Number(minValidity ?? 0) }))
    })
  })
}

async function logIn(user: string): Promise<Browser> {
  const visitor = (await one.logIn(undefined, { user })).browser
  await one.get(visitor, '/token')
  simulator.resetCalls()
  return visitor
}

const at = (app: DropIn, visitor: Browser, path = '/token') => visitor.fetch(app.url + path)
const calls = () => simulator.calls.token.refresh_token

let wallClock = 0
/** The tokens' clock moves on, for the app and for PagerDuty. */
function pass(milliseconds: number): void {
  wallClock = Date.now() + milliseconds
  jest.spyOn(Date, 'now').mockImplementation(() => wallClock)
}

/** Pauses, locks and what the store keeps have grown older by so much. */
function wait(milliseconds: number): void {
  const later = performance.now() + milliseconds
  jest.spyOn(performance, 'now').mockImplementation(() => later)
}

async function next(app: DropIn, event: 'refresh' | 'refreshFailed' | 'warning'): Promise<unknown> {
  return new Promise((resolve) => app.pd.on(event, resolve))
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

describe('pauses after failures', () => {
  test('hold for the other processes too, and let callers know when to retry', async () => {
    pass(2 * day)
    simulator.failNext('token', { status: 503, retryAfter: 40 })
    expect((await at(one, browser)).status).toBe(503)
    const elsewhere = await at(two, browser)
    expect(elsewhere.status).toBe(503)
    expect(calls()).toBe(1)
    const here = await at(one, browser)
    expect(Number(here.headers.get('retry-after'))).toBe(40)
    wait(39_000)
    expect([(await at(one, browser)).status, (await at(two, browser)).status]).toEqual([503, 503])
    expect(calls()).toBe(1)
    wait(2_000)
    expect((await at(two, browser)).status).toBe(200)
    expect(calls()).toBe(2)
  })

  test.each([
    [[1, 30], 'another process'],
    [[30, 1], 'another process'],
    [[1, 30], 'the same'],
    [[30, 1], 'the same'],
  ] as const)(
    'last as long as the longest Retry-After of %j that PagerDuty sends to one process and %s',
    async (seconds, process) => {
      const other = await logIn('PACME02')
      const third = await logIn('PGLBX01')
      pass(2 * day)
      for (const retryAfter of seconds) simulator.failNext('token', { status: 429, retryAfter })
      simulator.settings.tokenLatency = 300
      const first = at(one, browser)
      await until(() => calls() === 1)
      const second = at(process === 'the same' ? one : two, other)
      await until(() => calls() === 2)
      expect((await Promise.all([first, second])).map(({ status }) => status)).toEqual([503, 503])
      simulator.settings.tokenLatency = 0
      for (const time of [0, 2_000, 26_000]) {
        wait(time)
        const statuses = [at(one, third), at(two, third), at(one, other)].map(
          async (one) => (await one).status,
        )
        expect(await Promise.all(statuses)).toEqual([503, 503, 503])
      }
      expect(calls()).toBe(2)
      wait(4_000)
      expect((await at(two, third)).status).toBe(200)
    },
  )

  test('grow with each failure in a row, up to fifteen seconds, and end with a success', async () => {
    pass(2 * day)
    simulator.failNext('token', '500', 8)
    for (const seconds of [1, 2, 4, 8, 15, 15, 15, 15]) {
      const before = calls()
      expect((await at(one, browser)).status).toBe(503)
      expect(calls()).toBe(before + 1)
      wait(seconds * 800 - 100) // They are up to a fifth shorter, at random.
      expect((await at(one, browser)).status).toBe(503)
      expect(calls()).toBe(before + 1)
      wait(seconds * 200 + 200)
    }
    expect((await at(one, browser)).status).toBe(200)
    pass(2 * day)
    simulator.failNext('token', '500')
    expect((await at(one, browser)).status).toBe(503)
    wait(1_100)
    expect((await at(one, browser)).status).toBe(200)
  })

  test('start over when another process has succeeded in between', async () => {
    pass(2 * day)
    simulator.failNext('token', '500', 3)
    for (const seconds of [1, 2, 4]) {
      expect((await at(one, browser)).status).toBe(503)
      wait(seconds * 1000 + 100)
    }
    expect((await at(two, browser)).status).toBe(200)
    pass(2 * day)
    simulator.failNext('token', '500')
    expect((await at(one, browser)).status).toBe(503)
    wait(1_100)
    expect((await at(one, browser)).status).toBe(200)
  })

  test.each([
    ['a rate limit', { status: 429, retryAfter: 7 }],
    ['wrong credentials', 'invalid_client'],
  ] as const)('after %s hold for every grant of the client', async (_what, fault) => {
    const ben = await logIn('PACME02')
    pass(2 * day)
    simulator.failNext('token', fault)
    expect((await at(one, browser)).status).toBe(503)
    expect((await at(one, ben)).status).toBe(503)
    expect((await at(two, ben)).status).toBe(503)
    expect(calls()).toBe(1)
    wait(8_100)
    for (const visitor of [browser, ben]) expect((await at(two, visitor)).status).toBe(200)
  })

  test('of one grant leave the others alone, until a second one fails with no success in between', async () => {
    const ben = await logIn('PACME02')
    const cleo = await logIn('PGLBX01')
    pass(2 * day)
    simulator.failNext('token', '500')
    expect((await at(one, browser)).status).toBe(503)
    expect((await at(one, ben)).status).toBe(200)
    pass(2 * day)
    wait(1_500)
    simulator.failNext('token', '500', 2)
    expect((await at(one, browser)).status).toBe(503)
    expect((await at(one, ben)).status).toBe(503)
    const before = calls()
    expect((await at(one, cleo)).status).toBe(503)
    expect(calls()).toBe(before)
    wait(2_500)
    for (const visitor of [cleo, browser, ben]) expect((await at(one, visitor)).status).toBe(200)
  })

  test('of all grants are followed by one that is tried first, and by the others when that has succeeded', async () => {
    const ben = await logIn('PACME02')
    const cleo = await logIn('PGLBX01')
    pass(2 * day)
    simulator.failNext('token', 'invalid_client')
    expect((await at(one, browser)).status).toBe(503)
    expect((await at(two, ben)).status).toBe(503)
    wait(2_500)
    simulator.settings.tokenLatency = 300
    const first = at(one, browser)
    await until(() => calls() === 2)
    expect([(await at(two, ben)).status, (await at(one, cleo)).status]).toEqual([503, 503])
    expect((await at(two, ben)).headers.get('retry-after')).toBe('1')
    expect((await first).status).toBe(200)
    expect(calls()).toBe(2)
    expect((await at(one, cleo)).status).toBe(200)
    wait(1_100)
    expect((await at(two, ben)).status).toBe(200)
  })

  test('are heard of by those who wait for the lock of the process that failed', async () => {
    pass(2 * day)
    simulator.settings.tokenLatency = 300
    simulator.failNext('token', '500')
    const answers = [at(one, browser)]
    await until(() => calls() === 1)
    answers.push(at(two, browser))
    expect((await Promise.all(answers)).map((answer) => answer.status)).toEqual([503, 503])
    expect(calls()).toBe(1)
  })

  test('do not affect a user whose token is valid', async () => {
    pass(day - 60_000)
    simulator.failNext('token', 'invalid_client', 100)
    const failed = next(one, 'refreshFailed')
    expect((await at(one, browser)).status).toBe(200)
    await failed
    for (const app of [one, two, one, two]) expect((await at(app, browser)).status).toBe(200)
    expect(calls()).toBe(1)
  })
})

describe('a new pair that the store does not take', () => {
  /** Writes of grants fail until the returned function is called. */
  function breakWrites(): () => void {
    const replace = store.replace.bind(store)
    const broken = jest.spyOn(store, 'replace').mockImplementation(async (key, ...rest) => {
      if (key.startsWith('grant:')) throw new TokenStoreError('The store takes no writes')
      return replace(key, ...rest)
    })
    return () => void broken.mockImplementation(replace)
  }

  test('is served from memory, without another call, until it is stored', async () => {
    pass(2 * day)
    const mend = breakWrites()
    const warned = next(one, 'warning')
    expect((await at(one, browser)).status).toBe(200)
    expect(await warned).toMatchObject({ error: { code: 'ERR_PAGERDUTY_TOKEN_STORE' } })
    const newest = simulator.newestAccessToken('PACME01')
    expect(await (await at(one, browser)).json()).toBe(newest)
    expect(await (await one.get(browser)).json()).toHaveProperty('incidents')
    expect(calls()).toBe(1)
    const stored = next(one, 'refresh')
    mend()
    await stored
    expect(await (await at(two, browser)).json()).toBe(newest)
    expect(calls()).toBe(1)
    expect(simulator.reuses).toBe(0)
  })

  test('is not renewed meanwhile, in this process or another', async () => {
    pass(2 * day)
    const mend = breakWrites()
    expect((await at(one, browser)).status).toBe(200)
    pass(2 * day)
    expect((await at(one, browser)).status).toBe(503)
    const waiting = at(two, browser)
    const stored = next(one, 'refresh')
    mend()
    await stored
    expect((await waiting).status).toBe(200)
    expect((await at(one, browser)).status).toBe(200)
    expect(simulator.reuses).toBe(0)
  })

  test('is revoked when its grant is logged out before it is stored', async () => {
    pass(2 * day)
    const mend = breakWrites()
    expect((await at(one, browser)).status).toBe(200)
    await one.logOut(browser.copy())
    expect((await at(one, browser)).status).toBe(401)
    mend()
    await one.pd.close()
    expect(simulator.newestRefreshToken('PACME01')).toBeUndefined()
    expect(simulator.calls.revoke).toBe(2)
  })

  test('is stored before close() is done', async () => {
    pass(2 * day)
    const mend = breakWrites()
    expect((await at(one, browser)).status).toBe(200)
    expect(await store.get(`lock:${grantID()}`)).toBeDefined()
    const closed = one.pd.close()
    mend()
    await closed
    expect(await store.get(`lock:${grantID()}`)).toBeUndefined()
    expect(await (await at(two, browser)).json()).toBe(simulator.newestAccessToken('PACME01'))
    expect(calls()).toBe(1)
  })

  function grantID(): string {
    const [cookie = ''] = [...browser.cookies.values()]
    return /^s%3A([^.]+)\./.exec(cookie)?.[1] ?? ''
  }
})

describe('a refresh token that PagerDuty takes no more', () => {
  test('logs no one out before the access token ends, and is not sent again', async () => {
    pass(day - hour / 2)
    simulator.failNext('token', 'invalid_grant')
    const failed = next(one, 'refreshFailed')
    expect((await at(one, browser)).status).toBe(200)
    expect(await failed).toMatchObject({ error: { code: 'invalid_grant' } })
    for (const app of [one, two])
      expect((await one.get(browser)).status + (await at(app, browser)).status).toBe(400)
    expect(calls()).toBe(1)
    pass(2 * hour)
    const ended = await at(two, browser)
    expect(ended.status).toBe(401)
    expect(ended.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
    expect((await at(one, browser)).headers.get('www-authenticate')).toBe('Bearer')
    expect(calls()).toBe(1)
  })

  test('ends the login at once when the API rejects the access token too', async () => {
    pass(day - hour / 2)
    simulator.revokeAll()
    const failed = next(one, 'refreshFailed')
    expect((await at(one, browser)).status).toBe(200)
    await failed
    expect((await one.get(browser)).status).toBe(401)
    expect((await at(two, browser)).headers.get('www-authenticate')).toBe('Bearer')
    expect(calls()).toBe(1)
  })

  test('leaves the login to callers whose token is valid, when another one requests more than that', async () => {
    pass(day - hour / 2)
    simulator.failNext('token', 'invalid_grant')
    expect((await at(one, browser, '/token?minValidity=7200')).status).toBe(401)
    expect((await at(one, browser)).status).toBe(200)
    expect(calls()).toBe(1)
  })
})

test('a process that lost its lock before it sent anything goes round again', async () => {
  pass(2 * day)
  const create = store.create.bind(store)
  let isFirst = true
  jest.spyOn(store, 'create').mockImplementation(async (...args) => {
    const isTaken = await create(...args)
    if (!isFirst || !args[0].startsWith('lock:')) return isTaken
    isFirst = false
    // Frozen right here; the lock ended, and another process has refreshed meanwhile.
    await store.delete(args[0])
    wait(20_000)
    expect((await at(two, browser)).status).toBe(200)
    return isTaken
  })
  expect((await at(one, browser)).status).toBe(200)
  expect(calls()).toBe(1)
  expect(simulator.reuses).toBe(0)
})

test('an API that rejects new tokens too does not make every request renew them', async () => {
  simulator.failNext('api', { status: 401 }, 100)
  for (let i = 0; i < 10; i++) expect((await one.get(browser)).status).toBe(401)
  expect(calls()).toBe(1)
})

test('two processes with old copies do not take each other’s tokens away, when a refresh revokes the token before', async () => {
  simulator.settings.revokeOldAccessToken = true
  simulator.settings.tokenLatency = 100
  pass(day - 1000)
  for (let round = 0; round < 3; round++) {
    const answers = await Promise.all([one, two, one, two].map((app) => app.get(browser)))
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200])
  }
  expect(calls()).toBe(1)
})

test('no timer is set for a moment beyond what timers can hold', async () => {
  const warned = jest.spyOn(process, 'emitWarning')
  simulator.settings.accessTokenLifetime = 400 * 24 * 60 * 60
  pass(2 * day)
  expect((await at(one, browser)).status).toBe(200)
  simulator.failNext('token', { status: 503, retryAfter: 2 ** 31 })
  expect((await at(one, browser, `/token?minValidity=${2 ** 31}`)).status).toBe(503)
  expect(calls()).toBe(2)
  expect(warned).not.toHaveBeenCalledWith(expect.anything(), 'TimeoutOverflowWarning')
})
