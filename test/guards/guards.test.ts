import fc from 'fast-check'
import {
  ConfigurationError,
  MemoryTokenStore,
  type Operation,
  pagerduty,
  requireAnyScope,
  requireLogin,
  requireScopes,
  requireScopesFor,
  type Scope,
  sessionTokens,
} from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { runs } from '../fuzz/runs'
import { serve } from '../support/app'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

const secret = 'a secret of thirty-two characters or more, for tests'

let simulator: Simulator
let app: DropIn
const handled = jest.fn()

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())
beforeEach(async () => {
  handled.mockClear()
  app = await startDropIn(simulator, {}, (express, pd) => {
    express.all('/guarded', pd.requireScopes('services.read'), (_req, res) => {
      handled()
      res.json('through')
    })
    express.get(
      '/any',
      pd.requireAnyScope('services.read', 'users.read'),
      (_req, res) => void res.json('through'),
    )
    express.get(
      '/none',
      pd.requireAnyScope('services.read', 'oncalls.read'),
      (_req, res) => void res.json('through'),
    )
    express.get(
      '/throws',
      pd.requireLogin(),
      (req, res) => void res.json(req.pagerduty.missing('services.read')),
    )
  })
})
afterEach(() => app.close())

describe('without a logged-in user', () => {
  test('a navigation goes to the login, and comes back', async () => {
    const denied = await new Browser().visit(`${app.url}/guarded?a=1&b=2`)
    expect(denied.status).toBe(302)
    expect(denied.headers.get('location')).toBe('/auth/pagerduty?returnTo=%2Fguarded%3Fa%3D1%26b%3D2')
    expect(denied.headers.get('cache-control')).toBe('no-store')
  })

  test.each([
    ['fetch()', 'GET', { 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty', Accept: '*/*' }],
    ['XMLHttpRequest', 'GET', { 'X-Requested-With': 'XMLHttpRequest', Accept: 'text/html' }],
    ['an API client', 'GET', { Accept: 'application/json' }],
    ['a client that says nothing', 'GET', {}],
    ['a frame', 'GET', { ...Browser.navigation, 'Sec-Fetch-Dest': 'iframe' }],
    ['a form', 'POST', Browser.navigation],
    ['HEAD', 'HEAD', Browser.navigation],
    ['PUT', 'PUT', {}],
    ['OPTIONS', 'OPTIONS', {}],
  ])('%s gets 401 with a bare challenge', async (_who, method, headers) => {
    const denied = await new Browser().fetch(`${app.url}/guarded`, { method, headers: headers as never })
    expect(denied.status).toBe(401)
    expect(denied.headers.get('www-authenticate')).toBe('Bearer')
    expect(handled).not.toHaveBeenCalled()
  })

  test('a script gets RFC 9457 JSON', async () => {
    const denied = await app.get(new Browser(), '/guarded')
    expect(denied.headers.get('content-type')).toBe('application/problem+json')
    expect(await denied.json()).toEqual({
      title: 'Log in with PagerDuty first',
      status: 401,
      code: 'ERR_PAGERDUTY_UNAUTHORIZED',
      loginURL: '/auth/pagerduty',
    })
  })

  test.each([
    '//guarded',
    '/guarded/',
    '/GUARDED',
    '/%67uarded',
    '/./guarded',
    '/x/../guarded',
    '/guarded;a',
    '/guarded%00',
  ])('no spelling of the path reaches the handler: %s', async (path) => {
    for (const method of ['GET', 'HEAD', 'POST']) {
      await new Browser().fetch(app.url + path, { method, headers: { 'X-HTTP-Method-Override': 'GET' } })
    }
    expect(handled).not.toHaveBeenCalled()
  })
})

describe('with a scope missing', () => {
  test('a script gets 403 with the challenge and what is missing', async () => {
    const { browser } = await app.logIn()
    const denied = await app.get(browser, '/services')
    expect(denied.status).toBe(403)
    expect(denied.headers.get('www-authenticate')).toBe(
      'Bearer error="insufficient_scope", scope="services.read incidents.read"',
    )
    expect(await denied.json()).toMatchObject({
      status: 403,
      code: 'insufficient_scope',
      required: ['services.read', 'incidents.read'],
      missing: ['services.read'],
    })
  })

  test('a navigation gets a page that names the scope after a step-up that did not grant it', async () => {
    const { browser } = await app.logIn()
    simulator.configure('simulator-client', { scope: ['incidents.read', 'users.read'] })
    simulator.settings.autoApprove = 'PACME01'
    const denied = await browser.follow(`${app.url}/services`)
    expect(denied.status).toBe(403)
    expect(denied.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(denied.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(await denied.text()).toContain('services.read')
  })

  test('any of several is enough for requireAnyScope, none is not', async () => {
    const { browser } = await app.logIn()
    expect((await app.get(browser, '/any')).status).toBe(200)
    expect((await app.get(browser, '/none')).status).toBe(403)
  })

  test('handlers see what is missing', async () => {
    const { browser } = await app.logIn()
    expect(await (await app.get(browser, '/throws')).json()).toEqual(['services.read'])
  })

  test('a requested scope that was not granted is missing', async () => {
    simulator.configure('simulator-client', { scope: ['users.read'] })
    const { browser } = await app.logIn()
    simulator.configure('simulator-client', { scope: ['incidents.read', 'users.read'] })
    expect(await (await app.get(browser, '/incidents')).json()).toMatchObject({
      code: 'insufficient_scope',
      missing: ['incidents.read'],
    })
  })
})

describe('Classic and Scoped', () => {
  test.each([
    ['write', 'read', 200],
    ['write', 'write', 200],
    ['read', 'read', 200],
    ['read', 'write', 403],
  ])('a Classic grant of %s at a guard that requires %s gets %i', async (granted, required, status) => {
    const classic = await startPagerDuty({
      clients: [{ clientID: 'classic', clientSecret: 'x', appType: 'classic', scope: [granted] }],
    })
    const other = await serve((express, url) => {
      const pd = pagerduty({
        ...classic.options(),
        scope: granted,
        callbackURL: `${url}/auth/pagerduty/callback`,
      })
      express.use(pd.auth())
      express.get('/', pd.requireScopes(required as Scope), (_req, res) => void res.json('through'))
    })
    const browser = new Browser()
    const begun = await browser.visit(`${other.url}/auth/pagerduty`)
    await browser.visit(await approve(begun.headers.get('location') as string))
    expect((await browser.fetch(other.url)).status).toBe(status)
    await other.close()
    await classic.close()
  })

  test('a Scoped write does not cover the read', async () => {
    const writer = await startDropIn(simulator, { scope: 'incidents.write' })
    simulator.configure('simulator-client', { scope: ['incidents.write'] })
    const { browser } = await writer.logIn()
    expect((await writer.get(browser, '/incidents')).status).toBe(403)
    await writer.close()
  })
})

describe('at the start', () => {
  test.each([
    ['nothing', () => requireScopes()],
    ['options only', () => requireScopes({ name: 'pagerduty' })],
    ['an empty text', () => requireScopes('' as Scope)],
    ['two scopes in one text', () => requireScopes('incidents.read users.read' as Scope)],
    ['undefined', () => requireScopes(undefined as never)],
    ['a list', () => requireScopes(['incidents.read'] as never)],
    ['nothing, for any', () => requireAnyScope()],
  ])('a guard on %s is rejected', (_what, make) => {
    expect(make).toThrow(ConfigurationError)
  })

  test.each<[string, unknown[]]>([
    ['undefined between scopes', ['users.read', undefined]],
    ['undefined before options', [undefined, { stepUp: false }]],
    ['undefined after a scope and options', ['users.read', { stepUp: false }, undefined]],
    ['a list after a scope', ['users.read', ['incidents.write']]],
    ['null', ['users.read', null]],
    ['a number', ['users.read', 5]],
    ['options between scopes', ['users.read', { stepUp: false }, 'incidents.write']],
    ['options twice', ['users.read', { stepUp: false }, { stepUp: true }]],
    ['an empty text', ['users.read', '']],
  ])('%s is rejected instead of making a guard that requires less', (_what, args) => {
    const { pd } = app
    const operations = args.map((one) => (one === 'users.read' ? 'GET /users' : one))
    for (const make of [
      () => requireScopes(...(args as Scope[])),
      () => requireAnyScope(...(args as Scope[])),
      () => requireScopesFor(...(operations as Operation[])),
      () => pd.requireScopes(...(args as Scope[])),
      () => pd.requireAnyScope(...(args as Scope[])),
      () => pd.requireScopesFor(...(operations as Operation[])),
    ]) {
      expect(make).toThrow(ConfigurationError)
    }
  })

  test.each<[string, unknown]>([
    ['a scope', 'incidents.write'],
    ['a list of scopes', ['incidents.write']],
    ['the option scope', { scope: 'incidents.write' }],
    ['the option scopes', { scopes: ['incidents.write'] }],
    ['null', null],
    ['a number', 5],
  ])('requireLogin with %s is rejected, since it would not require it', (_what, options) => {
    expect(() => requireLogin(options as never)).toThrow(ConfigurationError)
    expect(() => app.pd.requireLogin(options as never)).toThrow(ConfigurationError)
  })

  test('scopes in the options of another guard are rejected', () => {
    const { pd } = app
    const scope = { scope: 'incidents.write' } as never
    const scopes = { scopes: ['incidents.write'] } as never
    for (const make of [
      () => requireScopes('users.read', scope),
      () => requireAnyScope('users.read', scopes),
      () => requireScopesFor('GET /users', scope),
      () => pd.requireScopes('users.read', scopes),
      () => pd.requireAnyScope('users.read', scope),
      () => pd.requireScopesFor('GET /users', scope),
    ]) {
      expect(make).toThrow(/^"scopes?" is no option of this guard/)
    }
  })

  test('options of a guard that are undefined are none', () => {
    expect(() => requireLogin(undefined)).not.toThrow()
    expect(() => app.pd.requireLogin({ name: undefined, scope: undefined } as never)).not.toThrow()
  })

  describe('Classic and Scoped are distinguished', () => {
    const connection = { clientID: 'a', clientSecret: 'b', callbackURL: 'https://app.example/cb', secret }
    const scoped = pagerduty({ ...connection, appType: 'scoped', scope: 'incidents.read' })
    const classic = pagerduty({ ...connection, appType: 'classic', scope: 'read' })
    const classicOnly = /"read", which only Classic User OAuth knows; a Scoped app requests/
    const scopedOnly = /"incidents.read", which only Scoped OAuth knows; a Classic app requests/
    afterAll(() => Promise.all([scoped.close(), classic.close()]))

    test.each<[string, () => unknown, RegExp]>([
      ['scope: read', () => pagerduty({ ...connection, scope: 'read' }), classicOnly],
      [
        'stepUpScope: read',
        () => pagerduty({ ...connection, scope: 'users.read', stepUpScope: ['read'] }),
        classicOnly,
      ],
      ['requireScopes', () => scoped.requireScopes('users.read', 'read'), classicOnly],
      ['requireAnyScope', () => scoped.requireAnyScope('users.read', 'read'), classicOnly],
      [
        'the stepUpScope of a guard',
        () => scoped.requireScopes('users.read', { stepUpScope: ['read'] }),
        classicOnly,
      ],
      [
        'requireScopesFor',
        () => scoped.requireScopesFor('GET /users/me', { scopes: { 'GET /users/me': 'read' } }),
        classicOnly,
      ],
    ])('in a Scoped app: %s is rejected', (_where, make, reason) => {
      expect(make).toThrow(reason)
    })

    test.each<[string, () => unknown]>([
      ['scope', () => pagerduty({ ...connection, appType: 'classic', scope: 'incidents.read' })],
      [
        'stepUpScope',
        () =>
          pagerduty({ ...connection, appType: 'classic', scope: 'read', stepUpScope: ['incidents.read'] }),
      ],
      ['requireScopes', () => classic.requireScopes('read', 'incidents.read')],
      ['requireAnyScope', () => classic.requireAnyScope('read', 'incidents.read')],
      [
        'requireScopesFor',
        () => classic.requireScopesFor('GET /users/me', { scopes: { 'GET /users/me': 'incidents.read' } }),
      ],
    ])('in a Classic app: incidents.read in %s is rejected', (_where, make) => {
      expect(make).toThrow(scopedOnly)
    })

    test('scopes of the right kind are accepted', () => {
      for (const make of [
        () => classic.requireScopesFor('GET /incidents', 'POST /incidents'),
        () => classic.requireScopesFor('GET /users/me', { scopes: { 'GET /users/me': 'read' } }),
        () => classic.requireScopes('read', 'openid'),
        () => scoped.requireScopes('incidents.read', 'openid'),
        () => scoped.requireScopes('incidents.read', { stepUpScope: [] }),
      ]) {
        expect(make).not.toThrow()
      }
    })
  })

  test('partialGrant knows its words', () => {
    const make = () => startDropIn(simulator, { partialGrant: 'Fail' as 'fail' })
    return expect(make()).rejects.toThrow(/"partialGrant" must be "accept", "fail" or a function/)
  })
})

describe('a guard fails closed', () => {
  const forged = [
    ['nothing', undefined],
    [
      'an object that looks like a login',
      { user: { id: 'x' }, has: () => true, missing: () => [], confirm() {} },
    ],
    ['a text', 'logged in'],
    ['null', null],
  ] as const

  test.each(forged)('on %s in the place of req.pagerduty', async (_what, value) => {
    const bare = await serve((express) => {
      express.use((req, _res, next) => {
        Object.assign(req, { pagerduty: value, user: { id: 'admin' } })
        next()
      })
      express.get('/', requireLogin(), (_req, res) => void res.json(handled()))
    })
    expect((await new Browser().fetch(bare.url)).status).toBe(500)
    expect(handled).not.toHaveBeenCalled()
    await bare.close()
  })

  test('when the store is broken', async () => {
    const store = new MemoryTokenStore()
    const broken = await startDropIn(simulator, {
      tokenStore: store,
      secret: 'a secret of thirty-two characters or more, for tests',
    })
    simulator.configure('simulator-client', { scope: ['incidents.read'] })
    const { browser } = await broken.logIn()
    expect((await broken.get(browser)).status).toBe(200)
    jest.spyOn(store, 'getMany').mockRejectedValue(new Error('broken'))
    expect((await broken.get(browser)).status).toBe(503)
    jest.restoreAllMocks()
    expect((await broken.get(browser)).status).toBe(200)
    await broken.close()
  })

  test('on whatever a session holds as a grant id', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.jsonValue(), fc.string()), async (value) => {
        let status = 0
        const tokens = sessionTokens({
          ...simulator.options(),
          scope: 'incidents.read',
          callbackURL: 'https://app.example/cb',
          tokenStore: new MemoryTokenStore(),
          secret: 'a secret of thirty-two characters or more, for tests',
        })
        const req = {
          session: { id: 'the session', pagerduty: value, regenerate() {}, destroy() {}, save() {} },
          headers: {},
          method: 'GET',
          originalUrl: '/',
        }
        const res = {
          getHeader() {},
          setHeader() {},
          end: () => (status = (res as { statusCode?: number }).statusCode ?? 0),
        }
        await new Promise<void>((resolve, reject) => {
          tokens(req as never, res as never, (error) => (error ? reject(error as Error) : resolve()))
        })
        void requireLogin()(req as never, res as never, () => (status = 200))
        expect(status).toBe(401)
      }),
      runs(200),
    )
  })
})

describe('onError', () => {
  test('takes over the responses, for one guard or for all', async () => {
    const own = await startDropIn(
      simulator,
      { onError: (error, _req, res) => void res.status(error.status).json({ mine: error.code }) },
      (express, pd) => {
        express.get(
          '/own',
          pd.requireScopes('users.read', {
            onError: (error, _req, res) => void res.status(499).json(error.code),
          }),
          (_req, res) => void res.json('through'),
        )
      },
    )
    const denied = await own.get(new Browser())
    expect([denied.status, await denied.json()]).toEqual([401, { mine: 'ERR_PAGERDUTY_UNAUTHORIZED' }])
    expect((await own.get(new Browser(), '/own')).status).toBe(499)
    await own.close()
  })

  test('may pass the error on to Express, which responds with its status and headers', async () => {
    const handing = await startDropIn(
      simulator,
      { onError: (error, _req, _res, next) => next(error) },
      (express) => {
        express.use(
          (
            error: Error & { status: number },
            _req: unknown,
            res: import('express').Response,
            _next: unknown,
          ) => {
            res.status(error.status).json({ express: error.name })
          },
        )
      },
    )
    const denied = await handing.get(new Browser())
    expect([denied.status, await denied.json()]).toEqual([401, { express: 'UnauthorizedError' }])
    await handing.close()
  })
})

test('the scopes that functions of the app get cannot be changed, so that no guard believes what was not granted', async () => {
  const simulator = await startPagerDuty()
  simulator.configure('simulator-client', { scope: ['incidents.read'] })
  const app = await startDropIn(simulator, {
    scope: ['incidents.read', 'users.read'],
    verify: ({ user, grantedScopes, tokens }) => {
      for (const scopes of [grantedScopes, tokens.scope]) {
        expect(() => (scopes as string[]).push('users.read')).toThrow(TypeError)
      }
      return user
    },
  })
  expect((await app.logIn()).finished.status).toBe(302)
  await app.close()
  await simulator.close()
})

test('a handler whose guard was forgotten denies an anonymous visitor, and has the user and grant of a logged-in one', async () => {
  simulator.configure('simulator-client', { scope: ['incidents.read', 'users.read'] })
  const forgetful = await startDropIn(simulator, {}, (express) => {
    express.get('/forgotten', (req, res) => {
      const { user, grantID, grantedScopes } = req.pagerduty.requireLogin()
      res.json([user.id, grantID === req.pagerduty.grantID, grantedScopes])
    })
  })
  const denied = await forgetful.get(new Browser(), '/forgotten')
  expect([denied.status, await denied.json()]).toMatchObject([401, { code: 'ERR_PAGERDUTY_UNAUTHORIZED' }])
  const { browser } = await forgetful.logIn()
  const scopes = ['openid', 'incidents.read', 'users.read']
  expect(await (await forgetful.get(browser, '/forgotten')).json()).toEqual(['PACME01', true, scopes])
  await forgetful.close()
})
