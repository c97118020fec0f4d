import { once } from 'node:events'
import { connect } from 'node:net'
import type { Request, Response as ServerResponse } from 'express'
import {
  AppTokens,
  type ConfigurationError,
  MemoryTokenStore,
  type PagerDutyOptions,
  pagerduty,
} from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { serve } from '../support/app'
import { Browser } from '../support/browser'
import { startDropIn } from '../support/drop-in'

const secret = 'a secret of thirty-two characters or more, for tests'
const client: PagerDutyOptions = {
  clientID: 'a',
  clientSecret: 'b',
  callbackURL: 'https://app.example/auth/pagerduty/callback',
  scope: 'incidents.read',
  tokenStore: new MemoryTokenStore(),
  secret,
}

let simulator: Simulator
beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())

/** The option at fault, with what is said about it. */
function refusal(options: PagerDutyOptions): ConfigurationError | undefined {
  try {
    pagerduty({ ...client, ...options }).auth()
    return undefined
  } catch (error) {
    return error as ConfigurationError
  }
}

describe('routes that cannot work are rejected at start-up:', () => {
  test.each([
    '/login?from=app',
    '/login#top',
    'login',
    '//evil.example',
    '/\\evil.example',
    '/a b',
    '/lögin',
    '/a/../b',
  ])('a login or logout at %j', (path) => {
    for (const route of ['login', 'logout'] as const) {
      expect(refusal({ routes: { [route]: path } })).toMatchObject({
        option: `routes.${route}`,
        message: expect.stringContaining('must be a path') as string,
      })
    }
  })

  test.each<[string, PagerDutyOptions, string]>([
    ['the end of a login on the home page', { callbackURL: 'https://app.example' }, 'callbackURL'],
    ['the same with a query', { callbackURL: 'https://app.example/?a=b' }, 'callbackURL'],
    ['the login where logins end', { routes: { login: '/auth/pagerduty/callback' } }, 'routes.login'],
    ['the same by default', { callbackURL: 'https://app.example/auth/pagerduty' }, 'routes.login'],
    ['the logout where logins begin', { routes: { login: '/a', logout: '/a' } }, 'routes.logout'],
    ['the logout where logins end', { routes: { logout: '/auth/pagerduty/callback' } }, 'routes.logout'],
    ...['//evil.example', '/\\evil.example', 'welcome', '', '/a\nb', 'ftp://app.example', 5].map(
      (home): [string, PagerDutyOptions, string] => [
        `a home page at ${JSON.stringify(home)}`,
        { routes: { home: home as string } },
        'routes.home',
      ],
    ),
    ['no routes', { routes: null as never }, 'routes'],
    ['a home page that no header can name', { routes: { home: '/日本' } }, 'routes.home'],
    ['a home page where logins begin', { routes: { home: '/auth/pagerduty?again' } }, 'routes.home'],
    ['a home page where logins end', { routes: { home: '/auth/pagerduty/callback' } }, 'routes.home'],
  ])('%s', (_what, options, option) => {
    expect(refusal(options)).toMatchObject({ name: 'ConfigurationError', option })
  })

  test('others are not', () => {
    expect(refusal({})).toBeUndefined()
    expect(refusal({ routes: { login: '/in', logout: '/out', home: '/start?tab=1#top' } })).toBeUndefined()
    expect(refusal({ routes: { home: 'https://www.app.example/' } })).toBeUndefined()
  })

  test('a callback without a path works beside routes of the app’s own, and for app tokens', () => {
    const pd = pagerduty({ ...client, callbackURL: 'https://app.example' })
    expect(pd.sessionTokens()).toBeInstanceOf(Function)
    expect(new AppTokens({ clientID: 'a', clientSecret: 'b', account: 'us.acme' })).toBeDefined()
  })
})

describe('a guard where there is no session', () => {
  test('because the cookie is for another path, says so', async () => {
    const onError = jest.fn((error: Error, _req: Request, res: { status(code: number): { end(): void } }) =>
      res.status((error as ConfigurationError).status).end(),
    )
    const app = await startDropIn(
      simulator,
      { session: { cookie: { path: '/app' } }, callbackURL: 'http://localhost/app/callback', onError },
      (express, pd) => {
        express.get('/app/here', pd.requireLogin())
        express.get('/elsewhere', pd.requireLogin())
      },
    )
    expect((await app.get(new Browser(), '/app/here')).status).toBe(401)
    const warned = jest.fn()
    app.pd.on('warning', warned)
    expect((await app.get(new Browser(), '/elsewhere?a=1')).status).toBe(500)
    expect(warned).toHaveBeenCalledWith({
      error: expect.objectContaining({ option: 'session.cookie.path' }) as Error,
    })
    expect(onError.mock.calls.map(([error]) => error)).toMatchObject([
      { code: 'ERR_PAGERDUTY_UNAUTHORIZED' },
      { option: 'session.cookie.path', message: expect.stringMatching(/"\/app".*"\/elsewhere"/) as string },
    ])
    await app.close()
  })

  test('because the app mounted none, says to mount one, and not that Redis is down', async () => {
    const callbackURL = 'http://localhost/auth/pagerduty/callback'
    const onError = jest.fn((_error: Error, _req: Request, res: { end(): void }) => res.end())
    const app = await serve((express) => {
      const pd = pagerduty({ ...simulator.options(), scope: 'incidents.read', callbackURL, onError })
      express.use(pd.sessionTokens())
      express.get('/', pd.requireLogin())
    })
    await new Browser().fetch(app.url)
    expect(onError.mock.calls[0]?.[0]).toMatchObject({
      code: 'ERR_PAGERDUTY_TOKEN_STORE',
      message: expect.stringContaining('has no session') as string,
      hint: expect.stringMatching(/^Mount your session middleware before pd\.sessionTokens\(\)/) as string,
    })
    await app.close()
  })

  test('because the request has no path, responds as if no user were logged in', async () => {
    const app = await startDropIn(simulator, {}, (express, pd) => express.use(pd.requireLogin()))
    const { port } = new URL(app.url)
    const socket = connect(Number(port), '127.0.0.1')
    socket.end('OPTIONS * HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 401 /)
    await app.close()
  })
})

test('what another middleware of the app makes impossible fails the request, and hangs none', async () => {
  const app = await serve((express, url) => {
    const callbackURL = `${url}/auth/pagerduty/callback`
    const pd = pagerduty({ ...simulator.options(), scope: 'incidents.read', callbackURL })
    express.use((req, _res, next) => {
      if (req.path === '/') Object.defineProperty(req, 'user', { get: () => null })
      next()
    })
    express.use(pd.auth())
    express.get('/', (req, res) => void res.json(req.user))
    express.use(
      (_error: unknown, _req: Request, res: ServerResponse, _next: unknown) => void res.sendStatus(500),
    )
  })
  const browser = new Browser()
  const begun = await browser.visit(`${app.url}/auth/pagerduty`)
  await browser.visit(await approve(begun.headers.get('location') as string, { user: 'PACME01' }))
  expect((await browser.visit(app.url)).status).toBe(500)
  await app.close()
})
