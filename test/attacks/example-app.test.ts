import { type RunningExample, startExampleApp } from '../../example-app/server'
import { type Simulator, approve } from '../../src/testing'
import { Browser } from '../support/browser'
import { freePort } from '../support/redis'

const ownPage = { ...Browser.navigation, 'Sec-Fetch-Site': 'same-origin' }

describe('the example app', () => {
  let app: RunningExample
  let browser: Browser
  beforeAll(async () => {
    app = await startExampleApp({ port: 0 })
    browser = new Browser()
    const begun = await browser.visit(`${app.url}/auth/pagerduty`)
    await browser.visit(await approve(begun.headers.get('location') as string))
  })
  afterAll(() => app.close())

  const paths = [
    '/',
    '/style.css',
    '/incidents',
    '/services',
    '/scopes',
    '/sessions',
    '/session-time',
    '/webhooks',
    '/api/incidents',
  ]

  test.each([
    ...paths,
    '/nothing-here',
    '/auth/pagerduty/callback?code=a&state=b',
    '/%',
    '/%00',
    '/__proto__',
  ])(
    'E10: %s has helmet’s headers, lets no script or frame of others in, and does not say what it runs on',
    async (path) => {
      const { headers } = await browser.visit(app.url + path)
      const csp = headers.get('content-security-policy')
      expect(csp).toContain("default-src 'none'")
      expect(csp).toContain("frame-ancestors 'none'")
      expect(csp).not.toMatch(/script-src[^;]*(unsafe|\*|https?:)/)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('x-frame-options')).toBe('SAMEORIGIN')
      expect(headers.get('x-powered-by')).toBeNull()
    },
  )

  test.each([
    ['a form that is too large', '/refresh', `from=${'x'.repeat(5000)}`, 'application/x-www-form-urlencoded'],
    [
      'a form in a charset that nobody knows',
      '/refresh',
      'from=x',
      'application/x-www-form-urlencoded; charset=x',
    ],
    ['a delivery that nobody signed', '/webhooks/pagerduty', '{"event":', 'application/json'],
  ])('E10: the response to %s has no internal details', async (_what, path, body, type) => {
    const answer = await browser.fetch(app.url + path, {
      method: 'POST',
      headers: { ...ownPage, 'Content-Type': type },
      body,
    })
    const text = await answer.text()
    expect([400, 403, 413, 415]).toContain(answer.status)
    expect(text).not.toMatch(/\n\s+at |<br>|node_modules|\.ts:\d|Error:/)
  })

  test('E10: an outage of PagerDuty is reported without internal details', async () => {
    const simulator = app.simulator as Simulator
    simulator.failNext('token', { status: 500, body: { secret: 'CANARY' } })
    const other = new Browser()
    const begun = await other.visit(`${app.url}/auth/pagerduty`)
    const failed = await other.visit(await approve(begun.headers.get('location') as string))
    const text = await failed.text()
    expect(failed.status).toBe(503)
    expect(text).not.toMatch(/\n\s+at |node_modules|\.ts:\d|CANARY|simulator-secret/)
  })

  test.each([
    ['logins that are begun', 60, 'GET', '/auth/pagerduty'],
    ['callbacks', 60, 'GET', '/auth/pagerduty/callback?code=a&state=b'],
    ['deliveries', 600, 'POST', '/webhooks/pagerduty'],
  ])(
    'E10: %s have a limit for each address, whatever address they claim',
    async (_what, most, method, path) => {
      const statuses = []
      for (let i = 0; i <= most; i++) {
        const headers = { 'X-Forwarded-For': `10.0.${i >> 8}.${i & 255}`, Forwarded: `for=10.0.0.${i & 255}` }
        statuses.push((await new Browser().fetch(app.url + path, { method, headers })).status)
      }
      expect(statuses.at(0)).not.toBe(429)
      expect(statuses.at(-1)).toBe(429)
      expect((await browser.visit(`${app.url}/`)).status).toBe(200)
    },
  )
})

test('E10: where the example app uses https, it makes browsers stay with it', async () => {
  const port = await freePort()
  process.env['PAGERDUTY_CALLBACK_URL'] = 'https://app.example/auth/pagerduty/callback'
  const app = await startExampleApp({ port }).finally(() => delete process.env['PAGERDUTY_CALLBACK_URL'])
  const { headers } = await new Browser().visit(`http://127.0.0.1:${port}/`)
  await app.close()
  expect(headers.get('strict-transport-security')).toMatch(/^max-age=[1-9]\d{6,}/)
})
