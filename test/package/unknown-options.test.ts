import type { RequestHandler } from 'express'
import session from 'express-session'
import { Passport } from 'passport'
import {
  AppTokens,
  ConfigurationError,
  MemoryTokenStore,
  type PagerDuty,
  PagerDutyStrategy,
  type RequestGrant,
  pagerduty,
  requireLogin,
  requireScopesFor,
  sessionTokens,
  webhookReceiver,
} from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { serve } from '../support/app'
import { Browser } from '../support/browser'
import { startDropIn } from '../support/drop-in'
import { secret } from '../support/passport-app'
import { WatchedStore } from '../support/watched-store'

const webhookSecret = 'HvPtlQNKMPpHSSqJpCdndXfo7HnGXa1pnH6w5axpxLFn9aRBNBGh4e8'

let simulator: Simulator
let pd: PagerDuty

beforeAll(async () => {
  simulator = await startPagerDuty()
  pd = pagerduty(options())
})
afterAll(async () => {
  await pd.close()
  await simulator.close()
})

const options = () => ({
  ...simulator.options(),
  scope: 'incidents.read',
  callbackURL: 'http://localhost/auth/pagerduty/callback',
})
const shared = () => ({ ...options(), tokenStore: new MemoryTokenStore(), secret })

/** The error that rejects one more member at start-up. */
function refusal(start: () => unknown): ConfigurationError {
  try {
    start()
  } catch (error) {
    if (error instanceof ConfigurationError) return error
    throw error
  }
  throw new Error('It was not refused')
}

type Way = [owner: string, start: (more: object) => unknown, wrong: string, meant: string]

const ways: Way[] = [
  ['pagerduty()', (more) => pagerduty({ ...options(), ...more }), 'clientId', 'clientID'],
  ['pagerduty()', (more) => pagerduty({ ...options(), ...more }), 'stepUpScopes', 'stepUpScope'],
  [
    'PagerDutyStrategy',
    (more) => new PagerDutyStrategy({ ...shared(), ...more }),
    'callbackUrl',
    'callbackURL',
  ],
  ['PagerDutyStrategy', (more) => new PagerDutyStrategy({ ...shared(), ...more }), 'scopes', 'scope'],
  ['sessionTokens()', (more) => sessionTokens({ ...shared(), ...more }), 'startegy', 'strategy'],
  ['AppTokens', (more) => new AppTokens({ ...shared(), ...more }), 'acount', 'account'],
  [
    'pd.webhook()',
    (more) => pd.webhook(() => {}, { webhookSecret, ...more }),
    'webhookSecrets',
    'webhookSecret',
  ],
  [
    'webhookReceiver()',
    (more) => webhookReceiver({ webhookSecret, ...more }, () => {}),
    'tokenstore',
    'tokenStore',
  ],
  ['a guard', (more) => requireLogin(more), 'loginpath', 'loginPath'],
  ['a guard', (more) => requireScopesFor('GET /incidents', more), 'stepup', 'stepUp'],
]

describe('an option that is misspelt', () => {
  test.each(ways)('of %s is rejected with the name that is meant', (owner, start, wrong, meant) => {
    const { option, message } = refusal(() => start({ [wrong]: 'any' }))
    expect([option, message]).toEqual([
      wrong,
      `"${wrong}" is not an option of ${owner}: did you mean "${meant}"?`,
    ])
    expect(() => start({})).not.toThrow()
  })

  test('and undefined counts as left out', () => {
    expect(() => new PagerDutyStrategy({ ...shared(), ...{ callbackUrl: undefined } })).not.toThrow()
  })

  test.each([
    ['session', { idel: 5_000 }, 'session.idel', 'idle'],
    ['session', { cookie: { samesite: 'lax' } }, 'session.cookie.samesite', 'sameSite'],
    ['routes', { logIn: '/in' }, 'routes.logIn', 'login'],
  ])('in the option %s is rejected by its full name: %j', (name, value, option, meant) => {
    const refused = refusal(() => pagerduty({ ...options(), [name]: value }).auth())
    expect([refused.option, refused.message]).toEqual([option, expect.stringContaining(`"${meant}"`)])
  })
})

test('one object of options serves the strategy and what works with it', () => {
  const all = { ...shared(), partialGrant: 'fail' as const, label: () => 'any', accounts: ['us.acme'] }
  const strategy = new PagerDutyStrategy(all)
  expect(() => sessionTokens({ ...all, strategy })).not.toThrow()
  expect(() => new AppTokens({ ...all, account: 'us.acme' })).not.toThrow()
})

describe('an option of passport-oauth2 that has no effect', () => {
  test.each([
    ['scopeSeparator', ',', 'as a list'],
    ['proxy', true, 'trust proxy'],
    ['sessionKey', 'oauth', '"name"'],
    ['store', {}, '"tokenStore"'],
  ])('is rejected, and the hint says what to use instead: %s', (name, value, hint) => {
    for (const start of [
      () => new PagerDutyStrategy({ ...shared(), [name]: value }),
      () => pagerduty({ ...options(), [name]: value }),
    ]) {
      expect(refusal(start)).toMatchObject({ option: name, hint: expect.stringContaining(hint) as unknown })
    }
  })
})

describe('an option of a wrong type', () => {
  test.each<[string, unknown[]]>([
    ['fetch', ['https://proxy.example', {}, null]],
    ['revokeOnLogout', ['false', 0, null]],
    ['requireAtHash', ['true', 1]],
    ['customHeaders', ['X-A: b', null, ['X-A'], { 'X A': 'b' }, { 'X-A': 5 }, { 'X-A': 'b\n' + 'c' }]],
    ['label', ['Firefox', null]],
    ['customHeaders', [new Map([['X-A', 'b']]), new Headers({ 'X-A': 'b' }), () => {}]],
    ['passReqToCallback', ['no', 1, null]],
    ['skipUserProfile', ['no', 0, null]],
    ['unsafelyWithoutPKCE', ['', null]],
    ['waitUntil', [5, true, null, {}]],
    ['session', [false, 5, null, []]],
    ['extraScopes', ['x', [['x']], null]],
  ])('is rejected by name: %s', (name, values) => {
    for (const value of values) {
      const { option } = refusal(() => new PagerDutyStrategy({ ...shared(), [name]: value }))
      expect([value, option]).toEqual([value, name])
    }
  })

  test.each<[string, unknown[]]>([
    ['onError', [true, 'x', null, {}]],
    ['logger', ['x', true, {}, null, { info: () => {} }]],
    ['routes', [new URL('https://app.example'), [], null]],
    ['session', [false, 5, null]],
  ])('of pagerduty() is rejected by name: %s', (name, values) => {
    for (const value of values) {
      const { option } = refusal(() => pagerduty({ ...options(), [name]: value }))
      expect([value, option]).toEqual([value, name])
    }
  })

  test.each([
    ['routes.home', { routes: { home: null } }],
    ['session.name', { session: { name: 5 } }],
    ['session.cookie', { session: { cookie: null } }],
    ['session.cookie', { session: { cookie: false } }],
    ['logger.info', { logger: { warn: () => {}, info: 'x' } }],
    ['tokenStore.getMany', { secret, tokenStore: Object.assign(new MemoryTokenStore(), { getMany: 5 }) }],
  ])('within another is rejected by its whole name: %s', (name, more) => {
    expect(refusal(() => pagerduty({ ...options(), ...(more as object) }).auth()).option).toBe(name)
  })

  test.each([
    ['verifyBearer', true],
    ['onUnknownEvent', true],
    ['onError', {}],
    ['appScope', 5],
    ['appScope', [['x']]],
    ['account', 'acme'],
    ['waitUntil', 5],
    ['appTokens', 'x'],
  ])('of a webhook is rejected by name: %s', (name, value) => {
    const start = () => webhookReceiver({ webhookSecret, [name]: value }, () => {})
    expect(refusal(start).option).toBe(name)
  })

  test.each([
    ['onError', true],
    ['loginPath', 5],
    ['loginPath', '//elsewhere.example'],
    ['loginPath', 'login'],
    ['stepUp', 'no'],
    ['name', 5],
  ])('of a guard is rejected by name: %s', (name, value) => {
    expect(refusal(() => pd.requireLogin({ [name]: value })).option).toBe(name)
    expect(refusal(() => pd.requireScopes('incidents.read', { [name]: value })).option).toBe(name)
  })

  test.each([
    ['clientID', 'an-id\n'],
    ['clientID', ' an-id'],
    ['clientSecret', 'a-secret\n'],
  ])('or with the line break of a file is rejected by name: %s', (name, value) => {
    expect(refusal(() => pagerduty({ ...options(), [name]: value })).option).toBe(name)
  })

  test('is none at all for sessionTokens()', () => {
    expect(refusal(() => sessionTokens(undefined as never)).option).toBe('tokenStore')
  })

  test('is a listener that is no function, too', () => {
    expect(refusal(() => pd.on('login', 5 as never))).toMatchObject({
      option: 'listener',
      message: expect.stringContaining('"login" must be a function') as string,
    })
  })
})

describe('an option of req.pagerduty.login()', () => {
  async function refusalOf(given: object, name = 'pagerduty'): Promise<unknown> {
    let failure: unknown
    const app = await startDropIn(simulator, { name }, (express) => {
      express.get('/in', (req, res) => {
        try {
          ;(req as unknown as Record<string, RequestGrant>)[name]?.login(given)
        } catch (error) {
          failure = error
          res.end()
        }
      })
    })
    await new Browser().visit(`${app.url}/in`)
    await app.close()
    return failure
  }

  test('that is not known is rejected by its name', async () => {
    expect(await refusalOf({ bogus: 1 })).toMatchObject({
      option: 'bogus',
      message: '"bogus" is not an option of req.pagerduty.login()',
    })
    expect(await refusalOf({ returnto: '/me' }, 'crm')).toMatchObject({
      message: '"returnto" is not an option of req.crm.login(): did you mean "returnTo"?',
    })
  })

  test.each([5, null, ['/a', '/b'], { path: '/a' }])('is rejected as returnTo %j', async (returnTo) => {
    expect(await refusalOf({ returnTo })).toMatchObject({
      option: 'returnTo',
      message: '"returnTo" must be a string: a path of the app, or a URL of one of its origins',
    })
  })

  test('may be undefined, or a page elsewhere, which is not returned to', async () => {
    expect(await refusalOf({ bogus: undefined, returnTo: undefined })).toBeUndefined()
    expect(await refusalOf({ returnTo: 'https://evil.example/' })).toBeUndefined()
  })
})

describe('an option of authenticate() that has no effect', () => {
  async function failureOf(given: object, strategy = new PagerDutyStrategy(shared())): Promise<unknown> {
    let failure: unknown
    const app = await serve((express) => {
      const passport = new Passport().use(strategy as never)
      express.use(session({ secret, resave: false, saveUninitialized: false }))
      express.get('/login', passport.authenticate('pagerduty', given))
      express.use((error: unknown, _req: unknown, res: import('express').Response, _next: unknown) => {
        failure = error
        res.status(500).end()
      })
    })
    await new Browser().visit(`${app.url}/login`)
    await app.close()
    return failure
  }

  test.each(['callbackURL', 'prompt', 'loginHint'])('is rejected: %s', async (name) => {
    expect(await failureOf({ [name]: 'any' })).toMatchObject({
      option: name,
      message: `"${name}" is not an option of authenticate()`,
    })
  })

  test('may be of a subclass, which makes a parameter of it', async () => {
    class Own extends PagerDutyStrategy {
      override authorizationParams(given: { prompt?: string; nonce?: string }): object {
        return { ...super.authorizationParams(given), prompt: given.prompt }
      }
    }
    expect(await failureOf({ prompt: 'login' }, new Own(shared()))).toBeUndefined()
  })
})

test('a guard that comes before pd.auth() says what to mount', async () => {
  let failure: unknown
  const app = await serve((express) => {
    express.get('/', pd.requireLogin({ onError: (error, _req, res) => ((failure = error), res.end()) }))
  })
  await new Browser().visit(app.url)
  await app.close()
  expect(failure).toMatchObject({
    option: 'sessionTokens',
    hint: expect.stringContaining('app.use(pd.auth())') as unknown,
  })
})

test('pd.auth() that is mounted twice runs once for each request', async () => {
  const store = new WatchedStore()
  const seen: unknown[] = []
  const app = await startDropIn(simulator, { tokenStore: store, secret }, (express, own) => {
    const between: RequestHandler = (req, _res, next) => {
      seen.push(req.pagerduty)
      if (req.user) Object.assign(req, { user: { ...req.user, role: 'responder' } })
      next()
    }
    express.use('/twice', between, own.auth(), own.auth())
    express.get('/twice', own.requireLogin(), (req, res) => {
      seen.push(req.pagerduty)
      res.json(req.user)
    })
  })
  const { browser } = await app.logIn()
  await app.get(browser)
  const before = store.commands.length
  const answer = await app.get(browser, '/twice')
  // Session and grant, once each.
  expect(store.commands.slice(before)).toHaveLength(2)
  // What the app has made of the user since the first one, and what it holds of the login, stays.
  expect(await answer.json()).toMatchObject({ id: 'PACME01', role: 'responder' })
  expect(seen[1]).toBe(seen[0])
  expect((await app.logOut(browser)).status).toBe(204)
  expect((await app.get(browser, '/twice')).status).toBe(401)
  await app.close()
})

test.each([
  ['clientID', 'PAGERDUTY_CLIENT_ID'],
  ['clientSecret', 'PAGERDUTY_CLIENT_SECRET'],
  ['callbackURL', 'PAGERDUTY_CALLBACK_URL'],
  ['scope', 'PAGERDUTY_SCOPE'],
])('the hint about a missing %s names its variable', (option, variable) => {
  const { hint } = refusal(() => pagerduty({ ...options(), [option]: undefined }))
  expect(hint).toContain(variable)
})
