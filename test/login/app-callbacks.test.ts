import type { Request, Response as ServerResponse } from 'express'
import session from 'express-session'
import { PagerDutyStrategy, requireLogin, sessionTokens } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { type RunningApp, serve } from '../support/app'
import { Browser } from '../support/browser'
import { optionsAt, passportWith, secret } from '../support/passport-app'

let simulator: Simulator
let app: RunningApp
let browser: Browser
/** What the app does with a user whom PagerDuty has let in. */
let decide: (req: Request, res: ServerResponse, user: Express.User) => void

type Way = [how: string, decide: typeof decide]

beforeAll(async () => {
  simulator = await startPagerDuty()
  app = await serve((express, url) => {
    const client = { ...optionsAt(url, simulator), callbackURL: `${url}/callback` }
    const strategy = new PagerDutyStrategy(client)
    const passport = passportWith(strategy)
    express.use(session({ secret, resave: false, saveUninitialized: false }))
    express.use(passport.session(), sessionTokens({ ...client, strategy }))
    express.get('/login', passport.authenticate('pagerduty'))
    express.get('/callback', (req, res, next) => {
      const decided = (error: unknown, user?: Express.User | false | null) => {
        if (error || !user) return next(error ?? new Error('nobody'))
        decide(req, res, user)
      }
      ;(passport.authenticate('pagerduty', decided) as (...args: unknown[]) => void)(req, res, next)
    })
    express.get('/incidents', requireLogin({ loginPath: '/login' }), (req, res) => {
      res.json({ user: req.user !== undefined, pagerduty: req.pagerduty.user?.id })
    })
    express.get('/me', (req, res) => {
      res.json({ user: req.user !== undefined, pagerduty: req.pagerduty.user?.id ?? null })
    })
  })
})
beforeEach(() => (browser = new Browser()))
afterAll(async () => {
  await app.close()
  await simulator.close()
})

async function logIn(): Promise<Response> {
  const begun = await browser.visit(`${app.url}/login`)
  return browser.visit(await approve(begun.headers.get('location') as string, { user: 'PACME01' }))
}

async function see(path: string): Promise<unknown> {
  const response = await browser.fetch(app.url + path)
  return response.status === 200 ? response.json() : response.status
}

const loggedIn = { user: true, pagerduty: 'PACME01' }
const home = (res: ServerResponse) => (error?: unknown) => {
  if (error) res.status(500).json(String(error))
  else res.redirect('/incidents')
}

describe('a user whom a callback of the app rejects is logged in by nothing:', () => {
  test('neither where it gives the browser another session,', async () => {
    decide = (req, res) => req.session.regenerate(() => req.session.save(() => res.status(403).json('no')))
    expect((await logIn()).status).toBe(403)
    expect(await see('/incidents')).toBe(401)
    expect(await see('/me')).toEqual({ user: false, pagerduty: null })
  })

  test('nor where it ends the session', async () => {
    decide = (req, res) => req.session.destroy(() => res.status(403).json('no'))
    expect((await logIn()).status).toBe(403)
    expect(await see('/incidents')).toBe(401)
  })

  test('nor where a user was already logged in, who is then logged out', async () => {
    decide = (req, res, user) => req.login(user, home(res))
    await logIn()
    decide = (req, res) => req.session.regenerate(() => req.session.save(() => res.status(403).json('no')))
    expect((await logIn()).status).toBe(403)
    expect(await see('/me')).toEqual({ user: false, pagerduty: null })
  })
})

describe('a user whom a callback of the app logs in has the grant in the session:', () => {
  const ways: Way[] = [
    ['at once', (req, res, user) => req.login(user, home(res))],
    ['by the other name of the method', (req, res, user) => req.logIn(user, home(res))],
    [
      'in a session that it has just made',
      (req, res, user) => req.session.regenerate(() => req.login(user, home(res))),
    ],
    ['after a logout', (req, res, user) => req.logout(() => req.login(user, home(res)))],
    ['twice', (req, res, user) => req.login(user, () => req.login(user, home(res)))],
  ]

  test.each(ways)('%s', async (_how, way) => {
    decide = way
    expect((await logIn()).headers.get('location')).toBe('/incidents')
    expect(await see('/incidents')).toEqual(loggedIn)
  })

  const [atOnce, byOtherName, regenerating, loggingOut, twice] = ways as [Way, Way, Way, Way, Way]

  test.each([atOnce, byOtherName, twice])(
    '%s, also where the browser was logged in before',
    async (_how, way) => {
      decide = atOnce[1]
      await logIn()
      decide = way
      expect((await logIn()).headers.get('location')).toBe('/incidents')
      expect(await see('/incidents')).toEqual(loggedIn)
    },
  )

  // A logout ends what the browser has under way: this login as well.
  test.each([regenerating, loggingOut])(
    '%s, with the next login where that ended the one before',
    async (_how, way) => {
      decide = atOnce[1]
      await logIn()
      decide = way
      await logIn()
      expect(await see('/me')).toEqual({ user: false, pagerduty: null })
      await logIn()
      expect(await see('/incidents')).toEqual(loggedIn)
    },
  )
})
