import { channel } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { RedisStore } from 'connect-redis10'
import session from 'express-session'
import Redis from 'ioredis'
import {
  ConfigurationError,
  type PagerDutyEvents,
  type PagerDutyOptions,
  type RequestGrant,
  apiError,
  pagerduty,
  requireLogin,
} from '../../src'
import { Events } from '../../src/observability/events'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { serve } from '../support/app'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

let simulator: Simulator
let app: DropIn | undefined
let warned: jest.SpyInstance

beforeAll(async () => {
  simulator = await startPagerDuty()
})
beforeEach(() => {
  warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
})
afterEach(async () => {
  await app?.close()
  app = undefined
  simulator.clearFaults()
  jest.restoreAllMocks()
})
afterAll(() => simulator.close())

/** The process warnings so far. */
function warnings(): string[] {
  expect(warned.mock.calls.every(([, options]) => (options as { code: string }).code)).toBe(true)
  return warned.mock.calls.map(([message]) => String(message))
}

const guardHint = 'Mount app.use(pd.auth())'

/** An app with a guard before `pd.auth()`. */
function guardedTooEarly(options: PagerDutyOptions = {}) {
  const pd = pagerduty({
    ...simulator.options(),
    scope: 'incidents.read',
    callbackURL: 'http://localhost/cb',
    ...options,
  })
  const start = () =>
    serve((express) => {
      express.get('/early', pd.requireLogin(), (_req, res) => void res.end())
      express.use(pd.auth())
      express.use(pd.errors())
    })
  return { pd, start }
}

describe('a response of 500, without a listener or a logger', () => {
  test('of a guard before pd.auth() is a process warning with the hint, once for many requests', async () => {
    const { pd, start } = guardedTooEarly()
    const running = await start()
    for (let i = 0; i < 3; i++) expect((await fetch(`${running.url}/early`)).status).toBe(500)
    await running.close()
    await pd.close()
    expect(warnings()).toEqual([
      expect.stringMatching(/has not run before this guard, .*pagerduty\. Mount app\.use\(pd\.auth\(\)\)/),
    ])
  })

  test('of a guard without an instance is one as well', async () => {
    const running = await serve((express) => {
      express.get('/early', requireLogin(), (_req, res) => void res.end())
    })
    expect((await fetch(`${running.url}/early`)).status).toBe(500)
    await running.close()
    expect(warnings()).toEqual([expect.stringContaining(guardHint)])
  })

  test('of a login by http behind a proxy that does not say https names the header', async () => {
    app = await startDropIn(simulator, { callbackURL: 'https://app.example/auth/pagerduty/callback' })
    expect((await fetch(`${app.url}/auth/pagerduty`, { redirect: 'manual' })).status).toBe(500)
    expect(warnings()).toEqual([expect.stringContaining('send "X-Forwarded-Proto: https"')])
  })

  test('of a session store that cannot work says which client it needs', async () => {
    const redis = new Redis({ lazyConnect: true })
    const pd = pagerduty({
      ...simulator.options(),
      scope: 'incidents.read',
      callbackURL: 'http://localhost/cb',
    })
    const running = await serve((express) => {
      const store = new RedisStore({ client: redis as never })
      express.use(
        session({
          store,
          secret: 'a secret of some length, as is due',
          resave: false,
          saveUninitialized: false,
        }),
      )
      express.use(pd.sessionTokens())
      express.use(pd.errors())
    })
    expect((await fetch(running.url)).status).toBe(500)
    await running.close()
    await pd.close()
    redis.disconnect()
    expect(warnings()).toEqual([
      expect.stringMatching(/connect-redis 9 or newer.*Give it a client of node-redis/),
    ])
  })

  test('of a failed login names the credentials to check', async () => {
    app = await startDropIn(simulator)
    for (let i = 0; i < 2; i++) {
      simulator.failNext('token', { status: 401, body: { error: 'invalid_client' } })
      expect((await app.logIn()).finished.status).toBe(503)
    }
    expect(warnings()).toEqual([
      'Login failed: PagerDuty’s token endpoint responded with an error: invalid_client. ' +
        'Check clientID and clientSecret against the app’s OAuth page at PagerDuty. See docs/errors.md#invalid_client',
    ])
  })

  test('of a login that its visitor is the reason for is none', async () => {
    app = await startDropIn(simulator)
    const forged = await fetch(`${app.url}/auth/pagerduty/callback?code=a&state=b`)
    expect(forged.status).toBe(403)
    expect(warnings()).toEqual([])
  })
})

test.each<[string, (pd: ReturnType<typeof pagerduty>) => void]>([
  ['a listener', (pd) => void pd.on('loginFailed', () => {})],
  ['a subscriber', () => channel('passport-pagerduty:loginFailed').subscribe(ignore)],
])('what %s gets is no process warning', async (_who, listen) => {
  app = await startDropIn(simulator, {}, (_express, pd) => listen(pd))
  simulator.failNext('token', { status: 401, body: { error: 'invalid_client' } })
  expect((await app.logIn()).finished.status).toBe(503)
  channel('passport-pagerduty:loginFailed').unsubscribe(ignore)
  expect(warnings()).toEqual([])
})

function ignore(): void {}

describe('with a listener, a subscriber and a logger', () => {
  test('a guard before pd.auth() reaches all three, with its hint', async () => {
    const lines: string[] = []
    const { pd, start } = guardedTooEarly({ logger: { warn: (line) => void lines.push(line) } })
    const heard: PagerDutyEvents['warning'][0][] = []
    pd.on('warning', (detail) => heard.push(detail))
    const published: unknown[] = []
    const subscribe = (message: unknown) => published.push(message)
    channel('passport-pagerduty:warning').subscribe(subscribe)
    const running = await start()
    await fetch(`${running.url}/early`)
    channel('passport-pagerduty:warning').unsubscribe(subscribe)
    await running.close()
    await pd.close()
    expect(heard).toEqual([{ error: expect.any(ConfigurationError) as Error }])
    expect(published).toEqual([{ instance: 'pagerduty', ...heard[0] }])
    expect(lines).toEqual([expect.stringContaining(guardHint)])
    expect(warnings()).toEqual([])
  })

  test('a failed login is one line, also where pd.errors() responds to it', async () => {
    const lines: string[] = []
    const logger = { warn: (line: string) => void lines.push(line) }
    app = await startDropIn(simulator, { logger, onError: (_error, _req, _res, next) => next() })
    simulator.failNext('token', { status: 401, body: { error: 'invalid_client' } })
    expect((await app.logIn()).finished.status).toBe(503)
    expect(lines).toEqual([expect.stringMatching(/^Login failed: .*Check clientID and clientSecret/)])
  })
})

describe('an error of PagerDuty’s API that pd.errors() responds to', () => {
  const statuses: number[] = []

  /** Calls of the API, as an app makes them. */
  async function callAPI(options: PagerDutyOptions = {}): Promise<Browser> {
    statuses.length = 0
    app = await startDropIn(simulator, options, (express) => {
      express.get('/call', async (req, res) => {
        const answer = await (req as unknown as { pagerduty: RequestGrant }).pagerduty.fetch('/incidents')
        const error = await apiError(answer)
        if (error) throw error
        res.end()
      })
    })
    const { browser } = await app.logIn()
    return browser
  }

  const failing = (status: number, message: string) =>
    simulator.failNext('api', { status, body: { error: { message, code: 2100 } } })

  test.each([500, 502, 400])(
    'is a warning for a %i of PagerDuty, which is its own mistake or the app’s',
    async (status) => {
      const browser = await callAPI()
      failing(status, 'Something')
      expect((await app?.get(browser, '/call'))?.status).toBeGreaterThan(500)
      expect(warnings()).toEqual([
        `PagerDuty’s REST API responded with ${status} to GET /incidents: Something (2100). See docs/errors.md#err_pagerduty_api`,
      ])
    },
  )

  test.each([403, 404])('is none for a %i, which a visitor causes with an id in a URL', async (status) => {
    const browser = await callAPI()
    failing(status, 'Something')
    expect((await app?.get(browser, '/call'))?.status).toBe(status)
    expect(warnings()).toEqual([])
  })

  test('is a warning where PagerDuty cannot be reached, in the log as well', async () => {
    const lines: string[] = []
    const browser = await callAPI({ logger: { warn: (line) => void lines.push(line) } })
    simulator.failNext('api', 'reset')
    expect((await app?.get(browser, '/call'))?.status).toBe(503)
    expect(lines).toEqual([expect.stringMatching(/could not be reached/)])
  })

  test('is one for many requests, whatever PagerDuty says of each', async () => {
    const browser = await callAPI()
    for (const message of ['One', 'Two', 'Three']) {
      failing(500, message)
      await app?.get(browser, '/call')
    }
    expect(warnings()).toHaveLength(1)
  })

  test('shows no token', async () => {
    const browser = await callAPI()
    failing(500, 'Something')
    await app?.get(browser, '/call')
    const shown = inspect(warned.mock.calls, { depth: 5 })
    expect(shown).toContain('responded with 500')
    for (const secret of [simulator.options().clientSecret as string, app?.url as string, 'Bearer']) {
      expect(shown).not.toContain(secret)
    }
  })
})

test('a failure of the background is a process warning with its hint, and not again within ten seconds', () => {
  const events = new Events()
  const error = new ConfigurationError('prefix', 'is of another app', 'Choose another one.')
  events.emit('warning', { error })
  events.emit('warning', { error })
  expect(warned.mock.calls).toEqual([
    [
      '"prefix" is of another app. Choose another one. See docs/errors.md#err_pagerduty_configuration',
      { code: 'PASSPORT_PAGERDUTY' },
    ],
  ])
})

test('a webhook whose handler throws is a process warning that says what it threw, and one that is handled is none', async () => {
  let isBroken = true
  const secret = 'webhook-secret-of-a-subscription'
  app = await startDropIn(simulator, { webhookSecret: secret }, (express, pd) => {
    const handle = pd.webhook(() => {
      if (isBroken) throw new TypeError('There is no runbook')
    })
    express.post('/hook', handle)
  })
  warned.mockClear()
  const deliver = async () =>
    (await simulator.sendWebhook(`${app?.url}/hook`, 'incident.triggered', { secret })).status
  expect(await deliver()).toBe(503)
  const text = /^Delivery at \S+: failed 503 incident\.triggered: .*There is no runbook$/
  expect(warnings()).toEqual([expect.stringMatching(text)])
  isBroken = false
  expect(await deliver()).toBe(202)
  expect(warnings()).toHaveLength(1)
})

test.each([
  ['logIn', '"on" has no event "logIn": did you mean "login"?'],
  ['failedLogin', '"on" has no event "failedLogin"'],
  ['toString', '"on" has no event "toString"'],
])('pd.on() does not know %s', async (name, message) => {
  const { pd } = guardedTooEarly()
  const listen = () => pd.on(name as 'login', () => {})
  expect(listen).toThrow(ConfigurationError)
  expect(listen).toThrow(message)
  await pd.close()
})
