import { RedisStore } from 'connect-redis'
import type { Express, Request } from 'express'
import session from 'express-session'
import { Passport } from 'passport'
import {
  type Login,
  MemoryTokenStore,
  PagerDutyStrategy,
  RedisTokenStore,
  type StrategyOptions,
  type TokenStore,
  type VerifyCallback,
  type VerifyDone,
  type VerifyLogin,
  pagerduty,
  requireScopes,
  sessionTokens,
} from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { type RunningApp, serve } from '../support/app'
import { Browser } from '../support/browser'
import { describeWithRedis, useRedis, watchCommands } from '../support/redis'

const secret = 'a secret of thirty-two characters or more, for tests'

let simulator: Simulator
let app: RunningApp | undefined

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())
beforeEach(() => simulator.resetCalls())
afterEach(() => app?.close())

type Setup = {
  verify?: VerifyLogin | VerifyCallback | undefined
  options?: Partial<StrategyOptions>
  tokenStore?: TokenStore
  store?: session.Store
  successOptions?: object
  Strategy?: typeof PagerDutyStrategy
  more?: (express: Express) => void
}

/** An app that had Passport and express-session before this package: the individual middleware, mounted by hand. */
async function start({ verify, options, tokenStore, store, successOptions, Strategy, more }: Setup = {}) {
  app = await serve((express, url) => {
    const client = {
      ...simulator.options(),
      scope: ['incidents.read'],
      callbackURL: `${url}/auth/pagerduty/callback`,
      tokenStore: tokenStore ?? new MemoryTokenStore(),
      secret,
      ...options,
    }
    const passport = new Passport()
    passport.serializeUser((user, done) => done(null, user))
    passport.deserializeUser((user: Express.User, done) => done(null, user))
    passport.use(new (Strategy ?? PagerDutyStrategy)(client, verify as VerifyLogin) as never)
    express.use(session({ secret, resave: false, saveUninitialized: false, ...(store ? { store } : {}) }))
    express.use(passport.session(), sessionTokens(client))
    express.get('/auth/pagerduty', passport.authenticate('pagerduty'))
    express.get(
      '/auth/pagerduty/callback',
      passport.authenticate('pagerduty', {
        successRedirect: '/',
        failureRedirect: '/login',
        ...successOptions,
      }),
    )
    express.get(
      '/',
      (req, res) => void res.json({ user: req.user ?? null, pagerduty: req.pagerduty.user ?? null }),
    )
    express.get(
      '/incidents',
      requireScopes('incidents.read'),
      (req, res) => void res.json(req.pagerduty.grantID),
    )
    express.post('/logout', (req, res, next) =>
      req.logout((error) => (error ? next(error) : res.json('bye'))),
    )
    express.post('/destroy', (req, res) => req.session.destroy(() => res.json('bye')))
    more?.(express)
  })
  return app
}

async function logIn(browser = new Browser(), user = 'PACME01', path = '/auth/pagerduty'): Promise<Response> {
  const { url } = app as RunningApp
  const begun = await browser.visit(url + path)
  return browser.visit(await approve(begun.headers.get('location') as string, { user }))
}

const at = (browser: Browser, path: string, method = 'GET') =>
  browser.fetch((app as RunningApp).url + path, { method })

describe('the individual middleware, in an app with its own Passport and express-session', () => {
  test('log in with passport.authenticate and successRedirect', async () => {
    await start()
    const browser = new Browser()
    const finished = await logIn(browser)
    expect(finished.headers.get('location')).toBe('/')
    expect(await (await at(browser, '/')).json()).toMatchObject({
      user: { id: 'PACME01' },
      pagerduty: { id: 'PACME01' },
    })
    expect((await at(browser, '/incidents')).status).toBe(200)
  })

  test('leave a Passport login of the code before as it is, which is no login for a guard', async () => {
    const before = { id: 'before' }
    await start({
      more: (express) =>
        void express.get('/before', (req, res, next) =>
          req.logIn(before, (error) => (error ? next(error) : res.end())),
        ),
    })
    const browser = new Browser()
    await at(browser, '/before')
    expect(await (await at(browser, '/')).json()).toEqual({ user: before, pagerduty: null })
    expect((await at(browser, '/incidents')).status).toBe(401)
  })

  test('take the session to another id at the login', async () => {
    await start({
      more: (express) =>
        void express.get('/visit', (req, res) => {
          Object.assign(req.session, { seen: true })
          res.json(req.sessionID)
        }),
    })
    const browser = new Browser()
    await at(browser, '/visit')
    const fixed = browser.copy()
    await logIn(browser)
    expect(browser.cookies.get('connect.sid')).not.toBe(fixed.cookies.get('connect.sid'))
    expect((await at(fixed, '/incidents')).status).toBe(401)
  })

  test.each(['/logout', '/destroy'])('end the grant when the app ends the session (%s)', async (path) => {
    const tokenStore = new MemoryTokenStore()
    await start({ tokenStore })
    const browser = new Browser()
    await logIn(browser)
    const old = browser.copy()
    const grantID = (await (await at(browser, '/incidents')).json()) as string
    expect(await tokenStore.get(`grant:${grantID}`)).toBeDefined()
    await at(browser, path, 'POST')
    expect(await tokenStore.get(`grant:${grantID}`)).toBeUndefined()
    expect((await at(old, '/incidents')).status).toBe(401)
  })

  test('keep who stays on a page of the callback for longer than a minute logged in', async () => {
    await start({
      successOptions: { successRedirect: undefined },
      more: (express) => express.get('/auth/pagerduty/callback', (_req, res) => void res.json('welcome')),
    })
    const browser = new Browser()
    expect(await (await logIn(browser)).json()).toBe('welcome')
    const now = performance.now()
    const clock = jest.spyOn(performance, 'now').mockReturnValue(now + 2 * 60_000)
    const { status } = await at(browser, '/incidents')
    clock.mockRestore()
    expect(status).toBe(200)
  })

  test('log out of Passport too with req.pagerduty.logout()', async () => {
    await start({
      more: (express) =>
        void express.post('/bye', async (req, res) => {
          await req.pagerduty.logout()
          res.json('bye')
        }),
    })
    const browser = new Browser()
    await logIn(browser)
    await at(browser, '/bye', 'POST')
    expect(await (await at(browser, '/')).json()).toEqual({ user: null, pagerduty: null })
  })

  test('send a denied login to failureRedirect', async () => {
    await start()
    const browser = new Browser()
    const begun = await browser.visit(`${app?.url}/auth/pagerduty`)
    const denied = await browser.visit(
      await approve(begun.headers.get('location') as string, { decision: 'deny' }),
    )
    expect(denied.headers.get('location')).toBe('/login')
  })

  test('send a browser that is logged in already on to successRedirect', async () => {
    await start()
    const browser = new Browser()
    const begun = await browser.visit(`${app?.url}/auth/pagerduty`)
    const callback = await approve(begun.headers.get('location') as string)
    await browser.visit(callback)
    expect((await browser.visit(callback)).headers.get('location')).toBe('/')
  })

  test('return to where the login was begun for, by successReturnToOrRedirect', async () => {
    await start({ successOptions: { successReturnToOrRedirect: '/home', successRedirect: undefined } })
    const finished = await logIn(new Browser(), 'PACME01', '/auth/pagerduty?returnTo=/incidents')
    expect(finished.headers.get('location')).toBe('/incidents')
    expect((await logIn()).headers.get('location')).toBe('/home')
  })

  describe('call verify', () => {
    const calls: unknown[][] = []
    beforeEach(() => calls.splice(0))
    const note = (args: unknown[]) => {
      calls.push(args.slice(0, -1))
      ;(args.at(-1) as (error: null, user: object) => void)(null, { app: 'user' })
    }
    const forms: [string, VerifyCallback, Partial<StrategyOptions>, boolean][] = [
      [
        '4 arguments',
        (a: unknown, b: unknown, c: unknown, done: VerifyDone) => note([a, b, c, done]),
        {},
        false,
      ],
      [
        '5 arguments',
        (a: unknown, b: unknown, c: unknown, d: unknown, done: VerifyDone) => note([a, b, c, d, done]),
        {},
        true,
      ],
      [
        '5 arguments with the request',
        (a: unknown, b: unknown, c: unknown, d: unknown, done: VerifyDone) => note([a, b, c, d, done]),
        { passReqToCallback: true },
        false,
      ],
      [
        '6 arguments with the request',
        (a: unknown, b: unknown, c: unknown, d: unknown, e: unknown, done: VerifyDone) =>
          note([a, b, c, d, e, done]),
        { passReqToCallback: true },
        true,
      ],
    ]

    test.each(forms)('with %s', async (_what, verify, options, takesParams) => {
      await start({ verify, options })
      const browser = new Browser()
      await logIn(browser)
      expect(await (await at(browser, '/')).json()).toMatchObject({ user: { app: 'user' } })
      const [args = []] = calls
      const params = { token_type: 'bearer', expires_in: 86400, scope: 'openid incidents.read' }
      const own = options.passReqToCallback ? args.slice(1) : args
      expect('originalUrl' in Object(args[0])).toBe(options.passReqToCallback ?? false)
      expect(own).toEqual([
        expect.stringMatching(/^pdus\+_0/),
        expect.stringMatching(/^pdus\+_1/),
        ...(takesParams ? [params] : []),
        expect.objectContaining({ provider: 'pagerduty', id: 'PACME01', accountID: 'PACME00' }),
      ])
    })

    test('as an async function of the login and the request', async () => {
      await start({
        verify: async ({ user, tokens }: Login, req: Request) => ({
          id: user.id,
          has: tokens.scope,
          path: req.path,
        }),
      })
      const browser = new Browser()
      await logIn(browser)
      expect(await (await at(browser, '/')).json()).toMatchObject({
        user: { id: 'PACME01', has: ['openid', 'incidents.read'], path: '/auth/pagerduty/callback' },
      })
    })

    test('and reject the users it rejects, whatever its form', async () => {
      for (const verify of [
        async () => false,
        (_a: unknown, _b: unknown, _c: unknown, done: VerifyDone) => done(null, false),
      ] as VerifyCallback[]) {
        await start({ verify })
        const browser = new Browser()
        expect((await logIn(browser)).headers.get('location')).toBe('/login')
        expect((await at(browser, '/incidents')).status).toBe(401)
        await app?.close()
      }
    })

    test('and hand its error to Express', async () => {
      await start({ verify: async () => Promise.reject(new Error('database down')) })
      expect((await logIn()).status).toBe(500)
    })

    test('but not one that no form fits', () => {
      const odd = (_a: string, _b: string, _c: string) => {}
      const client = {
        clientID: 'a',
        clientSecret: 'b',
        scope: 'users.read',
        callbackURL: 'https://app.example/cb',
      }
      expect(() => new PagerDutyStrategy(client, odd as never)).toThrow(
        /"verify" must have up to two parameters/,
      )
    })
  })

  test('keep the hooks of passport-oauth2', async () => {
    class Subclass extends PagerDutyStrategy {
      override authorizationParams() {
        return { prompt: 'login', state: 'mine', scope: 'admin', code_challenge: 'none' }
      }
      override tokenParams() {
        return { audience: 'me', grant_type: 'password', code_verifier: 'mine' }
      }
      override userProfile(accessToken: string, done: (error: unknown, profile?: object) => void) {
        done(null, { displayName: accessToken.slice(0, 4), id: 'MALLORY', accountID: 'HERS' })
      }
    }
    const bodies: URLSearchParams[] = []
    const spy: typeof fetch = (url, init) => {
      bodies.push(new URLSearchParams(String(init?.body)))
      return fetch(url, init)
    }
    await start({
      Strategy: Subclass,
      options: { fetch: spy },
      verify: (_a: unknown, _b: unknown, profile: object, done: VerifyDone) => done(null, profile),
    })
    const begun = new URL(
      (await new Browser().visit(`${app?.url}/auth/pagerduty`)).headers.get('location') as string,
    )
    expect(begun.searchParams.get('prompt')).toBe('login')
    expect(begun.searchParams.get('scope')).toBe('incidents.read')
    expect(begun.searchParams.get('state')).not.toBe('mine')
    expect(begun.searchParams.get('code_challenge')).not.toBe('none')
    const browser = new Browser()
    await logIn(browser)
    expect(bodies[0]?.get('audience')).toBe('me')
    expect(bodies[0]?.get('grant_type')).toBe('authorization_code')
    expect(await (await at(browser, '/')).json()).toMatchObject({
      user: { displayName: 'pdus', id: 'PACME01', accountID: expect.not.stringContaining('HERS') as unknown },
    })
  })

  test('say that sessionTokens needs the store of the strategy', () => {
    const client = {
      clientID: 'a',
      clientSecret: 'b',
      scope: 'users.read',
      callbackURL: 'https://app.example/cb',
    }
    expect(() => sessionTokens(client)).toThrow(/"tokenStore" is required/)
    expect(() => sessionTokens({ ...client, tokenStore: new MemoryTokenStore() })).toThrow(
      /"secret" is required/,
    )
  })
})

test('two instances, Scoped and Classic, live in one app and keep apart', async () => {
  const both = await startPagerDuty({
    clients: [
      { clientID: 'scoped', clientSecret: 'one', scope: ['incidents.read'] },
      { clientID: 'classic', clientSecret: 'two', appType: 'classic', scope: ['write'] },
    ],
  })
  const store = new MemoryTokenStore()
  app = await serve((express, url) => {
    const shared = { tokenStore: store, secret }
    const scoped = pagerduty({
      ...both.options('scoped'),
      ...shared,
      scope: 'incidents.read',
      callbackURL: `${url}/auth/pagerduty/callback`,
    })
    const classic = pagerduty({
      ...both.options('classic'),
      ...shared,
      name: 'classic',
      scope: 'write',
      callbackURL: `${url}/auth/classic/callback`,
    })
    express.use(scoped.auth())
    express.use(classic.auth())
    express.get('/scoped', scoped.requireScopes('incidents.read'), (_req, res) => void res.json('scoped'))
    express.get('/classic', classic.requireScopes('read'), (_req, res) => void res.json('classic'))
    express.use((error: Error, _req: Request, res: import('express').Response, _next: unknown) => {
      res.status(500).json(error.message)
    })
  })
  const browser = new Browser()
  await logIn(browser, 'PACME01')
  expect((await at(browser, '/scoped')).status).toBe(200)
  expect((await at(browser, '/classic')).status).toBe(401)

  const begun = await browser.visit(`${app.url}/auth/classic`)
  const callback = await approve(begun.headers.get('location') as string)
  const swapped = callback.replace('/auth/classic/', '/auth/pagerduty/')
  both.resetCalls()
  expect((await browser.copy().visit(swapped)).headers.get('location')).toBe('/') // Logged in there already: sent on.
  expect(both.calls.token.authorization_code).toBe(0)
  await browser.visit(callback)
  expect((await at(browser, '/classic')).status).toBe(200)
  await both.close()
})

describeWithRedis('the individual middleware over Redis', () => {
  const redis = useRedis()

  test('send one command more for a guarded request than the app did', async () => {
    const { client } = redis
    const sent: string[] = []
    watchCommands(client, (name = '') => sent.push(name))
    await start({ tokenStore: new RedisTokenStore(client), store: new RedisStore({ client }) })
    const browser = new Browser()
    await logIn(browser)
    await at(browser, '/incidents')
    sent.length = 0
    const send = client.sendCommand.bind(client)
    // The app's own session store.
    client.sendCommand = (command, stream) => {
      sent.push(command.name)
      return send(command, stream)
    }
    await at(browser, '/incidents')
    expect(sent.toSorted()).toEqual(['expire', 'get', 'get'])
  })
})
