import { eventPage } from '../../example-app/event-page'
import { incidentTable, serviceList } from '../../example-app/list-pages'
import { type RunningExample, startExampleApp } from '../../example-app/server'
import { type Simulator, approve, defaultClient, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'

describe('the example app, with its simulator', () => {
  const ownPage = { ...Browser.navigation, 'Sec-Fetch-Site': 'same-origin' }
  let app: RunningExample
  let simulator: Simulator
  let browser: Browser

  beforeAll(async () => {
    app = await startExampleApp({ port: 0 })
    simulator = app.simulator as Simulator
  })
  afterAll(() => app.close())
  beforeEach(() => {
    browser = new Browser()
  })
  afterEach(() => simulator.clearFaults())

  async function logIn(user = 'PACME01', from = '/auth/pagerduty'): Promise<Response> {
    const begun = await browser.visit(app.url + from)
    const callback = await approve(begun.headers.get('location') as string, { user })
    return browser.visit(callback)
  }

  async function read(path: string): Promise<string> {
    return (await browser.visit(app.url + path)).text()
  }

  /** The text of the element with this test id. */
  function textOf(page: string, testID: string): string {
    const [, text = 'no such element'] = new RegExp(`data-testid="${testID}"[^>]*>([^<]*)<`).exec(page) ?? []
    return text.trim()
  }

  function obtainedAt(page: string): number {
    return Number(/data-obtained-at="(\d+)"/.exec(page)?.[1])
  }

  test('welcomes a user who is logged out', async () => {
    const page = await read('/')
    expect(page).toContain('href="/auth/pagerduty"')
    expect(page).toContain('No PagerDuty account needed')
    expect(page).toContain(`curl -i ${app.url.replace('http://', '')}/api/incidents`)
    expect(page).not.toContain('data-testid="logout"')
  })

  test('shows who logged in and what was granted', async () => {
    const finished = await logIn()
    expect(finished.headers.get('location')).toBe('/')
    const page = await read('/')
    expect(textOf(page, 'user-name')).toBe('Ada Okafor')
    expect(textOf(page, 'account')).toBe('acme')
    expect(textOf(page, 'region')).toBe('US')
    expect(textOf(page, 'expires')).toMatch(/^(23:59:5\d|24:00:00)$/)
    expect(page).toMatch(/data-scope="incidents\.read"(?:(?!<\/tr>)[^])*>granted</)
    expect(page).toMatch(/data-scope="teams\.read"(?:(?!<\/tr>)[^])*>missing</)
  })

  test('names the user by id where PagerDuty’s API gave no name at the login', async () => {
    simulator.failNext('api', { status: 500 })
    await logIn()
    for (const path of ['/', '/events']) expect(textOf(await read(path), 'user-name')).toBe('User PACME01')
  })

  test('says so where there is nothing to show', () => {
    expect(incidentTable([]).text).toContain('There are no incidents')
    expect(serviceList([]).text).toContain('There are no services')
    expect(eventPage([], undefined, 'nonce').text).toContain('No events since this app was started')
  })

  test('continues to the incidents after the login they required', async () => {
    const denied = await browser.visit(`${app.url}/incidents`)
    const finished = await logIn('PGLBX01', denied.headers.get('location') as string)
    expect(finished.headers.get('location')).toBe('/incidents')
    const page = await read('/incidents')
    expect(textOf(page, 'user-name')).toBe('Greta Lindqvist')
    expect(page).toContain('Index replica unreachable')
    expect(page).toContain('2 h ago')
  })

  test('responds to a page whose scope is missing with the package’s 403', async () => {
    await logIn()
    simulator.settings.autoApprove = 'PACME01'
    const denied = await browser.follow(`${app.url}/services`)
    simulator.settings.autoApprove = undefined
    expect(denied.status).toBe(403)
    expect(await denied.text()).toContain('services.read')
  })

  test('refreshes the token on demand', async () => {
    await logIn()
    const before = await read('/')
    const answer = await browser.fetch(`${app.url}/refresh`, { method: 'POST', headers: ownPage })
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/?refreshed#token'])
    const after = await read('/?refreshed')
    expect(obtainedAt(after)).toBeGreaterThan(obtainedAt(before))
    expect(after).toContain('Refreshed just now')
  })

  test('refreshes only for its own pages and for users who are logged in', async () => {
    const foreign = { ...ownPage, 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }
    simulator.resetCalls()
    expect((await browser.fetch(`${app.url}/refresh`, { method: 'POST', headers: ownPage })).status).toBe(401)
    await logIn()
    expect((await browser.fetch(`${app.url}/refresh`, { method: 'POST', headers: foreign })).status).toBe(403)
    expect(simulator.calls.token.refresh_token).toBe(0)
  })

  test('logs out', async () => {
    await logIn()
    const answer = await browser.fetch(`${app.url}/auth/pagerduty/logout`, {
      method: 'POST',
      headers: ownPage,
    })
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/'])
    expect(await read('/')).toContain('data-testid="login"')
  })

  test('shows what it knows while the API fails', async () => {
    await logIn()
    simulator.failNext('api', { status: 500 }, 3)
    const home = await browser.visit(app.url)
    expect(home.status).toBe(200)
    const page = await home.text()
    expect(page).toContain('API responded with 500')
    expect(textOf(page, 'account')).toBe('acme')
    expect((await browser.visit(`${app.url}/incidents`)).status).toBe(502)
  })

  test('says so when PagerDuty has ended the login', async () => {
    await logIn()
    simulator.revokeAll()
    const ended = await browser.visit(app.url)
    expect(ended.status).toBe(401)
    expect(await ended.text()).toContain('log in again')
    expect(await read('/')).toContain('data-testid="login"')
  })

  test('responds to scripts in JSON', async () => {
    const denied = await browser.fetch(`${app.url}/api/incidents`)
    expect([denied.status, denied.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    await logIn()
    const answer = await browser.fetch(`${app.url}/api/incidents`)
    expect(await answer.json()).toMatchObject({
      incidents: [{ title: 'Payment latency above 2 s' }, {}, {}, {}, {}, {}, {}, {}],
    })
  })

  test('sends security headers with every response', async () => {
    for (const path of ['/', '/style.css', '/nowhere', '/api/incidents']) {
      const { headers } = await browser.visit(app.url + path)
      expect(headers.get('content-security-policy')).toMatch(/default-src 'none'/)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.has('x-powered-by')).toBe(false)
      expect(headers.has('strict-transport-security')).toBe(false)
    }
  })

  test('lets only its own script run, by a nonce that changes', async () => {
    await logIn()
    const nonces = await Promise.all(
      [1, 2].map(async () => {
        const answer = await browser.visit(app.url)
        const [, nonce] = /<script nonce="([^"]+)">/.exec(await answer.text()) ?? []
        const unescaped = nonce?.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
        expect(answer.headers.get('content-security-policy')).toContain(`script-src 'nonce-${unescaped}'`)
        return nonce
      }),
    )
    expect(nonces[0]).not.toBe(nonces[1])
  })

  test('limits logins per address', async () => {
    const { headers } = await browser.visit(`${app.url}/auth/pagerduty`)
    expect(headers.get('ratelimit-policy')).toContain('q=60; w=60')
    expect((await browser.visit(app.url)).headers.has('ratelimit-policy')).toBe(false)
  })

  test('shows no token anywhere', async () => {
    await logIn()
    const tokens = [
      simulator.newestAccessToken('PACME01'),
      simulator.newestRefreshToken('PACME01'),
    ] as string[]
    for (const path of ['/', '/incidents', '/services', '/api/incidents', '/nowhere']) {
      const page = await read(path)
      for (const token of tokens) expect(page).not.toContain(token)
    }
    expect(tokens.every((token) => token.length > 8)).toBe(true)
  })

  test('has a plain page for what is not there', async () => {
    const answer = await browser.visit(`${app.url}/nowhere?<script>`)
    expect(answer.status).toBe(404)
    expect(await answer.text()).not.toContain('?<script>')
  })
})

test.each([
  ['a Scoped app without a webhook secret', { PAGERDUTY_WEBHOOK_SECRET: '' }, 'set PAGERDUTY_WEBHOOK_SECRET'],
  ['a Classic app', { PAGERDUTY_APP_TYPE: 'classic' }, 'has to be a Scoped app'],
])('the example app says why %s receives no webhooks', async (_what, env, why) => {
  const appType = 'PAGERDUTY_APP_TYPE' in env ? 'classic' : 'scoped'
  const scope = appType === 'classic' ? ['read'] : ['incidents.read', 'users.read']
  const pagerDuty = await startPagerDuty({ clients: [{ ...defaultClient, appType, scope }] })
  const SESSION_SECRET = 'a secret of thirty-two characters or more'
  jest.replaceProperty(process, 'env', { ...process.env, ...pagerDuty.env(), ...env, SESSION_SECRET })
  const app = await startExampleApp({ port: 0 })
  try {
    const browser = new Browser()
    pagerDuty.settings.autoApprove = 'PACME01'
    const page = await browser.follow(`${app.url}/webhooks`)
    expect(page.status).toBe(200)
    expect(await page.text()).toContain(why)
  } finally {
    jest.restoreAllMocks()
    await app.close()
    await pagerDuty.close()
  }
})
