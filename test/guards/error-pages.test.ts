import {
  AuthorizationResponseError,
  InsufficientScopeError,
  LoginRequiredError,
  type OnError,
  type PagerDutyOptions,
  RequestRefusedError,
} from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'
import { HeldStore } from '../support/held-store'

let simulator: Simulator
let app: DropIn
const store = new HeldStore()

beforeAll(async () => {
  simulator = await startPagerDuty()
  app = await start({
    tokenStore: store,
    secret: 'a secret of thirty-two characters or more, for tests',
    routes: { home: '/start' },
    verify: ({ user }) => user.id !== 'PACME02' && user,
  })
})
afterEach(() => {
  store.fault = undefined
  simulator.clearFaults()
})
afterAll(async () => {
  await app.close()
  await simulator.close()
})

function start(options: PagerDutyOptions = {}): Promise<DropIn> {
  return startDropIn(simulator, options, (express, pd) => {
    express.get('/ended', () => {
      throw new LoginRequiredError()
    })
    express.get('/failed/:code', ({ params: { code } }) => {
      throw new AuthorizationResponseError('The login failed', { code, status: 403 })
    })
    express.get('/refused', () => {
      throw new RequestRefusedError('Not today', { code: 'NOT_TODAY', status: 403 })
    })
    express.get('/lacking', pd.requireScopes('teams.read'))
    express.get('/never', pd.requireScopes('teams.read', { stepUp: false }))
    express.all('/form', pd.requireLogin(), (_req, res) => void res.json('done'))
    express.get('/start', (_req, res) => void res.json('start'))
  })
}

/** The links of a page, by what they say. */
async function linksOf(page: Response): Promise<Record<string, string>> {
  expect(page.headers.get('content-type')).toContain('text/html')
  const found = (await page.text()).matchAll(/<a href="([^"]*)">([^<]*)<\/a>/g)
  return Object.fromEntries(
    [...found].map(([, href = '', text = '']) => [text, href.replaceAll('&#38;', '&')]),
  )
}

const home = { Home: '/start' }
const logIn = { 'Log in with PagerDuty': '/auth/pagerduty' }

describe('a page offers to log in', () => {
  test('where no user is logged in, and to return to the page of a form', async () => {
    const headers = { ...Browser.navigation, Referer: `${app.url}/form?a=1` }
    const page = await new Browser().fetch(`${app.url}/form`, { method: 'POST', headers })
    expect(page.status).toBe(401)
    expect(await linksOf(page)).toEqual({
      'Log in with PagerDuty': '/auth/pagerduty?returnTo=%2Fform%3Fa%3D1',
      ...home,
    })
  })

  test('where the login has ended', async () => {
    expect(await linksOf(await new Browser().visit(`${app.url}/ended`))).toEqual({ ...logIn, ...home })
  })

  test('where a callback belongs to no login that can be finished', async () => {
    const page = await new Browser().visit(`${app.url}/auth/pagerduty/callback?code=a&state=b`)
    expect(page.status).toBe(403)
    expect(await linksOf(page)).toEqual({ ...logIn, ...home })
  })

  test('where the user declined at PagerDuty', async () => {
    const browser = new Browser()
    const page = await browser.visit(await approve(await app.begin(browser), { decision: 'deny' }))
    expect(page.status).toBe(403)
    expect(await linksOf(page)).toEqual({ ...logIn, ...home })
  })
})

describe.each<[string, object]>([
  ['ERR_PAGERDUTY_LOGIN_ENDED', logIn],
  ['ERR_PAGERDUTY_ALL_LOGINS_ENDED', logIn],
  ['login_required', logIn],
  ['invalid_grant', logIn],
  ['unauthorized_client', {}],
  ['ERR_PAGERDUTY_OTHER_USER', {}],
  ['ERR_PAGERDUTY_TOO_MANY_LOGINS', {}],
])('after %s', (code, links) => {
  test(`a page offers ${'Log in with PagerDuty' in links ? 'to log in' : 'the way home only'}`, async () => {
    const page = await new Browser().visit(`${app.url}/failed/${code}`)
    expect(await linksOf(page)).toEqual({ ...links, ...home })
  })
})

describe('a page does not offer to log in', () => {
  test('where the app denied the login', async () => {
    const { finished } = await app.logIn(new Browser(), { user: 'PACME02' })
    expect(finished.status).toBe(403)
    expect(await linksOf(finished)).toEqual(home)
  })

  test('where the missing scope cannot be requested', async () => {
    const { browser } = await app.logIn()
    expect(await linksOf(await browser.visit(`${app.url}/never`))).toEqual(home)
  })

  test.each(['/refused', '/auth/pagerduty/logout'])('where the request itself is wrong: %s', async (path) => {
    expect(await linksOf(await new Browser().visit(app.url + path))).toEqual(home)
  })
})

describe('a page offers to try again', () => {
  const fail = () => {
    store.fault = () => new Error('down')
  }

  test('what failed for a while, at the same URL', async () => {
    const { browser } = await app.logIn()
    fail()
    const page = await browser.visit(`${app.url}/form?a=1&b=<2>`)
    expect(page.status).toBe(503)
    expect(await linksOf(page)).toEqual({ 'Try again': '/form?a=1&b=%3C2%3E', ...home })
  })

  test('but not what a link cannot repeat', async () => {
    const { browser } = await app.logIn()
    fail()
    const headers = Browser.navigation
    const page = await browser.fetch(`${app.url}/form`, { method: 'POST', headers })
    expect(page.status).toBe(503)
    expect(await linksOf(page)).toEqual(home)
  })

  test('a login that failed at its end from its beginning, since a callback works once', async () => {
    const browser = new Browser()
    const callback = await approve(await app.begin(browser))
    simulator.failNext('token', { status: 503 })
    const page = await browser.visit(callback)
    expect(page.status).toBe(503)
    const links = await linksOf(page)
    expect(links).toEqual({ 'Try again': '/auth/pagerduty', ...home })
    const { finished } = await app.logIn(browser, { path: links['Try again'] as string })
    expect([finished.status, finished.headers.get('location')]).toEqual([302, '/start'])
  })
})

describe('a JSON response says where a script can continue:', () => {
  const problem = async (path: string, browser = new Browser()): Promise<unknown> =>
    (await app.get(browser, path)).json()

  test('at the login, if no user is logged in any more', async () => {
    expect(await problem('/form')).toEqual({
      title: 'Log in with PagerDuty first',
      status: 401,
      code: 'ERR_PAGERDUTY_UNAUTHORIZED',
      loginURL: '/auth/pagerduty',
    })
    expect(await problem('/ended')).toMatchObject({
      code: 'ERR_PAGERDUTY_LOGIN_REQUIRED',
      loginURL: '/auth/pagerduty',
    })
  })

  test('nowhere, if that would not help', async () => {
    expect(await problem('/refused')).toEqual({ title: 'Not today', status: 403, code: 'NOT_TODAY' })
  })

  test('even if the app itself responds with the error as JSON', async () => {
    const onError: OnError = (error, _req, res) => void res.status(error.status).json(error)
    const own = await start({ onError })
    const bodyOf = async (path: string, browser: Browser): Promise<unknown> =>
      (await own.get(browser, path)).json()
    const { browser } = await own.logIn()
    expect(await bodyOf('/form', new Browser())).toMatchObject({ status: 401, loginURL: '/auth/pagerduty' })
    const lacking = await bodyOf('/lacking', browser)
    expect(lacking).toMatchObject({ missing: ['teams.read'], stepUpURL: '/auth/pagerduty?scope=teams.read' })
    expect(lacking).not.toHaveProperty('loginURL')
    await own.close()
  })

  test('an error that was not sent in a response says nothing about it', () => {
    expect(Object.keys(new InsufficientScopeError(['a'], ['a']).toJSON())).toEqual([
      ...['title', 'status', 'code'],
      ...['required', 'missing'],
    ])
  })
})

test('a visitor to the app’s start page is sent back there by the login itself', async () => {
  const own = await startDropIn(simulator, { routes: { home: '/start' } }, (express, pd) => {
    express.get(['/start', '/other'], pd.requireLogin())
  })
  const sent = async (path: string) => (await new Browser().visit(own.url + path)).headers.get('location')
  expect(await sent('/start')).toBe('/auth/pagerduty')
  expect(await sent('/other')).toBe('/auth/pagerduty?returnTo=%2Fother')
  await own.close()
})
