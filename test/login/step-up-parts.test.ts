import session from 'express-session'
import type { Express, Response as Response_ } from 'express'
import { Passport } from 'passport'
import {
  MemoryTokenStore,
  PagerDutyStrategy,
  requireScopes,
  scopes,
  sessionTokens,
  type StrategyOptions,
} from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { type RunningApp, serve } from '../support/app'
import { Browser } from '../support/browser'

const secret = 'a secret of thirty-two characters or more, for tests'

const passport = new Passport()

let simulator: Simulator
let app: RunningApp | undefined
let browser: Browser

beforeEach(async () => {
  simulator = await startPagerDuty()
  browser = new Browser()
})
afterEach(async () => {
  await app?.close()
  app = undefined
  await simulator.close()
})

const kept = {
  tokenStore: new MemoryTokenStore(),
  secret,
  callbackURL: 'https://app.example/auth/pagerduty/callback',
}

/** The routes that an app with Passport has. */
function addRoutes(express: Express, url: string, route: object = {}): void {
  const client: StrategyOptions = {
    ...simulator.options(),
    scope: ['incidents.read', 'users.read'],
    ...kept,
    callbackURL: `${url}/auth/pagerduty/callback`,
  }
  const strategy = new PagerDutyStrategy(client)
  passport.use(strategy as never)
  express.use(sessionTokens({ ...client, strategy }))
  express.get('/auth/pagerduty', passport.authenticate('pagerduty', route))
  express.get(
    '/auth/pagerduty/callback',
    passport.authenticate('pagerduty', { successReturnToOrRedirect: '/', failureRedirect: '/login' }),
  )
  express.get('/services', requireScopes('services.read'), (_req, res) => void res.json('through'))
  express.get('/granted', (req, res) => void res.json(req.pagerduty.grantedScopes))
}

async function start(make: (express: Express, url: string) => void): Promise<void> {
  app = await serve((express, url) => {
    passport.serializeUser((user, done) => done(null, user))
    passport.deserializeUser((user: Express.User, done) => done(null, user))
    express.use(session({ secret, resave: false, saveUninitialized: false }), passport.session())
    express.get('/cart', (req, res) => {
      Object.assign(req.session, { cart: 'apple' })
      res.json('noted')
    })
    express.get('/see', (req, res) => {
      res.json({ cart: (req.session as unknown as { cart?: string }).cart ?? null, user: req.user ?? null })
    })
    make(express, url)
  })
}

const visit = (path: string, visitor = browser) => visitor.visit(new URL(path, app?.url).href)
const read = async (path: string): Promise<unknown> => (await visit(path)).json()

/** Begins a login or step-up on a path and lets the user decide; returns the response to the callback. */
async function consent(path: string, decision: 'allow' | 'deny' = 'allow'): Promise<Response> {
  let answer = await visit(path)
  for (let hop = 0; hop < 3; hop++) {
    const location = answer.headers.get('location') as string
    if (location.startsWith(simulator.url)) return visit(await approve(location, { decision }))
    answer = await visit(location)
  }
  throw new Error('PagerDuty was not asked')
}

describe('step-up, in an app with Passport and express-session of its own', () => {
  test('comes back to where it began, with the data of the session, and logged in at Passport too', async () => {
    await start(addRoutes)
    await consent('/auth/pagerduty')
    await visit('/cart')
    const old = browser.copy()
    expect((await consent('/services')).headers.get('location')).toBe('/services')
    expect((await visit('/services')).status).toBe(200)
    expect(await read('/see')).toMatchObject({ cart: 'apple', user: { id: 'PACME01' } })
    expect(browser.cookies.get('connect.sid')).not.toBe(old.cookies.get('connect.sid'))
    expect(await (await visit('/see', old)).json()).toEqual({ cart: null, user: null })
  })

  test('leaves everything unchanged if it is denied', async () => {
    await start(addRoutes)
    await consent('/auth/pagerduty')
    await visit('/cart')
    const denied = await consent('/services', 'deny')
    expect(denied.headers.get('location')).toBe('/services')
    expect((await visit('/services')).status).toBe(403)
    expect(await read('/see')).toMatchObject({ cart: 'apple', user: { id: 'PACME01' } })
  })

  test('requests what is missing where the login route names its own scope', async () => {
    await start((express, url) => addRoutes(express, url, { scope: ['incidents.read'] }))
    await consent('/auth/pagerduty')
    expect(await read('/granted')).toEqual(['openid', 'incidents.read'])
    simulator.settings.autoApprove = 'PACME01'
    const answer = await browser.follow(`${app?.url}/services`)
    expect([answer.status, browser.trail.length]).toEqual([200, 4])
    expect(await read('/granted')).toEqual(['openid', 'incidents.read', 'services.read'])
  })

  test('clicked twice is one consent', async () => {
    await start(addRoutes)
    await consent('/auth/pagerduty')
    await visit('/cart')
    const login = await visit((await visit('/services')).headers.get('location') as string)
    const asked = login.headers.get('location') as string
    const callbacks = [await approve(asked), await approve(asked)] as const
    const other = browser.copy()
    await Promise.all([visit(callbacks[0]), visit(callbacks[1], other)])
    for (const visitor of [browser, other]) {
      expect((await visit('/services', visitor)).status).toBe(200)
      expect(await (await visit('/see', visitor)).json()).toMatchObject({ cart: 'apple' })
    }
    expect(simulator.calls.token.authorization_code).toBe(2)
  })

  test('requests all of PagerDuty’s scopes at once, however long returnTo is', async () => {
    const every = Object.keys(scopes)
    const returnTo = `/see?${'x'.repeat(390)}`
    simulator.configure('simulator-client', { scope: every })
    await start((express, url) => {
      addRoutes(express, url)
      express.get('/ask', (req) => req.pagerduty.login({ scope: every, returnTo }))
    })
    await consent('/auth/pagerduty')
    expect((await consent('/ask')).headers.get('location')).toBe(returnTo)
    expect(new Set((await read('/granted')) as string[])).toEqual(new Set(['openid', ...every]))
  })

  test('by login({ scope, returnTo }) is what a button needs; without the strategy it says what is missing', async () => {
    await start((express, url) => {
      addRoutes(express, url)
      express.get('/ask', (req) => req.pagerduty.login({ scope: 'oncalls.read', returnTo: '/see?asked' }))
    })
    await consent('/auth/pagerduty')
    expect((await consent('/ask')).headers.get('location')).toBe('/see?asked')
    expect(await read('/granted')).toEqual(['openid', 'incidents.read', 'users.read', 'oncalls.read'])
    await app?.close()
    await start((express) => {
      express.use(sessionTokens({ ...simulator.options(), ...kept, scope: 'users.read' }))
      express.get('/ask', (req) => req.pagerduty.login())
      express.use((error: Error, _req: unknown, res: Response_, _next: unknown) => {
        res.status(500).json(error.message)
      })
    })
    expect(await read('/ask')).toMatch(/"strategy" is needed by login\(\)/)
  })
})
