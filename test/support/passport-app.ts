import type { Express, Request, Response } from 'express'
import session from 'express-session'
import { Passport } from 'passport'
import {
  type PagerDuty,
  type PagerDutyOptions,
  type PagerDutyStrategy,
  MemoryTokenStore,
  pagerduty,
} from '../../src'
import { type Simulator, approve } from '../../src/testing'
import { type RunningApp, serve } from './app'
import { Browser } from './browser'

/** An app with Passport and express-session of its own, with PagerDuty's login beside a local one. */
export interface PassportApp extends RunningApp {
  pd: PagerDuty
  /** Where the app keeps its sessions. */
  sessions: session.Store
  /** The callback adds PagerDuty for all users, and not only for local ones. */
  links: boolean
  /** A request of a script. */
  get(browser: Browser, path?: string): Promise<Response_>
  post(browser: Browser, path: string): Promise<Response_>
  /** What the app knows of a browser. */
  see(browser: Browser): Promise<Seen>
  /** The callback URL of a login that began at a path, once PagerDuty's user has allowed it. */
  approved(browser: Browser, path?: string, user?: string): Promise<string>
  /** Logs in with PagerDuty, or adds PagerDuty to a login, by the path where that begins. */
  consent(browser: Browser, path?: string, user?: string): Promise<Response_>
}

type Response_ = globalThis.Response

/** Who is logged in, as Passport and as this package have it. */
export interface Seen {
  user: unknown
  isAuthenticated: boolean
  pagerduty: string | null
  grantID?: string
  sessionID: string
  session: Record<string, unknown>
}

/** What differs between these apps. */
export interface PassportSetup {
  options?: PagerDutyOptions
  session?: Partial<session.SessionOptions>
  /** Whether `sessionTokens()` is mounted before `passport.session()`. */
  isFirst?: boolean
  more?: (express: Express, pd: PagerDuty) => void
}

export const secret = 'a secret of thirty-two characters or more, for tests'

/** What an app at a URL gives to each part, where a test does not say otherwise. */
export function optionsAt(url: string, simulator: Simulator) {
  return {
    ...simulator.options(),
    scope: 'incidents.read',
    callbackURL: `${url}/auth/pagerduty/callback`,
    tokenStore: new MemoryTokenStore(),
    secret,
  }
}

/** Passport with this strategy, which keeps users in the session as they are. */
export function passportWith(strategy: PagerDutyStrategy): InstanceType<typeof Passport> {
  const passport = new Passport()
  passport.serializeUser((user, done) => done(null, user))
  passport.deserializeUser((user: Express.User, done) => done(null, user))
  passport.use(strategy as never)
  return passport
}

/** Starts one. `GET /local/:id` logs in without PagerDuty; for such a user the callback adds PagerDuty. */
export async function startPassportApp(
  simulator: Simulator,
  { options, session: own, isFirst, more }: PassportSetup = {},
): Promise<PassportApp> {
  let pd: PagerDuty | undefined
  const sessions = own?.store ?? new session.MemoryStore()
  const passportApp = { sessions, links: false } as PassportApp
  const app = await serve((express, url) => {
    const made = pagerduty({ ...optionsAt(url, simulator), ...options })
    pd = made
    const passport = passportWith(made.strategy)
    express.use(session({ secret, resave: false, saveUninitialized: false, store: sessions, ...own }))
    const both = [passport.session(), made.sessionTokens()]
    express.use(...(isFirst === true ? both.toReversed() : both))
    express.get('/local/:id', (req, res, next) =>
      req.logIn({ id: req.params.id } as Express.User, (error) => (error ? next(error) : res.json('in'))),
    )
    express.get('/auth/pagerduty', passport.authenticate('pagerduty'))
    const finish = passport.authenticate('pagerduty', {
      successReturnToOrRedirect: '/',
      failureRedirect: '/refused',
    })
    const link = passport.authorize('pagerduty', { failureRedirect: '/refused' })
    express.get('/auth/pagerduty/callback', (req, res, next) => {
      const isLocal = (req.user as { id: string } | undefined)?.id.startsWith('local')
      return void (isLocal || passportApp.links ? link : finish)(req, res, next)
    })
    express.get('/auth/pagerduty/callback', linked)
    express.get('/', (req, res) => void res.json(seen(req)))
    express.get('/incidents', made.requireScopes('incidents.read'), async (req, res) => {
      const answer = await req.pagerduty.fetch('/incidents')
      res.status(answer.status).json(seen(req))
    })
    express.get('/services', made.requireScopes('services.read'), (req, res) => void res.json(seen(req)))
    express.get('/put/:value', (req, res) => {
      Object.assign(req.session, { cart: req.params.value })
      res.json('put')
    })
    express.post('/unlink', async (req, res) => {
      await req.pagerduty.logout()
      res.json(seen(req))
    })
    express.post('/logout', (req, res, next) =>
      req.logout((error) => (error ? next(error) : res.json(seen(req)))),
    )
    express.post('/destroy', (req, res) => req.session.destroy(() => res.json('ended')))
    more?.(express, made)
    express.use(made.errors())
  })
  const running: Omit<PassportApp, 'sessions' | 'links'> = {
    ...app,
    pd: pd as unknown as PagerDuty,
    get: (browser, path = '/incidents') => browser.fetch(app.url + path),
    post: (browser, path) => browser.fetch(app.url + path, { method: 'POST' }),
    see: async (browser) => (await browser.fetch(app.url)).json() as Promise<Seen>,
    async approved(browser, path = '/auth/pagerduty', user = 'PACME01') {
      let url = app.url + path
      for (let hop = 0; hop < 3 && url.startsWith(app.url); hop++) {
        const answer = await browser.visit(url)
        url = new URL(answer.headers.get('location') as string, url).href
      }
      return approve(url, { user })
    },
    consent: async (browser, path, user) => browser.visit(await passportApp.approved(browser, path, user)),
    async close() {
      await passportApp.pd.close()
      await app.close()
    },
  }
  return Object.assign(passportApp, running)
}

/** What an app does after `passport.authorize`. */
function linked(req: Request, res: Response): void {
  const { account, authInfo } = req as { account?: unknown; authInfo?: { returnTo?: string } }
  if (authInfo?.returnTo !== undefined) return res.redirect(authInfo.returnTo)
  res.json({ ...seen(req), account: account ?? null })
}

function seen(req: Request): Seen {
  const { cookie: _cookie, ...data } = { ...req.session } as Record<string, unknown>
  const { grantID } = req.pagerduty
  return {
    user: req.user ?? null,
    isAuthenticated: req.isAuthenticated(),
    pagerduty: req.pagerduty.user?.id ?? null,
    ...(grantID !== undefined && { grantID }),
    sessionID: req.sessionID,
    session: data,
  }
}
