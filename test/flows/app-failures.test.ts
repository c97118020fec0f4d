import { once } from 'node:events'
import type { Request, Response as ServerResponse } from 'express'
import {
  type Logger,
  type OnError,
  type PagerDutyOptions,
  TokenStoreError,
  type VerifyLogin,
} from '../../src'
import { type Simulator, sendWebhook, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

// What the app's own functions throw or reject with. An unhandled rejection fails a test, as it would end a process.

const webhookSecret = 'lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itB'

let simulator: Simulator
let app: DropIn
let warned: jest.SpyInstance
const handedToExpress = jest.fn()
const handled = jest.fn()

beforeAll(async () => {
  simulator = await startPagerDuty()
})
beforeEach(() => {
  warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
})
afterEach(async () => {
  await app.close()
  jest.restoreAllMocks()
  jest.clearAllMocks()
  simulator.settings.accessTokenLifetime = undefined
})
afterAll(() => simulator.close())

async function start(options: PagerDutyOptions = {}): Promise<void> {
  app = await startDropIn(simulator, { webhookSecret, ...options }, (express, pd) => {
    express.get('/guarded', pd.requireScopes('services.read'), (_req, res) => {
      handled()
      res.json('through')
    })
    express.post(
      '/hook',
      pd.webhook(() => {}),
    )
    express.use((error: unknown, _req: Request, res: ServerResponse, _next: unknown) => {
      handedToExpress(error)
      res.status(500).json('failed')
    })
  })
}

const failures: [how: string, fail: () => unknown][] = [
  [
    'throws',
    () => {
      throw new Error('of the app')
    },
  ],
  ['rejects', () => Promise.reject(new Error('of the app'))],
  ['rejects a little later', () => new Promise((_, reject) => setImmediate(reject, new Error('of the app')))],
  [
    'returns a thenable that rejects',
    () => ({ then: (_: unknown, no: (e: Error) => void) => no(new Error('of the app')) }),
  ],
]
const ofTheApp = expect.objectContaining({ message: 'of the app' }) as Error

describe.each(failures)('a function of the app that %s fails one thing at most:', (_how, fail) => {
  test('as a listener it is a process warning, and the login goes on', async () => {
    await start()
    const heard = jest.fn()
    app.pd.on('login', fail).on('login', heard)
    const { browser, finished } = await app.logIn()
    expect([finished.status, (await app.get(browser)).status]).toEqual([302, 200])
    expect(heard).toHaveBeenCalledTimes(1)
    expect(warned).toHaveBeenCalledWith(ofTheApp)
  })

  test('as a logger it is a process warning, at the start as well', async () => {
    const log = fail as () => void
    const logger: Logger = { debug: log, info: log, warn: log, error: log }
    await start({ logger, scope: ['incidents.raed'] })
    const { finished } = await app.logIn()
    await app.get(new Browser())
    expect(finished.status).toBe(302)
    expect(warned).toHaveBeenCalledWith(ofTheApp)
  })

  test('as the logger of a webhook it fails no delivery', async () => {
    const log = fail as () => void
    await start({ logger: { debug: log, info: log, warn: log } })
    const refused = await sendWebhook(`${app.url}/hook`, 'incident.triggered', { secret: 'another secret' })
    const accepted = await sendWebhook(`${app.url}/hook`, 'incident.triggered', { secret: webhookSecret })
    expect([refused.status, accepted.status]).toEqual([403, 202])
  })

  test('as waitUntil it is of no consequence', async () => {
    await start({ waitUntil: fail as never })
    const { browser } = await app.logIn()
    expect((await app.logOut(browser)).status).toBe(204)
    await app.pd.close()
  })

  test('as onError it hands the request to Express', async () => {
    await start({ onError: fail })
    expect((await app.get(new Browser(), '/guarded')).status).toBe(500)
    expect((await fetch(`${app.url}/auth/pagerduty/callback?code=a&state=b`)).status).toBe(500)
    expect((await fetch(`${app.url}/auth/pagerduty`, { method: 'POST' })).status).toBe(500)
    expect(handedToExpress.mock.calls).toEqual([[ofTheApp], [ofTheApp], [ofTheApp]])
  })

  test.each([undefined, null, 'route', 'router'])(
    'next(%p) of onError is the error, and no way to what the guard keeps',
    async (given) => {
      await start({ onError: (_error, _req, _res, next) => next(given) })
      expect((await app.get(new Browser(), '/guarded')).status).toBe(500)
      expect(handled).not.toHaveBeenCalled()
      expect(handedToExpress.mock.calls).toEqual([[expect.objectContaining({ status: 401 })]])
    },
  )

  test('as onError behind a refresh it hands the request to Express', async () => {
    simulator.settings.accessTokenLifetime = 60
    await start({ onError: fail })
    const { browser } = await app.logIn()
    await app.get(browser)
    simulator.revokeAll()
    const now = Date.now
    jest.spyOn(Date, 'now').mockImplementation(() => now() + 120_000)
    expect((await app.get(browser, '/guarded')).status).toBe(500)
    expect(handedToExpress.mock.calls).toEqual([[ofTheApp]])
  })

  test('as verify, or as partialGrant, it fails that login', async () => {
    for (const options of [{ verify: fail as VerifyLogin }, { partialGrant: fail, scope: ['teams.read'] }]) {
      await start(options)
      const failed = once(app.pd.strategy._login.grants.events, 'loginFailed')
      const { browser, finished } = await app.logIn()
      expect(finished.status).toBe(500)
      expect(await failed).toEqual([{ reason: 'Error', error: ofTheApp }])
      expect(handedToExpress).toHaveBeenLastCalledWith(ofTheApp)
      expect((await app.get(browser)).status).toBe(401)
      await app.close()
    }
  })
})

/** A promise that rejects with what need not be an error. */
function rejection(reason: unknown): Promise<never> {
  return new Promise((_, reject) => setImmediate(reject, reason))
}

describe('what is thrown, and is not an error, lets no request through:', () => {
  const reasons: [what: string, reason: unknown][] = [
    ['nothing', undefined],
    ['null', null],
    ['"route"', 'route'],
    ['"router"', 'router'],
    ['0', 0],
  ]

  test.each(reasons)('%s, rejected by onError', async (_what, reason) => {
    const onError: OnError = () => rejection(reason)
    await start({ onError })
    expect((await app.get(new Browser(), '/guarded')).status).toBe(500)
    expect(handled).not.toHaveBeenCalled()
    expect(handedToExpress).toHaveBeenCalledWith(expect.any(Error))
  })

  test.each(reasons)('%s, rejected while a guard waits', async (_what, reason) => {
    simulator.settings.accessTokenLifetime = 60
    await start()
    const { browser } = await app.logIn()
    await app.get(browser)
    const { grants } = app.pd.strategy._login
    jest.spyOn(grants, 'ensureFresh').mockImplementation(() => rejection(reason))
    expect((await app.get(browser, '/me')).status).toBe(500)
    expect(handedToExpress).toHaveBeenCalledWith(expect.any(Error))
  })
})

test('pd.errors() handles what onError passes on as it does without onError: with the login, the consent, or a page', async () => {
  const passed = jest.fn()
  app = await startDropIn(simulator, {
    onError(error, _req, _res, next) {
      passed(error.status)
      next(error)
    },
  })
  const toLogin = await new Browser().visit(`${app.url}/services`)
  expect([toLogin.status, toLogin.headers.get('location')]).toEqual([
    302,
    expect.stringMatching(/^\/auth\/pagerduty\?/),
  ])
  const { browser } = await app.logIn()
  const toConsent = await browser.visit(`${app.url}/services`)
  expect([toConsent.status, toConsent.headers.get('location')]).toEqual([
    302,
    expect.stringContaining('scope=services.read'),
  ])
  const page = await new Browser().visit(`${app.url}/auth/pagerduty/callback?code=a&state=b`)
  expect([page.status, await page.text()]).toEqual([
    403,
    expect.stringContaining('<code>ERR_PAGERDUTY_STATE'),
  ])
  expect(passed.mock.calls).toEqual([[401], [403], [403]])
})

test('onError is called for each request, even if two requests fail with the same error', async () => {
  const shared = new TokenStoreError('no reply')
  const asked = jest.fn()
  app = await startDropIn(
    simulator,
    {
      onError(_error, req, res, next) {
        asked(req.url)
        if (req.url === '/first') next(shared)
        else res.status(418).end()
      },
    },
    (express) => express.get(['/first', '/second'], (_req, _res, next) => next(shared)),
  )
  expect((await app.get(new Browser(), '/first')).status).toBe(503)
  expect((await app.get(new Browser(), '/second')).status).toBe(418)
  expect(asked.mock.calls).toEqual([['/first'], ['/second']])
})
