import type { Express, NextFunction, Request, Response as ServerResponse } from 'express'
import session from 'express-session'
import { type AuthenticateCallback, Passport } from 'passport'
import {
  PagerDutyStrategy,
  type Profile,
  type StrategyOptions,
  type VerifyCallback,
  type VerifyDone,
  sessionTokens,
} from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { type RunningApp, serve } from '../support/app'
import { Browser } from '../support/browser'
import { optionsAt, secret } from '../support/passport-app'

// An unhandled rejection fails a test, as it would end a process.

let simulator: Simulator
let app: RunningApp | undefined
let strategy: PagerDutyStrategy
const called = jest.fn()
const handedToExpress = jest.fn()
const ofTheApp = expect.objectContaining({ message: 'of the app' }) as Error

beforeAll(async () => {
  simulator = await startPagerDuty()
})
beforeEach(() => jest.clearAllMocks())
afterEach(() => app?.close())
afterAll(() => simulator.close())

type Callback = (req: Request, res: ServerResponse, next: NextFunction) => AuthenticateCallback

type Setup = {
  callback?: Callback
  options?: Partial<StrategyOptions>
  verify?: VerifyCallback
  Strategy?: typeof PagerDutyStrategy
}

/** A Passport app that hands logins to a callback of its own. */
async function start({ callback, options, verify, Strategy = PagerDutyStrategy }: Setup): Promise<void> {
  app = await serve((express, url) => {
    const client = { ...optionsAt(url, simulator), callbackURL: `${url}/callback`, ...options }
    strategy = verify ? new Strategy(client, verify) : new Strategy(client)
    const passport = new Passport()
    passport.use(strategy as never)
    express.use(session({ secret, resave: false, saveUninitialized: false }), sessionTokens(client))
    const authenticate = (req: Request, res: ServerResponse, next: NextFunction) => {
      const own = callback?.(req, res, next)
      const handler = own
        ? passport.authenticate('pagerduty', (...outcome: Parameters<AuthenticateCallback>) => {
            called(outcome[0], Boolean(outcome[1]))
            return own(...outcome)
          })
        : passport.authenticate('pagerduty', { session: false, successRedirect: '/in' })
      ;(handler as (...args: unknown[]) => void)(req, res, next)
    }
    express.get('/login', authenticate)
    express.get('/callback', authenticate)
    answerErrors(express)
  })
}

function answerErrors(express: Express): void {
  express.use((error: unknown, _req: Request, res: ServerResponse, _next: NextFunction) => {
    handedToExpress(error)
    res.status(500).end()
  })
}

async function finish(): Promise<Response> {
  const browser = new Browser()
  const begun = await browser.visit(`${app?.url}/login`)
  return browser.visit(await approve(begun.headers.get('location') as string, { user: 'PACME01' }))
}

const throwing: Callback = () => () => {
  throw new Error('of the app')
}
const failing: [how: string, callback: Callback][] = [
  ['throws', throwing],
  ['rejects', () => () => Promise.reject(new Error('of the app'))],
]

describe.each(failing)(
  'a callback of the app’s that %s goes to Express, and is not called again,',
  (_how, callback) => {
    test('after a login', async () => {
      await start({ callback })
      expect((await finish()).status).toBe(500)
      expect(called.mock.calls).toEqual([[null, true]])
      expect(handedToExpress.mock.calls).toEqual([[ofTheApp]])
    })

    test('after a login that PagerDuty rejected', async () => {
      await start({ callback })
      simulator.failNext('token', 'invalid_client')
      expect((await finish()).status).toBe(500)
      expect(called).toHaveBeenCalledTimes(1)
      expect(handedToExpress.mock.calls).toEqual([[ofTheApp]])
    })

    test('after a login that could not begin', async () => {
      await start({ callback })
      const { stateStore } = strategy._login
      jest.spyOn(stateStore, 'save').mockImplementation(() => {
        throw new Error('no login begins')
      })
      const failed = jest.fn()
      strategy._login.grants.events.on('loginFailed', failed)
      expect((await fetch(`${app?.url}/login`)).status).toBe(500)
      expect(called).toHaveBeenCalledTimes(1)
      expect(failed).toHaveBeenCalledTimes(1)
      expect(handedToExpress.mock.calls).toEqual([[ofTheApp]])
    })
  },
)

// Where it rejects, Passport drops its promise.
test('a callback of the app’s that throws is called once after a callback that belongs to no login', async () => {
  await start({ callback: throwing })
  expect((await fetch(`${app?.url}/callback?code=a&state=b`)).status).toBe(500)
  expect(called).toHaveBeenCalledTimes(1)
  expect(handedToExpress.mock.calls).toEqual([[ofTheApp]])
})

describe('a hook that rejects fails the login, and nothing else:', () => {
  const verify: VerifyCallback = (
    _access: string,
    _refresh: string | undefined,
    profile: Profile,
    done: VerifyDone,
  ) => done(null, { id: profile.id })

  class Rejecting extends PagerDutyStrategy {
    override async userProfile(): Promise<void> {
      await Promise.resolve()
      throw new Error('of the app')
    }
  }

  test.each<[string, StrategyOptions['skipUserProfile']]>([
    ['userProfile', undefined],
    ['userProfile, where skipUserProfile lets it', () => false],
    ['userProfile, where skipUserProfile calls back', (_token, done) => setImmediate(done, null, false)],
    ['skipUserProfile', async (_token, _done) => Promise.reject(new Error('of the app'))],
  ])('%s', async (_hook, skipUserProfile) => {
    await start({ verify, Strategy: Rejecting, options: { skipUserProfile } })
    expect((await finish()).status).toBe(500)
    expect(handedToExpress.mock.calls).toEqual([[ofTheApp]])
  })

  test.each<[string, StrategyOptions['skipUserProfile']]>([
    ['true', true],
    ['a function that returns true', () => true],
    ['one that calls back with true', (_token, done) => setImmediate(done, null, true)],
  ])('it is not called where skipUserProfile is %s', async (_what, skipUserProfile) => {
    await start({ verify, Strategy: Rejecting, options: { skipUserProfile } })
    expect((await finish()).headers.get('location')).toBe('/in')
  })
})
