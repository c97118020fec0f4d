import { once } from 'node:events'
import type { Express, Request, Response as ServerResponse } from 'express'
import session from 'express-session'
import { Passport } from 'passport'
import {
  type PagerDuty,
  type PagerDutyOptions,
  TokenStoreError,
  type VerifyLogin,
  pagerduty,
  requireLogin,
} from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { type RunningApp, serve } from '../support/app'
import { Browser } from '../support/browser'
import { WatchedStore } from '../support/watched-store'

// An unhandled rejection fails a test, as it would end a process.

const secret = 'a secret of thirty-two characters or more, for tests'
const owner = { accountID: 'PACME00', userID: 'PACME01' }

let simulator: Simulator
let app: RunningApp
let pd: PagerDuty
let store: WatchedStore
/** Where the Passport app keeps its sessions. */
let sessions: session.MemoryStore
/** Responds to the request that arrived last, as a request timeout in the app would. */
let answerNow: () => void
const handedToExpress = jest.fn()
const handled = jest.fn()

beforeAll(async () => {
  simulator = await startPagerDuty()
})
beforeEach(() => {
  simulator.revokeAll()
  store = new WatchedStore()
})
afterEach(async () => {
  jest.restoreAllMocks()
  jest.clearAllMocks()
  delete simulator.settings.tokenFault
  simulator.settings.accessTokenLifetime = undefined
  await pd.close()
  await app.close()
})
afterAll(() => simulator.close())

async function start(mount: (express: Express) => void, options: PagerDutyOptions = {}): Promise<void> {
  app = await serve((express, url) => {
    pd = pagerduty({
      ...simulator.options(),
      callbackURL: `${url}/auth/pagerduty/callback`,
      scope: 'incidents.read',
      tokenStore: store,
      secret,
      ...options,
    })
    express.use((_req, res, next) => {
      answerNow = () => void res.status(503).end('timeout')
      next()
    })
    mount(express)
    express.get('/', (req, res) => void res.json(req.user ?? null))
    express.get('/guarded', pd.requireLogin(), (_req, res) => {
      handled()
      if (!res.headersSent) res.json('through')
    })
    express.use((error: unknown, _req: Request, res: ServerResponse, _next: unknown) => {
      handedToExpress(error)
      if (!res.headersSent) res.status(500).end()
    })
  })
}

const dropIn = (express: Express) => void express.use(pd.auth())

/** The individual middleware in a Passport app. */
function parts(express: Express): void {
  const passport = new Passport()
  passport.serializeUser((user, done) => done(null, user))
  passport.deserializeUser((user: Express.User, done) => done(null, user))
  passport.use(pd.strategy as never)
  sessions = new session.MemoryStore()
  express.use(
    session({ secret, resave: false, saveUninitialized: false, store: sessions }),
    passport.session(),
  )
  express.use(pd.sessionTokens())
  express.get('/auth/pagerduty', passport.authenticate('pagerduty'))
  express.get('/auth/pagerduty/callback', passport.authenticate('pagerduty', { successRedirect: '/' }))
}

/** A login up to its callback. */
async function begin(browser = new Browser()): Promise<{ browser: Browser; callback: string }> {
  const begun = await browser.visit(`${app.url}/auth/pagerduty`)
  return { browser, callback: await approve(begun.headers.get('location') as string, { user: 'PACME01' }) }
}

async function logIn(): Promise<Browser> {
  const { browser, callback } = await begin()
  await browser.visit(callback)
  await browser.visit(app.url)
  return browser
}

/** The next event, with its detail. */
async function next(name: 'loginFailed' | 'warning'): Promise<{ error: Error }> {
  const [detail] = (await once(pd.strategy._login.grants.events, name)) as [{ error: Error }]
  return detail
}

/** Nothing is left of a login: not in the browser, not in the store, and not at PagerDuty. */
async function expectNoLogin(browser: Browser): Promise<void> {
  expect(await (await browser.visit(app.url)).json()).toBeNull()
  expect(await pd.grants.list(owner)).toEqual([])
  await pd.close()
  expect(simulator.liveGrants()).toEqual([])
  expect(handedToExpress).not.toHaveBeenCalled()
}

describe.each([
  ['an app with pd.auth()', dropIn],
  ['a Passport app', parts],
])('in %s, a callback makes no login', (_what, mount) => {
  test('when the response was sent while PagerDuty took its time', async () => {
    await start(mount)
    const { browser, callback } = await begin()
    simulator.settings.tokenFault = () => (answerNow(), undefined)
    const failed = next('loginFailed')
    expect((await browser.visit(callback)).status).toBe(503)
    expect(await failed).toMatchObject({ error: { code: 'ERR_PAGERDUTY_RESPONSE_SENT' } })
    await expectNoLogin(browser)
  })

  test('when verify sends the response and returns a user', async () => {
    const verify: VerifyLogin = ({ user }, req) => {
      req.res?.redirect('/not-for-you')
      return user
    }
    await start(mount, { verify })
    const { browser, callback } = await begin()
    const failed = next('loginFailed')
    expect((await browser.visit(callback)).headers.get('location')).toBe('/not-for-you')
    expect(await failed).toMatchObject({ error: { code: 'ERR_PAGERDUTY_RESPONSE_SENT' } })
    await expectNoLogin(browser)
  })

  test.each([
    ['its grant is created', /^create grant:/],
    ['its grant is listed', /^(create|replace) user:/],
    ['it is settled', /^replace login:/],
  ])('when the response was sent while %s', async (_when, command) => {
    await start(mount)
    const login = jest.fn()
    pd.on('login', login)
    const { browser, callback } = await begin()
    let isSent = false
    store.fault = (sent) => {
      if (!isSent && command.test(sent)) answerNow()
      isSent ||= command.test(sent)
    }
    const failed = next('loginFailed')
    expect((await browser.visit(callback)).status).toBe(503)
    expect(await failed).toMatchObject({ error: { code: 'ERR_PAGERDUTY_RESPONSE_SENT' } })
    expect(login).not.toHaveBeenCalled()
    await expectNoLogin(browser)
  })

  test('when PagerDuty rejects the code after the response was sent', async () => {
    await start(mount)
    const { browser, callback } = await begin()
    simulator.settings.tokenFault = () => {
      answerNow()
      return 'invalid_grant'
    }
    const failed = next('loginFailed')
    const answer = await browser.visit(callback)
    expect([answer.status, await answer.text()]).toEqual([503, 'timeout'])
    expect(await failed).toMatchObject({ error: { code: 'invalid_grant' } })
    await expectNoLogin(browser)
  })
})

/** A browser that has a session, in whose place a login puts another one. */
async function visitorOfDropIn(): Promise<Browser> {
  await start((express) => {
    dropIn(express)
    express.get('/cart', (req, res) => {
      Object.assign((req as unknown as { session: object }).session, { cart: 'apple' })
      res.json('noted')
    })
  })
  const visitor = new Browser()
  await visitor.visit(`${app.url}/cart`)
  return visitor
}

test('a login whose session cookie went out with a response that the app sent stays', async () => {
  const { browser, callback } = await begin(await visitorOfDropIn())
  store.fault = (command) => void (command.startsWith('create sess:') && answerNow())
  const answer = await browser.visit(callback)
  expect([answer.status, await answer.text()]).toEqual([503, 'timeout'])
  expect(await (await browser.visit(app.url)).json()).toMatchObject({ id: 'PACME01' })
  expect(handedToExpress).not.toHaveBeenCalled()
})

test('a response that is sent while the old session is replaced ends the login, and is a warning', async () => {
  const { browser, callback } = await begin(await visitorOfDropIn())
  store.fault = (command) => void (command.startsWith('delete sess:') && answerNow())
  const warned = next('warning')
  expect((await browser.visit(callback)).status).toBe(503)
  expect(await warned).toMatchObject({ error: { code: 'ERR_PAGERDUTY_RESPONSE_SENT' } })
  await expectNoLogin(browser)
})

test('a session that cannot be stored after the response was sent is a warning', async () => {
  const { browser, callback } = await begin(await visitorOfDropIn())
  store.fault = (command) => {
    if (!command.startsWith('create sess:')) return undefined
    answerNow()
    return new TokenStoreError('The store is down')
  }
  const warned = next('warning')
  expect((await browser.visit(callback)).status).toBe(503)
  expect(await warned).toMatchObject({ error: { code: 'ERR_PAGERDUTY_TOKEN_STORE' } })
  store.fault = undefined
  expect(await (await browser.visit(app.url)).json()).toBeNull()
})

describe('in a Passport app, a response that is sent while the session is stored', () => {
  /** The next session is stored only after the response was sent. */
  function storeLate(): void {
    const set = sessions.set.bind(sessions)
    jest.spyOn(sessions, 'set').mockImplementationOnce((...late) => {
      answerNow()
      setImmediate(() => set(...late))
    })
  }

  async function expectFailed(browser: Browser, callback: string): Promise<void> {
    storeLate()
    const failed = next('loginFailed')
    const answer = await browser.visit(callback)
    expect([answer.status, await answer.text()]).toEqual([503, 'timeout'])
    expect(await failed).toMatchObject({ error: { code: 'ERR_PAGERDUTY_RESPONSE_SENT' } })
    expect(await (await browser.visit(app.url)).json()).toBeNull()
    expect(handedToExpress.mock.calls).toMatchObject([[{ code: 'ERR_PAGERDUTY_RESPONSE_SENT' }]])
  }

  test.each([
    ['a login', false],
    ['another login of a logged-in user', true],
  ])('ends %s, and is an error for Express', async (_what, isAgain) => {
    await start(parts)
    const { browser, callback } = await begin(isAgain ? await logIn() : undefined)
    await expectFailed(browser, callback)
    expect(await pd.grants.list(owner)).toEqual([])
    await pd.close()
    expect(simulator.liveGrants()).toEqual([])
  })

  test('leaves a grant that is kept, and its tokens', async () => {
    await start(parts)
    const { browser, callback } = await begin(await logIn())
    const [kept] = await pd.grants.list(owner)
    await pd.grants.keep(kept?.grantID as string)
    await expectFailed(browser, callback)
    expect((await pd.grants.list(owner)).map(({ grantID }) => grantID)).toEqual([kept?.grantID])
    await pd.close()
    expect(simulator.liveGrants()).not.toEqual([])
  })

  test('leaves the login of the first click where it is that of the second one', async () => {
    await start(parts)
    const { browser, callback } = await begin()
    const second = browser.copy()
    await browser.visit(callback)
    await expectFailed(second, callback)
    expect(await (await browser.visit(app.url)).json()).toMatchObject({ id: 'PACME01' })
  })
})

const ownPage = { method: 'POST', headers: { 'Sec-Fetch-Site': 'same-origin' } }

test('a logout goes through when its response was sent meanwhile', async () => {
  await start(dropIn)
  const browser = await logIn()
  store.fault = (command) => void (command.startsWith('delete grant:') && answerNow())
  const answer = await browser.fetch(`${app.url}/auth/pagerduty/logout`, ownPage)
  expect([answer.status, await answer.text()]).toEqual([503, 'timeout'])
  await expectNoLogin(browser)
})

test('a logout that fails after its response was sent is a warning', async () => {
  await start(dropIn)
  const browser = await logIn()
  store.fault = (command) => {
    if (!command.startsWith('delete grant:')) return undefined
    answerNow()
    return new TokenStoreError('The store is down')
  }
  const warned = next('warning')
  expect((await browser.fetch(`${app.url}/auth/pagerduty/logout`, ownPage)).status).toBe(503)
  expect(await warned).toMatchObject({ error: { message: 'The store is down' } })
  expect(handedToExpress).not.toHaveBeenCalled()
})

describe('behind a guard that waits for a refresh,', () => {
  /** A browser whose access token has just ended. */
  async function expired(): Promise<Browser> {
    simulator.settings.accessTokenLifetime = 60
    await start(dropIn)
    const browser = await logIn()
    const now = Date.now
    jest.spyOn(Date, 'now').mockImplementation(() => now() + 120_000)
    return browser
  }

  test('no handler runs once the response was sent', async () => {
    const browser = await expired()
    const refreshed = once(pd.strategy._login.grants.events, 'refresh')
    simulator.settings.tokenFault = () => (answerNow(), undefined)
    expect((await browser.fetch(`${app.url}/guarded`)).status).toBe(503)
    await refreshed
    simulator.settings.tokenFault = undefined
    expect((await browser.fetch(`${app.url}/guarded`)).status).toBe(200)
    expect(handled).toHaveBeenCalledTimes(1)
  })

  test('no denial follows a response that was sent', async () => {
    const browser = await expired()
    const denied = jest.fn()
    pd.on('denied', denied)
    simulator.settings.tokenFault = () => {
      answerNow()
      return '500'
    }
    const failed = once(pd.strategy._login.grants.events, 'refreshFailed')
    const answer = await browser.fetch(`${app.url}/guarded`)
    expect([answer.status, await answer.text()]).toEqual([503, 'timeout'])
    await failed
    simulator.settings.tokenFault = undefined
    await browser.visit(app.url)
    expect(denied).not.toHaveBeenCalled()
    expect(handedToExpress).not.toHaveBeenCalled()
  })

  test('a handler runs for a request that got its response before the guard, as it does without a wait', async () => {
    simulator.settings.accessTokenLifetime = 60
    const worked = jest.fn()
    await start((express) => {
      dropIn(express)
      express.post(
        '/later',
        (_req, res, go) => {
          res.status(202).end()
          go()
        },
        requireLogin(),
        () => void worked(),
      )
    })
    const browser = await logIn()
    const now = Date.now
    jest.spyOn(Date, 'now').mockImplementation(() => now() + 120_000)
    const refreshed = once(pd.strategy._login.grants.events, 'refresh')
    expect((await browser.fetch(`${app.url}/later`, { method: 'POST' })).status).toBe(202)
    await refreshed
    await browser.visit(app.url)
    expect(worked).toHaveBeenCalledTimes(1)
  })
})
