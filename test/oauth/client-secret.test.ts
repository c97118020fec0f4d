import { inspect } from 'node:util'
import { AppTokens, type ClientSecret, type PagerDutyOptions } from '../../src'
import { Client } from '../../src/oauth/client'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

let simulator: Simulator
let app: DropIn | undefined
/** The secrets that were sent to the token endpoint, in this order. */
let sent: (string | null)[]

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())
beforeEach(() => {
  sent = []
  app = undefined
})
afterEach(async () => {
  jest.restoreAllMocks()
  simulator.clearFaults()
  await app?.close()
})

const recording: typeof fetch = (input, init) => {
  const form = new URLSearchParams(typeof init?.body === 'string' ? init.body : '')
  if (form.has('client_id')) sent.push(form.get('client_secret'))
  return fetch(input, init)
}

const right = () => simulator.options().clientSecret as string

async function start(clientSecret: ClientSecret, options: PagerDutyOptions = {}): Promise<DropIn> {
  app = await startDropIn(simulator, { clientSecret, fetch: recording, account: 'us.acme', ...options })
  return app
}

async function statusOfLogin(clientSecret: ClientSecret): Promise<number> {
  const running = await start(clientSecret)
  const { browser, finished } = await running.logIn()
  return finished.status === 302 ? (await running.get(browser)).status : finished.status
}

describe('a list', () => {
  test('uses its first secret, and no other while PagerDuty takes that', async () => {
    expect(await statusOfLogin([right(), 'old'])).toBe(200)
    expect(sent).toEqual([right()])
  })

  test('goes on to the next one where PagerDuty rejects it: at a login, a refresh, a revocation and for the app', async () => {
    const running = await start(['new', right()])
    const { browser } = await running.logIn()
    simulator.expireTokens()
    expect((await running.get(browser)).status).toBe(200)
    await running.pd.appTokens.getToken()
    await running.logOut(browser)
    await running.pd.close()
    expect(sent).toEqual(Array.from({ length: sent.length }, (_, i) => (i % 2 === 0 ? 'new' : right())))
    expect(sent.length).toBeGreaterThanOrEqual(6)
    expect(await running.pd.grants.list({ accountID: 'PACME00', userID: 'PACME01' })).toEqual([])
  })

  test('tries each secret once', async () => {
    expect(await statusOfLogin(['one', 'two', 'three'])).toBe(503)
    expect(sent).toEqual(['one', 'two', 'three'])
  })

  test.each([
    'invalid_grant',
    '429',
    '500',
    'reset',
    { status: 503, body: { error: 'invalid_client' } },
  ] as const)('tries no other secret after %j', async (fault) => {
    const running = await start([right(), 'old'])
    simulator.failNext('token', fault)
    await running.logIn()
    expect(sent).toEqual([right()])
  })

  test.each([[[]], [['']], [[right, 'x']], [['one', undefined]]])('that is %j is rejected', (list) => {
    const options = {
      ...simulator.options(),
      scope: 'incidents.read',
      callbackURL: 'http://localhost/callback',
    }
    expect(() => new Client({ ...options, clientSecret: list as never })).toThrow(
      '"clientSecret" is required',
    )
  })
})

describe('a function', () => {
  test('is called for each request, so that a new secret needs no restart', async () => {
    let current: string | Promise<string> = 'old'
    const secret = jest.fn(() => current)
    const running = await start(secret)
    expect(secret).not.toHaveBeenCalled()
    expect((await running.logIn()).finished.status).toBe(503)
    current = Promise.resolve(right())
    const { browser } = await running.logIn()
    simulator.expireTokens()
    expect((await running.get(browser)).status).toBe(200)
    expect(sent).toEqual(['old', right(), right()])
    expect(secret).toHaveBeenCalledTimes(3)
  })

  test('makes a confidential client, which never sends an empty secret', () => {
    const options = {
      ...simulator.options(),
      scope: 'incidents.read',
      callbackURL: 'http://localhost/callback',
    }
    expect(new Client({ ...options, clientSecret: () => 'later' }).isPublic).toBe(false)
  })

  const broken: [string, () => string | Promise<string>][] = [
    [
      'throws',
      () => {
        throw new Error('CANARY')
      },
    ],
    ['rejects', () => Promise.reject(new Error('CANARY'))],
    ['returns nothing', () => undefined as never],
    ['returns a blank', () => ' '],
    ['returns a list', () => ['CANARY'] as never],
  ]
  test.each(broken)(
    'that %s fails the login as a typed, transient error, and sends nothing',
    async (_what, secret) => {
      const failures: { code: string; isTransient: boolean; status: number }[] = []
      const running = await start(secret)
      running.pd.on('loginFailed', ({ error }) => failures.push(error as never))
      expect((await running.logIn()).finished.status).toBe(503)
      expect(failures).toMatchObject([
        { code: 'ERR_PAGERDUTY_CLIENT_SECRET', status: 503, isTransient: true },
      ])
      expect(inspect(failures, { depth: 9 })).not.toContain('CANARY')
      expect(sent).toEqual([])
    },
  )

  test('that hangs is given up after five seconds', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate'] })
    const tokens = new AppTokens({
      ...simulator.options(),
      clientSecret: () => new Promise<string>(() => {}),
      account: 'us.acme',
      scope: 'incidents.read',
    })
    const failed = tokens.getToken().catch((error: unknown) => error)
    await jest.advanceTimersByTimeAsync(5_100)
    jest.useRealTimers()
    expect(await failed).toMatchObject({ code: 'ERR_PAGERDUTY_CLIENT_SECRET', isTransient: true })
    await tokens.close()
  })

  test('that fails at a refresh logs no user out, and loses no refresh token', async () => {
    let isDown = false
    const running = await start(() => {
      if (isDown) throw new Error('the vault is sealed')
      return right()
    })
    const { browser } = await running.logIn(new Browser())
    expect((await running.get(browser)).status).toBe(200)
    isDown = true
    simulator.expireTokens()
    const answer = await running.get(browser)
    expect([answer.status, answer.headers.has('retry-after')]).toEqual([503, true])
    expect(await running.pd.grants.list({ accountID: 'PACME00', userID: 'PACME01' })).toHaveLength(1)
    isDown = false
    const now = Date.now()
    jest.spyOn(Date, 'now').mockImplementation(() => now + 60_000)
    const ticks = performance.now()
    jest.spyOn(performance, 'now').mockImplementation(() => ticks + 60_000)
    expect((await running.get(browser)).status).toBe(200)
  })
})
