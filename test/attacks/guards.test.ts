import { approve } from '../../src/testing'
import { Browser } from '../support/browser'
import { FaultServer, json } from '../support/fault-server'
import { type InConfiguration, configurations, forEachConfiguration } from './support/configurations'
import { cookiesOf, rawRequest, requestHead } from './support/raw-request'
import type { Victim } from './support/start-victim'

/** What a response must not reveal: stacks, files, hints for operators, secrets. */
const indiscretion =
  /\n\s+at |node_modules|\bdist\/|\.js:\d|simulator-secret|PAGERDUTY_CLIENT|"hint"|"stack"|sealed/

/** Logs in and has `services.read` granted besides. */
async function logInWithServices({ victim }: InConfiguration): Promise<Browser> {
  const browser = new Browser()
  const authorize = await victim.begin(browser, '/auth/pagerduty?scope=services.read')
  await browser.visit(await approve(authorize, { user: 'PACME01' }))
  return browser
}

/** How often handlers ran while something was done. */
async function handledDuring(victim: Victim, work: () => Promise<unknown>): Promise<number> {
  const before = await victim.handled()
  await work()
  return (await victim.handled()) - before
}

/** A token endpoint of the test's own: the simulator's, but for the scope that it claims to have granted. */
async function startScopeTeller(simulatorURL: string): Promise<FaultServer & { claim: unknown }> {
  const server = Object.assign(await FaultServer.start(), { claim: undefined as unknown })
  server.behave = async (res, { body }) => {
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
    const answer = await fetch(`${simulatorURL}/oauth/token`, { method: 'POST', headers, body })
    const told = (await answer.json()) as Record<string, unknown>
    await json({ ...told, ...(answer.ok && { scope: server.claim }) }, answer.status)(res, {} as never)
  }
  return server
}

forEachConfiguration(configurations, (app) => {
  test('G1, G4: a granted scope that only resembles the one that is needed opens nothing', async () => {
    const { simulator } = app
    const teller = await startScopeTeller(simulator.url)
    const victim = await app.another({ options: { tokenURL: `${teller.url}/oauth/token` } })
    const through: unknown[] = []
    for (const claim of [
      'openid services.readx',
      'openid Services.read',
      'openid SERVICES.READ',
      'openid xservices.read',
      'openid services',
      'openid services.*',
      'openid *',
      'openid services.write',
      'incidents.read,services.read',
      'incidents.read\tservices.read',
      'incidents.read\nservices.read',
      'incidents.read\u00a0services.read',
      'incidents.read\u200bservices.read',
      'incidents.read\u3000services.read',
      'openid services．read',
      'openid ser\u200dvices.read',
      'openid servıces.read',
      'openid "services.read"',
      'openid services.read\u0000',
      'as_account-us.acme.services.read',
      '',
      ' ',
      null,
      ['services.read'],
      { 'services.read': true },
      true,
      'openid services.read '.repeat(2_000),
    ]) {
      teller.claim = claim
      const browser = new Browser()
      await browser.visit(await victim.approved(browser))
      for (const path of ['/services', '/any', '/operation', '/admin/x', '/twice']) {
        const { status } = await browser.fetch(victim.url + path)
        if (![401, 403].includes(status)) through.push({ claim, path, status })
      }
    }
    expect(through).toEqual([])
    expect(await victim.handled()).toBe(0)
    teller.claim = 'services.read  openid'
    const browser = await victim.logIn()
    expect((await browser.fetch(`${victim.url}/services`)).status).toBe(200)
    await teller.close()
  })

  test('G1: a scope with line ends in it does not get into a header on the way to a step-up', async () => {
    const teller = await startScopeTeller(app.simulator.url)
    const victim = await app.another({ options: { tokenURL: `${teller.url}/oauth/token` } })
    teller.claim = 'openid incidents.read\r\nSet-Cookie:evil=1\r\n\r\n<script>alert(1)</script>'
    const browser = await victim.logIn()
    const denied = await browser.visit(`${victim.url}/services`)
    const begun = await browser.visit(new URL(denied.headers.get('location') as string, victim.url).href)
    expect([denied.status, begun.status]).toEqual([302, 302])
    expect([...browser.cookies.keys()]).not.toContain('evil')
    expect(new URL(begun.headers.get('location') as string).origin).toBe(app.simulator.url)
    expect(await (await browser.fetch(`${victim.url}/services`)).text()).not.toContain('<script>')
    await teller.close()
  })

  test('G2: a token that has ended is renewed before the guard decides, by what the renewal grants', async () => {
    const { simulator } = app
    const victim = await app.another()
    simulator.settings.accessTokenLifetime = 60
    const browser = await victim.logIn()
    expect((await browser.fetch(`${victim.url}/any`)).status).toBe(403)
    simulator.settings.accessTokenLifetime = undefined
    simulator.settings.refreshNarrows = true
    simulator.configure('simulator-client', { scope: ['users.read'] })
    await victim.order({ kind: 'clock', offset: 120_000 })
    const denied = await browser.fetch(`${victim.url}/incidents`)
    simulator.settings.refreshNarrows = false
    simulator.configure('simulator-client', { scope: [...defaultScope] })
    expect([denied.status, await victim.handled(), simulator.calls.api]).toEqual([403, 0, 0])
  })

  test('G6: no header that proxies or frameworks go by leads past a guard, or changes where a denial points', async () => {
    const victims = [app.victim, await app.another({ trustProxy: true })]
    for (const victim of victims) {
      const without = await victim.logIn()
      const handled = await handledDuring(victim, async () => {
        for (const browser of [new Browser(), without]) {
          for (const header of headers) {
            for (const method of ['GET', 'POST', 'HEAD', 'OPTIONS']) {
              const answer = await browser.fetch(`${victim.url}/services`, { method, headers: header })
              expect({ header, method, status: answer.status }).toEqual({
                header,
                method,
                status: browser === without ? 403 : 401,
              })
              expect(answer.headers.get('set-cookie')).toBeNull()
            }
            const sent = await browser.visit(`${victim.url}/services`, header)
            expect({ header, location: sent.headers.get('location') }).toEqual({
              header,
              location: expect.stringMatching(/^\/auth\/pagerduty\?/),
            })
          }
        }
      })
      expect(handled).toBe(0)
    }
  })
})

forEachConfiguration(configurations, (app) => {
  test('G2: a refresh that removes a scope closes the route to that request and the next', async () => {
    const { simulator, victim } = app
    const browser = await victim.logIn()
    expect((await browser.fetch(`${victim.url}/incidents`)).status).toBe(200)
    simulator.settings.refreshNarrows = true
    simulator.configure('simulator-client', { scope: ['users.read', 'services.read'] })
    simulator.expireTokens()
    simulator.resetCalls()
    // The guard knows once the API has rejected the token, and the refresh has returned a narrower scope.
    const during = await browser.fetch(`${victim.url}/incidents`)
    const handled = await handledDuring(victim, async () => {
      expect((await browser.fetch(`${victim.url}/incidents`)).status).toBe(403)
    })
    simulator.settings.refreshNarrows = false
    simulator.configure('simulator-client', { scope: [...defaultScope] })
    expect([during.status, handled]).toEqual([403, 0])
    expect([simulator.calls.token.refresh_token, simulator.calls.api]).toEqual([1, 2])
  })

  test('G3: a guard that would require nothing, or less than was meant, cannot be created', async () => {
    const { victim } = app
    const made = (await (await fetch(`${victim.url}/wrong-guards`)).json()) as Record<string, string>
    expect(Object.keys(made)).toHaveLength(39)
    expect(new Set(Object.values(made))).toEqual(new Set(['ConfigurationError']))
  })

  test('G3: a guard before what it relies on, or before a forgery of it, lets no request through and reveals nothing more', async () => {
    const { victim } = app
    const browser = await logInWithServices(app)
    const handled = await handledDuring(victim, async () => {
      for (const path of ['/misplaced', '/misplaced/scope', '/misplaced/forged']) {
        const answer = await browser.fetch(victim.url + path)
        expect(answer.status).toBe(500)
        expect(await answer.json()).toEqual({
          title: 'The request could not be completed',
          status: 500,
          code: 'ERR_PAGERDUTY_CONFIGURATION',
        })
      }
    })
    expect(handled).toBe(0)
  })

  test('G5: users who are not logged in or lack a scope get the response of RFC 6750; only browsers are redirected', async () => {
    const { victim } = app
    const without = await victim.logIn()
    const asked: [Record<string, string>, 'script' | 'browser'][] = [
      [{}, 'script'],
      [{ Accept: 'application/json' }, 'script'],
      [{ Accept: '*/*' }, 'script'],
      [{ Accept: 'text/html', 'X-Requested-With': 'XMLHttpRequest' }, 'script'],
      [{ Accept: 'text/html', 'Sec-Fetch-Mode': 'cors' }, 'script'],
      [{ Accept: 'text/html', 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'image' }, 'script'],
      [{ Accept: 'text/html', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'iframe' }, 'script'],
      [{ Accept: 'text/html' }, 'browser'],
      [Browser.navigation, 'browser'],
    ]
    const handled = await handledDuring(victim, async () => {
      for (const [headers, who] of asked) {
        for (const [browser, status, challenge] of [
          [new Browser(), 401, 'Bearer'],
          [without, 403, 'Bearer error="insufficient_scope", scope="services.read"'],
        ] as const) {
          const answer = await browser.fetch(`${victim.url}/services`, { headers })
          const location = answer.headers.get('location')
          const text = await answer.text()
          expect({
            headers,
            status: answer.status,
            challenge: answer.headers.get('www-authenticate'),
          }).toEqual(
            who === 'script' ? { headers, status, challenge } : { headers, status: 302, challenge: null },
          )
          expect(location?.replace(/\?.*/, '') ?? null).toBe(who === 'script' ? null : '/auth/pagerduty')
          expect(text).not.toMatch(indiscretion)
          expect(answer.headers.get('cache-control')).toBe('no-store')
        }
      }
    })
    expect(handled).toBe(0)
  })

  test('G5: a scope that PagerDuty never grants sends a browser round once', async () => {
    const { simulator, victim } = app
    const browser = await victim.logIn()
    simulator.configure('simulator-client', { scope: ['incidents.read', 'users.read'] })
    simulator.settings.autoApprove = 'PACME01'
    const denied = await browser.follow(`${victim.url}/services`)
    simulator.settings.autoApprove = undefined
    simulator.configure('simulator-client', { scope: [...defaultScope] })
    expect([denied.status, browser.trail.length]).toEqual([403, 4])
    expect(await denied.text()).not.toMatch(indiscretion)
  })

  test('G6: no way of writing a path or a method leads past a guard', async () => {
    const { victim } = app
    const entitled = await logInWithServices(app)
    const paths = ['/services', '/admin/x', '/twice', '/incidents', '/me']
    expect(
      await handledDuring(victim, () => Promise.all(paths.map((path) => entitled.fetch(victim.url + path)))),
    ).toBe(paths.length)

    const without = await victim.logIn()
    const odd: unknown[] = []
    const attack = async (path: string, browser: Browser) => {
      for (const target of targetsFor(path)) {
        const { statuses, text } = await rawRequest(
          victim.url,
          requestHead('GET', target, cookiesOf(browser)),
        )
        if (statuses.length !== 1 || (statuses[0] as number) >= 500 || indiscretion.test(text))
          odd.push({ target, statuses, text })
      }
      for (const method of methods) {
        const { statuses } = await rawRequest(victim.url, requestHead(method, path, cookiesOf(browser)))
        if ((statuses[0] ?? 400) >= 500) odd.push({ method, path, statuses })
      }
    }
    const handled = await handledDuring(victim, async () => {
      await Promise.all(paths.map((path) => attack(path, new Browser())))
      await Promise.all(paths.slice(0, 3).map((path) => attack(path, without)))
    })
    expect(odd).toEqual([])
    expect(handled).toBe(0)
  })

  test('G6: what is not a path is no place to come back to after a login', async () => {
    const { victim } = app
    for (const target of [
      'http://evil.example/services',
      '/services?//evil.example',
      '/services/?returnTo=https://evil.example',
      '//evil.example/%2e%2e/services',
      '/services\\..\\evil',
    ]) {
      const { text } = await rawRequest(victim.url, requestHead('GET', target, Browser.navigation))
      const [, location = ''] = /^location: (.*)\r$/im.exec(text) ?? []
      const { pathname, searchParams } = new URL(location, 'http://same.invalid')
      expect({ target, pathname, origin: new URL(location, 'http://same.invalid').origin }).toEqual({
        target,
        pathname: location === '' ? '/' : '/auth/pagerduty',
        origin: 'http://same.invalid',
      })
      const back = new URL(searchParams.get('returnTo') ?? '/', 'http://same.invalid')
      expect({ target, origin: back.origin }).toEqual({ target, origin: 'http://same.invalid' })
    }
  })

  test('G6: the second of two requests on one connection has nothing of the first', async () => {
    const { victim } = app
    const entitled = await logInWithServices(app)
    const first = requestHead('GET', '/services', { ...cookiesOf(entitled), Connection: 'keep-alive' })
    const handled = await handledDuring(victim, async () => {
      const { statuses } = await rawRequest(victim.url, first + requestHead('GET', '/services'))
      expect(statuses).toEqual([200, 401])
      // A request hidden in the body of another one.
      const hidden = requestHead('GET', '/services')
      const lengths = { 'Content-Length': String(hidden.length), 'Transfer-Encoding': 'chunked' }
      const smuggled = await rawRequest(victim.url, requestHead('POST', '/', lengths) + `0\r\n\r\n${hidden}`)
      expect(smuggled.statuses).toEqual([400])
    })
    expect(handled).toBe(1)
  })

  test('G6: guards twice are one guard, and one behind the handler takes nothing back', async () => {
    const { victim } = app
    const entitled = await logInWithServices(app)
    const handled = await handledDuring(victim, async () => {
      const answers = await Promise.all(
        [new Browser(), entitled].flatMap((browser) =>
          ['/twice', '/late'].map((path) => browser.fetch(victim.url + path)),
        ),
      )
      expect(answers.map(({ status }) => status)).toEqual([401, 200, 200, 200])
    })
    // The late one lets no request through that it would deny.
    expect(handled).toBe(2)
    expect((await entitled.fetch(`${victim.url}/services`)).status).toBe(200)
  })
})

const defaultScope = ['incidents.read', 'incidents.write', 'users.read', 'services.read', 'oncalls.read']

/** Ways to write a path that may be mistaken for another one, or for one that is not guarded. */
function targetsFor(path: string): string[] {
  const [, first = '', ...rest] = [...path]
  const encoded = `%${first.charCodeAt(0).toString(16)}${rest.join('')}`
  return [
    path,
    `/${path}`,
    `//${path}`,
    `${path}/`,
    `${path}//`,
    path.toUpperCase(),
    `/${encoded}`,
    `/.${path}`,
    `/%2e${path}`,
    `/public/..${path}`,
    `/public/%2e%2e${path}`,
    `/public/..%2f${path.slice(1)}`,
    `/public%2f..${path}`,
    `/%2f${path.slice(1)}`,
    `${path}%2f`,
    `${path}/.`,
    `${path}/%2e%2e${path}`,
    `${path}/..;${path}`,
    `${path};a=b`,
    `${path}.json`,
    `${path}%20`,
    `${path}%00`,
    `${path}%ff`,
    `${path}%`,
    `${path}?`,
    `${path}?/public`,
    `${path}?_method=OPTIONS&access_token=x`,
    `${path}#/public`,
    `${path}%23/public`,
    `${path}%3f/public`,
    `${path}\\`,
    `\\${path.slice(1)}`,
    `http://localhost${path}`,
    `https://evil.example${path}`,
    `http://evil.example:80/${path}`,
    `${path}${'/'.repeat(5_000)}`,
  ]
}

const methods = [
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'PURGE',
  'get',
  'GE',
  'CONNECT',
]

/** Headers that authenticating proxies send to an app, or that make them let a request through. */
const headers: Record<string, string>[] = [
  { 'X-Forwarded-Uri': '/' },
  { X_Forwarded_Uri: '/' },
  { 'X-Original-URL': '/' },
  { 'X-Original-URI': '/', 'X-Original-Method': 'OPTIONS' },
  { 'X-Rewrite-URL': '/' },
  { 'X-Forwarded-Prefix': '//evil.example' },
  { 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'https' },
  { Host: 'evil.example' },
  { 'X-Forwarded-For': '127.0.0.1' },
  { 'X-Forwarded-User': 'PACME01', 'X-Forwarded-Email': 'ada@acme.example', 'X-Forwarded-Groups': 'admin' },
  { X_Forwarded_User: 'PACME01', 'x-forwarded_user': 'PACME01' },
  { 'X-Auth-Request-User': 'PACME01', 'X-Remote-User': 'PACME01', 'Remote-User': 'PACME01' },
  { 'X-Forwarded-Access-Token': 'eyJhbGciOiJub25lIn0.e30.' },
  { Authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' },
  { Authorization: 'Basic YWRtaW46YWRtaW4=' },
  { 'X-HTTP-Method-Override': 'OPTIONS' },
  { 'X-HTTP-Method': 'HEAD', 'X-Method-Override': 'GET' },
  { 'User-Agent': 'GoogleHC/1.0' },
  { 'User-Agent': 'kube-probe/1.31' },
  { 'User-Agent': 'ELB-HealthChecker/2.0' },
  { 'User-Agent': 'PagerDuty-Webhook/V3.0' },
  { 'X-Middleware-Subrequest': 'middleware:middleware' },
  { 'Access-Control-Request-Method': 'GET', Origin: 'https://evil.example' },
  { Upgrade: 'websocket', Connection: 'Upgrade' },
]
