import { RedisStore as RedisStore8 } from 'connect-redis'
import { RedisStore as RedisStore10 } from 'connect-redis10'
import cookieSession from 'cookie-session'
import type { Express, RequestHandler } from 'express'
import session, { type Store } from 'express-session'
import { Passport } from 'passport'
import { createClient } from 'redis'
import { ConfigurationError, MemoryTokenStore, type PagerDuty, pagerduty } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { type RunningApp, serve } from '../support/app'
import { Browser } from '../support/browser'
import { secret } from '../support/passport-app'
import { describeWithRedis, useRedis } from '../support/redis'

let simulator: Simulator
let app: RunningApp | undefined
const failures: Error[] = []

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())
beforeEach(() => failures.splice(0))
afterEach(async () => {
  await app?.close()
  app = undefined
})

type Mount = (express: Express, pd: PagerDuty) => void

const asDropIn: Mount = (express, pd) => void express.use(pd.auth())

const asParts: Mount = (express, pd) => {
  const passport = new Passport()
  passport.serializeUser((user, done) => done(null, user))
  passport.deserializeUser((user: Express.User, done) => done(null, user))
  passport.use(pd.strategy as never)
  express.use(passport.session(), pd.sessionTokens())
  express.get('/auth/pagerduty', passport.authenticate('pagerduty'))
  express.get('/auth/pagerduty/callback', passport.authenticate('pagerduty', { successRedirect: '/' }))
}

async function start(sessions: RequestHandler, mount: Mount): Promise<void> {
  app = await serve((express, url) => {
    const pd = pagerduty({
      ...simulator.options(),
      scope: 'incidents.read',
      callbackURL: `${url}/auth/pagerduty/callback`,
      tokenStore: new MemoryTokenStore(),
      secret,
      onError: (error, _req, _res, next) => next(error),
    })
    express.use(sessions)
    mount(express, pd)
    express.get('/', (req, res) => void res.json(req.pagerduty.user?.id ?? null))
    express.use((error: Error, _req: unknown, res: import('express').Response, _next: unknown) => {
      failures.push(error)
      res.status(500).json(error.message)
    })
  })
}

const withStore = (store: Store): RequestHandler =>
  session({ secret, resave: false, saveUninitialized: false, store })

const visit = (path: string, browser = new Browser()) => browser.visit(new URL(path, app?.url).href)

/** Who is logged in after a login. */
async function loggedIn(): Promise<unknown> {
  const browser = new Browser()
  const begun = await visit('/auth/pagerduty', browser)
  await visit(await approve(begun.headers.get('location') as string), browser)
  return (await visit('/', browser)).json()
}

describe.each([
  ['pd.auth()', asDropIn],
  ['the individual middleware', asParts],
])('%s', (_what, mount) => {
  test('rejects cookie-session at the first request, and says what to use', async () => {
    await start(cookieSession({ secret }), mount)
    expect((await visit('/')).status).toBe(500)
    const [failure] = failures as [ConfigurationError]
    expect(failure).toBeInstanceOf(ConfigurationError)
    expect(failure.message).toMatch(/^"session" must be made by express-session/)
    expect(failure.hint).toMatch(/Replace cookie-session.*by express-session/)
  })

  test('rejects it even if it has the methods that Passport requires', async () => {
    await start((req, res, next) => {
      cookieSession({ secret })(req, res, () => {
        const call = (callback: () => void) => callback()
        for (const method of ['regenerate', 'save'])
          Object.defineProperty(req.session, method, { value: call, enumerable: false })
        next()
      })
    }, mount)
    await visit('/')
    expect(failures.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^"session" must be made by express-session/),
    ])
  })
})

describeWithRedis('a store of connect-redis', () => {
  const redis = useRedis()

  test.each([
    ['pd.auth()', asDropIn],
    ['the individual middleware', asParts],
  ])('10 with a client of ioredis is rejected by %s at the first request', async (_what, mount) => {
    await start(withStore(new RedisStore10({ client: redis.client })), mount)
    for (const path of ['/', '/auth/pagerduty']) expect((await visit(path)).status).toBe(500)
    expect(failures).toHaveLength(2)
    for (const failure of failures as ConfigurationError[]) {
      expect(failure.message).toMatch(
        /^"store" of express-session is connect-redis 9 or newer with a client of ioredis/,
      )
      expect(failure.hint).toMatch(/node-redis.*connect-redis 8/)
    }
  })

  test('10 with a client of node-redis works', async () => {
    const client = createClient({ url: redis.url })
    await client.connect()
    await start(withStore(new RedisStore10({ client })), asParts)
    expect(await loggedIn()).toBe('PACME01')
    await client.close()
  })

  test('8 with a client of ioredis works', async () => {
    await start(withStore(new RedisStore8({ client: redis.client })), asParts)
    expect(await loggedIn()).toBe('PACME01')
  })

  test('10 with a client of ioredis that gives no lifetime works, and is not rejected', async () => {
    await start(withStore(new RedisStore10({ client: redis.client, disableTTL: true })), asParts)
    expect(await loggedIn()).toBe('PACME01')
  })

  test('of the old kind, with callbacks and the client as it is, works', async () => {
    class RedisStore extends session.Store {
      readonly client = redis.client
      override get(id: string, callback: (error: unknown, found?: session.SessionData | null) => void): void {
        this.client
          .get(id)
          .then((value) => callback(null, value === null ? null : (JSON.parse(value) as never)), callback)
      }
      override set(
        id: string,
        data: session.SessionData,
        callback: (error?: unknown) => void = () => {},
      ): void {
        this.client.set(id, JSON.stringify(data), 'EX', 60).then(() => callback(), callback)
      }
      override destroy(id: string, callback: (error?: unknown) => void = () => {}): void {
        this.client.del(id).then(() => callback(), callback)
      }
    }
    await start(withStore(new RedisStore()), asParts)
    expect(await loggedIn()).toBe('PACME01')
  })
})
