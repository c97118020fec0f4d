import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { describeWithRedis, useRedis } from '../support/redis'
import { example, root } from './examples'
import { type RunningExample, environmentOf, runApp, typesOf } from './run-example'

let simulator: Simulator

beforeEach(async () => {
  simulator = await startPagerDuty()
})
afterEach(() => simulator.close())

const page = readFileSync(join(root, 'docs/nestjs.md'), 'utf8')
const json = 'application/problem+json'
const html = 'text/html; charset=utf-8'

describe('the NestJS app with pd.auth()', () => {
  const one = example('docs/nestjs.md, A whole app, ts')
  const run = (use: (app: RunningExample) => Promise<void>) => runApp(one, environmentOf(simulator), use)

  test('leads a browser to its start page after a login and a logout', () =>
    run(async (app) => {
      const browser = await app.logIn()
      const home = async () => (await browser.visit(app.url)).text()
      const [, logout = ''] = /action="([^"]*)"/.exec(await home()) ?? []
      const headers = { ...Browser.navigation, 'Sec-Fetch-Site': 'same-origin' }
      const left = await browser.fetch(app.url + logout, { method: 'POST', headers })
      expect([left.status, left.headers.get('location')]).toEqual([303, '/'])
      expect(await home()).toBe('<a href="/auth/pagerduty">Log in</a>')
    }))

  test('logs a user in on the way to a route whose guard is a middleware', () =>
    run(async (app) => {
      const browser = await app.logIn('/incidents')
      expect(await typesOf(await browser.fetch(`${app.url}/incidents`))).toContain('incident')
    }))

  test('responds to a script without a login with 401, from either kind of guard', () =>
    run(async (app) => {
      for (const path of ['/incidents', '/services']) {
        const denied = await new Browser().fetch(app.url + path)
        expect([denied.status, denied.headers.get('content-type')]).toEqual([401, json])
        expect(await denied.json()).toMatchObject({ code: 'ERR_PAGERDUTY_UNAUTHORIZED' })
      }
    }))

  test('shows a browser that meets the CanActivate where to log in', () =>
    run(async (app) => {
      const page = await new Browser().visit(`${app.url}/services`)
      expect(page.status).toBe(401)
      expect(await page.text()).toContain('<a href="/auth/pagerduty">Log in with PagerDuty</a>')
    }))

  test('sends a browser from the CanActivate to consent to the missing scope, and back', () =>
    run(async (app) => {
      const browser = await app.logIn()
      const script = await browser.fetch(`${app.url}/services`)
      expect(script.status).toBe(403)
      expect(await script.json()).toMatchObject({ missing: ['services.read'] })
      await app.logIn('/services', 'PACME01', browser)
      const passed = await browser.fetch(`${app.url}/services`)
      expect(passed.status).toBe(200)
      expect(await passed.json()).toHaveProperty('services')
    }))

  test('lets the filter respond to what a handler fails with', () =>
    run(async (app) => {
      const failed = async (browser: Browser) => {
        const response = await browser.fetch(`${app.url}/incidents`)
        return [response.status, response.headers.get('content-type'), await response.json()]
      }
      const ended = await app.logIn()
      simulator.revokeAll()
      expect(await failed(ended)).toMatchObject([401, json, { code: 'ERR_PAGERDUTY_LOGIN_REQUIRED' }])
      const browser = await app.logIn()
      simulator.expireTokens()
      simulator.failNext('token', '500')
      expect(await failed(browser)).toMatchObject([503, json, { code: 'server_error' }])
    }))

  test('receives a webhook in front of the body parsers of NestJS', async () => {
    const [, mount = ''] = /`(app\.use\('\/webhooks.*?)`/.exec(page) ?? []
    const handler = 'const handler = async (event: { event_type: string }) => console.log(event.event_type)\n'
    const code = one.code.replace('await app.listen', `${mount}\nawait app.listen`)
    const secret = 'secret-of-the-subscription'
    const env = { ...environmentOf(simulator), PAGERDUTY_WEBHOOK_SECRET: secret }
    const printed = await runApp({ ...one, code: handler + code }, env, async (app) => {
      const to = `${app.url}/webhooks/pagerduty`
      expect((await simulator.sendWebhook(to, 'incident.triggered', { secret })).status).toBe(202)
    })
    expect(printed).toMatch(/^incident.triggered$/m)
  })

  test('finishes the request that is being handled at SIGTERM, then closes pd, and ends', async () => {
    const code = one.code
      .replace(
        "await req.pagerduty.fetch('/incidents')",
        "await terminateAnd(() => req.pagerduty.fetch('/incidents'))",
      )
      .replace('return pd.close()', "events.push('closing'); await pd.close(); console.log(events.join())")
      .replace('  onApplicationShutdown()', '  async onApplicationShutdown()')
    const terminateAnd = `
const events: string[] = []
async function terminateAnd<T>(call: () => Promise<T>): Promise<T> {
  process.kill(process.pid, 'SIGTERM')
  while (app.getHttpServer().listening) await new Promise(setImmediate)
  events.push('no longer listening')
  const result = await call()
  events.push('called')
  return result
}
`
    const printed = await runApp(
      { ...one, code: code + terminateAnd },
      environmentOf(simulator),
      async (app) => {
        const browser = await app.logIn()
        const ended = app.ended()
        const response = await browser.fetch(`${app.url}/incidents`, { headers: { Connection: 'close' } })
        expect(await typesOf(response)).toContain('incident')
        expect(await ended).toEqual({ code: null, signal: 'SIGTERM' })
      },
    )
    expect(printed).toMatch(/no longer listening,called,closing\n$/)
  })
})

describeWithRedis('the NestJS app with @nestjs/passport', () => {
  const redis = useRedis()
  const one = example('docs/nestjs.md, With @nestjs/passport, ts')
  const run = (use: (app: RunningExample) => Promise<void>) =>
    runApp(one, { ...environmentOf(simulator), REDIS_URL: redis.url }, use)
  const seenBy = async (app: RunningExample, browser: Browser): Promise<unknown> =>
    (await browser.fetch(`${app.url}/me`)).json()

  test('keeps the user logged in after the callback', () =>
    run(async (app) => {
      const browser = await app.logIn()
      expect(await seenBy(app, browser)).toEqual({ user: { id: 'PACME00/PACME01' }, isLoggedIn: true })
      expect(await seenBy(app, new Browser())).toEqual({ user: null, isLoggedIn: false })
    }))

  test.each(['code=x&state=y', 'error=access_denied&state=y'])(
    'does not log out a user whom a link on another site sends to the callback with %s',
    (query) =>
      run(async (app) => {
        const browser = await app.logIn()
        const opened = await browser.visit(`${app.url}/auth/pagerduty/callback?${query}`)
        expect([opened.status, opened.headers.get('location')]).toEqual([302, '/me'])
        expect(await seenBy(app, browser)).toEqual({ user: { id: 'PACME00/PACME01' }, isLoggedIn: true })
      }),
  )

  test('goes on to the page that the login was begun for', () =>
    run(async (app) => {
      const browser = new Browser()
      const begun = await browser.visit(`${app.url}/auth/pagerduty?returnTo=/incidents`)
      const finished = await browser.visit(await approve(begun.headers.get('location') as string))
      expect([finished.status, finished.headers.get('location')]).toEqual([302, '/incidents'])
    }))

  test('shows a page to a user who denies access, and logs no one in', () =>
    run(async (app) => {
      const browser = new Browser()
      const begun = await browser.visit(`${app.url}/auth/pagerduty`)
      const callback = await approve(begun.headers.get('location') as string, { decision: 'deny' })
      const denied = await browser.visit(callback)
      expect([denied.status, denied.headers.get('content-type')]).toEqual([403, html])
      expect(await denied.text()).toContain('href="/auth/pagerduty"')
      expect(await seenBy(app, browser)).toEqual({ user: null, isLoggedIn: false })
      expect(simulator.liveGrants()).toEqual([])
    }))

  test('shows a page with 503 and Retry-After while PagerDuty fails, and logs in afterwards', () =>
    run(async (app) => {
      const browser = new Browser()
      const begun = await browser.visit(`${app.url}/auth/pagerduty`)
      const callback = await approve(begun.headers.get('location') as string)
      simulator.failNext('token', '500')
      const failed = await browser.visit(callback)
      expect([failed.status, failed.headers.get('content-type')]).toEqual([503, html])
      expect(Number(failed.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(await seenBy(app, browser)).toEqual({ user: null, isLoggedIn: false })
      const user = await app.logIn('/auth/pagerduty', 'PACME01', browser)
      expect(await seenBy(app, user)).toMatchObject({ isLoggedIn: true })
    }))

  test('ends at SIGTERM with the shutdown hook of the first app', () => {
    const [, close = ''] = /`(pd\.close\(\)\.then\(.*?)`/.exec(page) ?? []
    const code = one.code
      .replace('class AppModule {}', `class AppModule { onApplicationShutdown() { return ${close} } }`)
      .replace('await app.listen', 'app.enableShutdownHooks()\nawait app.listen')
    return runApp({ ...one, code }, { ...environmentOf(simulator), REDIS_URL: redis.url }, async (app) => {
      await app.logIn()
      expect(await app.terminate()).toEqual({ code: null, signal: 'SIGTERM' })
    })
  })
})
