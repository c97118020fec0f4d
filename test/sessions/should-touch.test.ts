import type { IncomingMessage } from 'node:http'
import type { Express, RequestHandler, Response } from 'express'
import session from 'express-session'
import { Passport } from 'passport'
import { type PagerDuty, type PagerDutyOptions, pagerduty } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { serve } from '../support/app'
import { Browser } from '../support/browser'
import { clocks } from '../support/clocks'
import { startDropIn } from '../support/drop-in'
import { secret, startPassportApp } from '../support/passport-app'
import { describeWithRedis, useRedis } from '../support/redis'
import { failOnUnhandledRejections } from '../support/unhandled'
import { WatchedStore } from '../support/watched-store'

const minute = 60_000
const idle = 60 * minute

let simulator: Simulator
let store: WatchedStore
let app: { url: string; pd: PagerDuty; close(): Promise<void> }
let browser: Browser

failOnUnhandledRejections()
beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())
beforeEach(() => {
  store = new WatchedStore()
  browser = new Browser()
})
afterEach(async () => {
  jest.restoreAllMocks()
  await app.close()
})

const shouldTouch = (req: IncomingMessage) => req.url?.startsWith('/poll') !== true

function routes(express: Express): void {
  express.get(['/use', '/poll'], (req, res) => {
    const { user, sessionExpiresAt = null } = req.pagerduty
    res.json({ user: user?.id ?? null, sessionExpiresAt, cart: (req.session as { cart?: string }).cart })
  })
  express.get(['/put', '/poll/put'], (req, res) => {
    Object.assign(req.session, { cart: String(Math.random()) })
    res.json('put')
  })
  express.get('/out', async (req, res) => {
    await req.pagerduty.logout()
    res.json(req.pagerduty.sessionExpiresAt ?? null)
  })
}

interface Seen {
  user: string | null
  sessionExpiresAt: number | null
  cart?: string
}

async function see(path: '/use' | '/poll'): Promise<Seen> {
  const response = await browser.fetch(app.url + path)
  return (await response.json()) as Seen
}

async function user(path: '/use' | '/poll'): Promise<string | null> {
  return (await see(path)).user
}

type Start = (lifetimes: PagerDutyOptions['session'], options?: PagerDutyOptions) => Promise<void>

/** Starts an app in which the user is logged in, and has not been back since. */
const dropIn: Start = async (lifetimes, options) => {
  const dropped = await startDropIn(
    simulator,
    { tokenStore: store, secret, session: lifetimes, ...options },
    routes,
  )
  app = dropped
  await dropped.logIn(browser)
}

const parts: Start = async (lifetimes, options) => {
  const passportApp = await startPassportApp(simulator, {
    options: { tokenStore: store, session: lifetimes, ...options },
    session: { rolling: true, cookie: { maxAge: 10 * idle } },
    more: routes,
  })
  app = passportApp
  await passportApp.consent(browser)
}

const mounts: [string, Start][] = [
  ['pd.auth()', dropIn],
  ['the individual middleware', parts],
]

describe.each(mounts)('with session.shouldTouch and %s,', (_how, start) => {
  test('a login that only polls ends after session.idle', async () => {
    await start({ idle, shouldTouch })
    const pass = clocks()
    for (let i = 0; i < 5; i++) {
      expect(await user('/poll')).toBe('PACME01')
      pass(idle / 6)
    }
    pass(idle / 6 + minute)
    expect(await user('/poll')).toBeNull()
    expect(await user('/use')).toBeNull()
  })

  test('a login that is used besides goes on', async () => {
    await start({ idle, shouldTouch })
    const pass = clocks()
    for (let i = 0; i < 10; i++) {
      expect(await user('/use')).toBe('PACME01')
      pass(idle / 2)
      expect(await user('/poll')).toBe('PACME01')
      pass(idle / 4)
    }
  })

  test('a poll writes nothing', async () => {
    await start({ idle, shouldTouch })
    const pass = clocks()
    await user('/use')
    pass(idle / 2)
    const before = store.commands.length
    await user('/poll')
    const written = store.commands.slice(before).filter((command) => !command.startsWith('get '))
    expect(written).toEqual([])
  })

  test('a new login that has only polled lives longer than its first minute', async () => {
    await start({ idle, shouldTouch })
    const pass = clocks()
    expect(await user('/poll')).toBe('PACME01')
    pass(10 * minute)
    expect(await user('/poll')).toBe('PACME01')
  })

  test.each([
    ['a string', () => 'no' as never, /must return true or false, and returned string/],
    ['nothing', () => undefined as never, /returned undefined/],
    ['a promise', () => Promise.resolve(false) as never, /returned a promise/],
    ['a promise that rejects', () => Promise.reject(new Error('no')) as never, /returned a promise/],
  ])('a request fails with an explanation if that returns %s', async (_what, decide, explained) => {
    let isWrong = false
    const onError = jest.fn((_error: Error, _req: unknown, res: Response) => res.sendStatus(500))
    await start({ idle, shouldTouch: () => (isWrong ? decide() : true) }, { onError })
    isWrong = true
    expect((await browser.fetch(`${app.url}/use`)).status).toBe(500)
    expect(onError.mock.lastCall?.[0]).toMatchObject({
      option: 'session.shouldTouch',
      message: expect.stringMatching(explained) as string,
    })
    isWrong = false
    expect(await user('/use')).toBe('PACME01')
  })

  test.each([
    ['an error', new Error('thrown by the app')],
    ['undefined', undefined],
    ['"route"', 'route'],
  ])('a request fails if that throws %s', async (_what, thrown) => {
    let isWrong = false
    const decide = () => {
      if (isWrong) throw thrown as Error
      return true
    }
    await start({ idle, shouldTouch: decide })
    isWrong = true
    expect((await browser.fetch(`${app.url}/use`)).status).toBe(500)
    isWrong = false
    expect(await user('/use')).toBe('PACME01')
  })
})

describe('sessions of pd.auth() with session.shouldTouch', () => {
  test('of users who are not logged in are not extended by polls either', async () => {
    await dropIn({ idle, shouldTouch })
    browser = new Browser()
    await browser.fetch(`${app.url}/put`)
    const pass = clocks()
    for (let i = 0; i < 3; i++) {
      pass(idle / 4)
      expect((await see('/poll')).cart).toBeDefined()
    }
    pass(idle / 4 + minute)
    expect((await see('/poll')).cart).toBeUndefined()
  })

  test('are not extended by what a poll writes', async () => {
    await dropIn({ idle, shouldTouch })
    browser = new Browser()
    await browser.fetch(`${app.url}/put`)
    const pass = clocks()
    for (let i = 0; i < 3; i++) {
      await browser.fetch(`${app.url}/poll/put`)
      pass(idle / 3)
    }
    expect((await see('/poll')).cart).toBeUndefined()
  })
})

test('session.shouldTouch that is not a function is rejected at start-up', async () => {
  app = await startDropIn(simulator, { tokenStore: store, secret })
  const pd = pagerduty({
    ...simulator.options(),
    scope: 'incidents.read',
    callbackURL: 'http://127.0.0.1/auth/pagerduty/callback',
    tokenStore: store,
    secret,
    session: { shouldTouch: false as never },
  })
  for (const mount of [() => pd.auth(), () => pd.sessionTokens()]) {
    expect(mount).toThrow(expect.objectContaining({ option: 'session.shouldTouch' }) as Error)
  }
  await pd.close()
})

describeWithRedis('in Redis', () => {
  const redis = useRedis()

  test('neither polls nor what they write extend session and grant, and other requests do', async () => {
    const dropped = await startDropIn(
      simulator,
      { redis: redis.url, secret, session: { idle, shouldTouch } },
      routes,
    )
    app = dropped
    await dropped.logIn(browser)
    const pass = clocks()
    await user('/poll')
    const keys = (await redis.client.keys('pagerduty:*')).filter((key) => /:(sess|grant):/.test(key))
    expect(keys).toHaveLength(2)
    for (const key of keys) await redis.client.pexpire(key, 5 * minute)
    /** Whether the life of each has been extended since. */
    const isExtended = () => Promise.all(keys.map(async (key) => (await redis.client.pttl(key)) > 5 * minute))
    pass(idle / 2)
    await user('/poll')
    await browser.fetch(`${app.url}/poll/put`)
    expect(await isExtended()).toEqual([false, false])
    await user('/use')
    // One connection: this command comes after the one that extended both.
    await dropped.pd.grants.get('none')
    expect(await isExtended()).toEqual([true, true])
  })
})

describe.each(mounts)('req.pagerduty.sessionExpiresAt with %s', (how, start) => {
  /** Milliseconds until the login ends, as a request sees it. */
  const left = async (path: '/use' | '/poll' = '/use') =>
    ((await see(path)).sessionExpiresAt ?? Number.NaN) - Date.now()
  /** Sessions record seconds, and the test takes time too. */
  const about = (milliseconds: number) => ({
    asymmetricMatch: (value: unknown) =>
      typeof value === 'number' && value <= milliseconds && value > milliseconds - 3_000,
  })

  test('is session.idle after the last extension', async () => {
    await start({ idle })
    const pass = clocks()
    expect(await left()).toEqual(about(idle))
    pass(4 * minute)
    expect(await left()).toEqual(about(idle - 4 * minute))
    pass(4 * minute)
    expect(await left()).toEqual(about(idle))
    expect(await left()).toEqual(about(idle))
  })

  test('is never after the absolute end', async () => {
    await start({ idle, absolute: idle + 10 * minute })
    const pass = clocks()
    expect(await left()).toEqual(about(idle))
    pass(20 * minute)
    expect(await left()).toEqual(about(idle - 10 * minute))
  })

  test('is when the login ends', async () => {
    await start({ idle, shouldTouch })
    const pass = clocks()
    await user('/use')
    pass(20 * minute)
    const end = (await see('/use')).sessionExpiresAt as number
    pass(end - Date.now() - 5_000)
    expect(await user('/poll')).toBe('PACME01')
    pass(10_000)
    expect(await user('/poll')).toBeNull()
  })

  test('is not moved by a request that does not extend the login', async () => {
    await start({ idle, shouldTouch })
    const pass = clocks()
    await user('/use')
    pass(30 * minute)
    expect(await left('/poll')).toEqual(about(idle - 30 * minute))
  })

  test('is undefined where no user is logged in, and after a logout', async () => {
    await start({ idle })
    expect(await (await browser.fetch(`${app.url}/out`)).json()).toBeNull()
    expect((await see('/use')).sessionExpiresAt).toBeNull()
    browser = new Browser()
    expect((await see('/use')).sessionExpiresAt).toBeNull()
  })

  test('of a kept grant is that of its session', async () => {
    await start({ idle, absolute: 10 * idle })
    await user('/use')
    const [grant] = await app.pd.grants.list({ accountID: 'PACME00', userID: 'PACME01' })
    await app.pd.grants.keep(grant?.grantID as string)
    expect(await left()).toEqual(about(how === 'the individual middleware' ? 10 * idle : idle))
  })
})

test('req.pagerduty.sessionExpiresAt is there once passport.authorize() has linked a grant', async () => {
  let made: PagerDuty | undefined
  const served = await serve((express, url) => {
    made = pagerduty({
      ...simulator.options(),
      scope: 'incidents.read',
      callbackURL: `${url}/auth/pagerduty/callback`,
      tokenStore: store,
      secret,
    })
    const passport = new Passport().use(made.strategy as never)
    const cookie = { maxAge: idle }
    express.use(session({ secret, resave: false, saveUninitialized: false, cookie }), made.sessionTokens())
    express.get(/^\/auth\/pagerduty/, passport.authorize('pagerduty') as RequestHandler, (req, res) => {
      res.json((req.pagerduty.sessionExpiresAt ?? 0) - Date.now())
    })
  })
  const pd = made as unknown as PagerDuty
  app = { ...served, pd, close: () => pd.close().then(() => served.close()) }
  const begun = await browser.visit(`${app.url}/auth/pagerduty`)
  const linked = await browser.visit(await approve(begun.headers.get('location') as string))
  expect(Math.abs(((await linked.json()) as number) - idle)).toBeLessThan(3_000)
})
