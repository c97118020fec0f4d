import type { Express } from 'express'
import { InsufficientScopeError, type PagerDuty, requireScopes } from '../../src'
import type { Denial } from '../../src/observability/event-types'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

let simulator: Simulator
let app: DropIn
/** Logged in, with incidents.read and users.read. */
let ada: Browser
const heard: Denial[] = []

beforeAll(async () => {
  simulator = await startPagerDuty()
  simulator.configure('simulator-client', { scope: ['incidents.read', 'users.read'] })
  app = await startDropIn(simulator, {}, addRoutes)
  ada = (await app.logIn()).browser
  app.pd.on('denied', (denial) => void heard.push(denial))
})
afterAll(async () => {
  await app.close()
  await simulator.close()
})
beforeEach(() => void heard.splice(0))

function addRoutes(express: Express, pd: PagerDuty): void {
  const through = (_req: unknown, res: { json(body: string): unknown }) => void res.json('through')
  express.all('/two', pd.requireScopes('oncalls.read', 'teams.read'), through)
  express.get('/any', pd.requireAnyScope('oncalls.read', 'teams.read'), through)
  const one = { stepUpScope: ['oncalls.read'] }
  express.get('/one-of-two', pd.requireScopes('oncalls.read', 'teams.read', one), through)
  express.get('/one-of-any', pd.requireAnyScope('teams.read', 'oncalls.read', one), through)
  express.get('/no-step-up', pd.requireScopes('oncalls.read', { stepUp: false }), through)
  express.get(/^\/pattern/, pd.requireLogin(), through)
  express.get('/own-path', pd.requireScopes('oncalls.read', { loginPath: '/login?via=pd' }), through)
  express.get(
    '/own-answer',
    pd.requireScopes('oncalls.read', { onError: ({ code }, _req, res) => void res.status(499).json(code) }),
    through,
  )
  express.get('/thrown', () => {
    throw new InsufficientScopeError(['oncalls.read'], ['oncalls.read'])
  })
  express.get('/thrown-though-granted', () => {
    throw new InsufficientScopeError(['users.read'], ['users.read'])
  })
  express.get('/other-instance', requireScopes('oncalls.read', { name: 'another' }), through)
}

/** A navigation: its status, and where it is sent. */
async function sent(path: string, browser = new Browser()): Promise<string> {
  const answer = await browser.visit(app.url + path)
  return [answer.status, answer.headers.get('location')].filter(Boolean).join(' ')
}

/** A form that was sent from a page. */
async function posted(referer: string): Promise<string | null> {
  const headers = { ...Browser.navigation, Referer: referer }
  return (await ada.fetch(`${app.url}/two`, { method: 'POST', headers })).headers.get('location')
}

/** The URL that the JSON response gives a script for requesting more scopes. */
async function stepUpURL(path: string, browser = ada): Promise<unknown> {
  return ((await (await app.get(browser, path)).json()) as { stepUpURL?: string }).stepUpURL
}

describe('who is sent to log in', () => {
  test('comes back to the very page, or without further ado to the start page', async () => {
    expect(await sent('/me?a=1&b=2')).toBe('302 /auth/pagerduty?returnTo=%2Fme%3Fa%3D1%26b%3D2')
    expect(await sent(`/me?${'a'.repeat(400)}`)).toBe('302 /auth/pagerduty')
  })

  test('comes back also where the login path has a query of its own', async () => {
    expect(await sent('/own-path')).toBe('302 /login?via=pd&returnTo=%2Fown-path')
  })

  test('is not sent where a form would be lost on the way', async () => {
    const headers = { ...Browser.navigation, Referer: `${app.url}/form` }
    const denied = await new Browser().fetch(`${app.url}/two`, { method: 'POST', headers })
    expect([denied.status, denied.headers.get('location')]).toEqual([401, null])
  })

  test('is not sent if the app responds itself', async () => {
    expect(await sent('/own-answer')).toBe('499')
    expect(await sent('/own-answer', ada)).toBe('499')
  })
})

describe('who is sent to consent', () => {
  test('is asked to grant every missing scope of those required together', async () => {
    expect(await sent('/two', ada)).toBe('302 /auth/pagerduty?scope=oncalls.read+teams.read&returnTo=%2Ftwo')
    expect(await stepUpURL('/two')).toBe('/auth/pagerduty?scope=oncalls.read+teams.read')
  })

  test('is asked to grant one of several alternatives: the first that may be requested', async () => {
    expect(await sent('/any', ada)).toBe('302 /auth/pagerduty?scope=oncalls.read&returnTo=%2Fany')
    expect(await sent('/one-of-any', ada)).toBe(
      '302 /auth/pagerduty?scope=oncalls.read&returnTo=%2Fone-of-any',
    )
  })

  test('is not asked where that would not be enough', async () => {
    for (const path of ['/one-of-two', '/no-step-up', '/thrown-though-granted']) {
      expect([path, await sent(path, ada)]).toEqual([path, '403'])
      expect([path, await stepUpURL(path)]).toEqual([path, undefined])
    }
  })

  test('is a user who is logged in through the same instance', async () => {
    expect(await sent('/thrown', ada)).toBe('302 /auth/pagerduty?scope=oncalls.read&returnTo=%2Fthrown')
    expect(await sent('/thrown')).toBe('403')
    expect(await stepUpURL('/thrown', new Browser())).toBeUndefined()
    const denied = await app.get(ada, '/other-instance')
    expect(await denied.json()).toMatchObject({ status: 500, code: 'ERR_PAGERDUTY_CONFIGURATION' })
  })

  test('comes back to the page that a form was sent from, and only to one of this host', async () => {
    const to = (path: string) =>
      `/auth/pagerduty?scope=oncalls.read+teams.read&returnTo=${encodeURIComponent(path)}`
    expect(await posted(`${app.url}/form?a=1`)).toBe(to('/form?a=1'))
    for (const referer of [
      '',
      'form',
      '/form',
      'http://',
      'https://evil.example/form',
      `${app.url}//evil.example`,
    ])
      expect([referer, await posted(referer)]).toEqual([referer, to('/')])
    const { headers } = await ada.fetch(`${app.url}/two`, { method: 'POST', headers: Browser.navigation })
    expect(headers.get('location')).toBe(to('/'))
  })
})

describe('a denial is reported', () => {
  test('with what was done about it, and everything that the route needs', async () => {
    await sent('/two', ada)
    const { user, grantID, ...rest } = heard[0] as Denial
    expect(user?.id).toBe('PACME01')
    expect(await app.pd.grants.get(grantID as string)).toBeDefined()
    expect(rest).toEqual({
      reason: 'insufficient_scope',
      status: 403,
      action: 'stepUp',
      method: 'GET',
      route: '/two',
      required: ['oncalls.read', 'teams.read'],
      missing: ['oncalls.read', 'teams.read'],
    })
  })

  test('once per request, with the action taken, and without a user if none is logged in', async () => {
    await sent('/me')
    await app.get(new Browser(), '/me')
    expect(heard.map(({ action }) => action)).toEqual(['login', 'error'])
    expect(heard[1]).toEqual({
      reason: 'ERR_PAGERDUTY_UNAUTHORIZED',
      status: 401,
      action: 'error',
      method: 'GET',
      route: '/me',
      required: [],
      missing: [],
      user: undefined,
      grantID: undefined,
    })
  })

  test('without a route if the app’s own route is not a string', async () => {
    await app.get(new Browser(), '/pattern/secret')
    expect(heard).toMatchObject([{ status: 401, route: undefined }])
  })

  test('only by the instance that the login belongs to', async () => {
    await sent('/other-instance', ada)
    expect(heard).toEqual([])
  })
})
