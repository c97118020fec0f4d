import type { RequestHandler } from 'express'
import {
  ConfigurationError,
  type GuardOptions,
  type Operation,
  type Scope,
  requireAnyScope,
  requireLogin,
  requireScopes,
  requireScopesFor,
} from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

let simulator: Simulator
let app: DropIn
/** Logged in, with incidents.read and users.read. */
let ada: Browser
/** Options that the guards of failed requests named. */
const failed: string[] = []
const handled = jest.fn()

beforeAll(async () => {
  simulator = await startPagerDuty()
  simulator.configure('simulator-client', { scope: ['incidents.read', 'users.read'] })
  app = await startDropIn(simulator, {}, (express) => {
    for (const [path, ...handlers] of routes) {
      express.get(path, ...handlers, (_req, res) => {
        handled()
        res.json('through')
      })
    }
  })
})
afterAll(async () => {
  await app.close()
  await simulator.close()
})
beforeEach(async () => {
  ada = (await app.logIn()).browser
  failed.length = 0
  handled.mockClear()
})

/** Notes what a guard finds wrong with itself. */
const noting: GuardOptions = {
  onError(error, _req, res) {
    failed.push(error instanceof ConfigurationError ? error.option : error.code)
    res.status(error.status).json(error.code)
  },
}
const answering: RequestHandler = (_req, res, next) => {
  res.json('answered before')
  next()
}
const nameless: RequestHandler = (req, _res, next) => {
  Object.assign(req, { pagerduty: undefined })
  next()
}
const read = 'read' as Scope
const classic = { ...noting, scopes: { 'GET /users/me': 'read' } } as const

/** Guards as an app makes them that has no instance at hand. */
const routes: readonly [path: string, ...handlers: RequestHandler[]][] = [
  ['/login', requireLogin()],
  ['/second-login', secondOf(), requireLogin({ name: 'second' })],
  ['/all', requireScopes('incidents.read', 'users.read')],
  ['/more', requireScopes('abilities.read')],
  ['/any', requireAnyScope('abilities.read', 'tags.read')],
  ['/answered', answering, requireScopes('services.read')],
  ['/without', nameless, requireScopes('users.read', noting)],
  ['/classic-all', requireScopes('users.read', read, noting)],
  ['/classic-any', requireAnyScope('users.read', read, noting)],
  ['/classic-for', requireScopesFor('GET /users', 'GET /users/me', classic)],
]

/** Takes the login of one instance for that of another. */
function secondOf(): RequestHandler {
  return (req, _res, next) => {
    Object.assign(req, { second: req.pagerduty })
    next()
  }
}

const statusOf = async (path: string, browser = ada) => (await app.get(browser, path)).status

describe('a guard without an instance', () => {
  test('lets permitted users through, and no one else', async () => {
    for (const path of ['/login', '/second-login', '/all']) {
      expect([path, await statusOf(path)]).toEqual([path, 200])
      expect([path, await statusOf(path, new Browser())]).toEqual([path, 401])
    }
    expect(await statusOf('/more')).toBe(403)
    expect(handled).toHaveBeenCalledTimes(3)
  })

  test('sends a browser to the login path that its name has by itself', async () => {
    const sent = async (path: string) => (await new Browser().visit(app.url + path)).headers.get('location')
    expect(await sent('/login')).toBe('/auth/pagerduty?returnTo=%2Flogin')
    expect(await sent('/second-login')).toBe('/auth/second?returnTo=%2Fsecond-login')
  })

  test('names what may be requested at the login path', async () => {
    const denied = await ada.visit(`${app.url}/more`)
    const location = denied.headers.get('location') as string
    expect(location).toBe('/auth/pagerduty?scope=abilities.read&returnTo=%2Fmore')
    const asked = (await ada.visit(app.url + location)).headers.get('location') as string
    expect(new URL(asked).searchParams.get('scope')?.split(' ')).toContain('abilities.read')
  })

  test('on any of several scopes requests one of them', async () => {
    const denied = await ada.visit(`${app.url}/any`)
    expect(denied.headers.get('location')).toBe('/auth/pagerduty?scope=abilities.read&returnTo=%2Fany')
  })

  test('says so if the login has not been looked up, and lets no one through', async () => {
    expect(await statusOf('/without')).toBe(500)
    expect(failed).toEqual(['sessionTokens'])
    expect(handled).not.toHaveBeenCalled()
  })

  test('on a scope of the other kind of app says so, among others too, though one of any would do', async () => {
    for (const path of ['/classic-all', '/classic-any', '/classic-for'])
      expect([path, await statusOf(path)]).toEqual([path, 500])
    expect(failed).toEqual(['scopes', 'scopes', 'scopes'])
    expect(handled).not.toHaveBeenCalled()
  })

  test('leaves an earlier response unchanged', async () => {
    for (const browser of [ada, new Browser()]) {
      const answer = await app.get(browser, '/answered')
      expect([answer.status, await answer.json()]).toEqual([200, 'answered before'])
    }
  })
})

describe('a guard whose access token has ended', () => {
  /** The handler has run only after PagerDuty has been asked. */
  const refreshes = () => simulator.calls.token.refresh_token
  afterEach(() => jest.restoreAllMocks())

  beforeEach(() => {
    const now = Date.now()
    jest.spyOn(Date, 'now').mockImplementation(() => now + 25 * 60 * 60_000)
  })

  test('waits until it is refreshed', async () => {
    const before = refreshes()
    let seen = 0
    handled.mockImplementation(() => (seen = refreshes()))
    expect(await statusOf('/all')).toBe(200)
    expect(seen).toBe(before + 1)
  })

  test('denies a user whose grant PagerDuty has ended', async () => {
    simulator.revokeAll()
    expect(await statusOf('/all')).toBe(401)
    expect(handled).not.toHaveBeenCalled()
  })
})

describe('the error for an invalid guard names', () => {
  const refusal = (make: () => unknown): ConfigurationError => {
    try {
      make()
    } catch (error) {
      if (error instanceof ConfigurationError) return error
      throw error
    }
    throw new Error('It was accepted')
  }
  const makers: readonly ((...names: never[]) => unknown)[] = [
    requireScopes as never,
    requireAnyScope as never,
    requireScopesFor as never,
  ]

  test.each<[string, unknown[]]>([
    ['an empty text', ['users.read', '']],
    ['undefined', ['users.read', undefined]],
    ['undefined before options', [undefined, { stepUp: false }]],
    ['a number', [5]],
    ['a list', [['users.read']]],
    ['null', [null]],
  ])('its scopes: %s', (_what, names) => {
    const operations = names.map((name) => (name === 'users.read' ? 'GET /users' : name))
    for (const make of makers) {
      const given = make === makers[2] ? operations : names
      expect(refusal(() => make(...(given as never[]))).option).toBe('scopes')
    }
  })

  test.each([
    [['users.read', 'incidents.read services.read']],
    [['incidents.read services.read', 'users.read']],
  ])('its scopes: several in one string, of %j', (names) => {
    expect(refusal(() => requireScopes(...(names as Scope[]))).option).toBe('scopes')
    expect(refusal(() => requireAnyScope(...(names as Scope[]))).option).toBe('scopes')
  })

  test('its operations: none, one that is unknown, and one that declares no scope, with what to write instead', () => {
    expect(refusal(() => requireScopesFor()).option).toBe('operations')
    const unknown = refusal(() => requireScopesFor('GET /nothing' as Operation))
    expect(unknown.option).toBe('operations')
    expect(unknown.hint).toContain(
      "requireScopesFor('GET /nothing', { scopes: { 'GET /nothing': 'incidents.read' } })",
    )
    const concrete = refusal(() => requireScopesFor('HEAD /users/me?a=b' as Operation))
    expect(concrete.option).toBe('operations')
    expect(concrete.hint).toContain(
      "requireScopesFor('HEAD /users/me?a=b', { scopes: { 'GET /users/me': 'incidents.read' } })",
    )
  })
})
