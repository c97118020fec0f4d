import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { approve } from '../../src/testing'
import { Browser } from '../support/browser'
import { dropIns, configurations, forEachConfiguration } from './support/configurations'
import { folders } from './support/paths'
import { Victim } from './support/start-victim'

const callbackURL = 'https://app.example/auth/pagerduty/callback'
const proxied = { 'X-Forwarded-Proto': 'https' }
const clients = [
  { clientID: 'a', clientSecret: 'b', scope: ['incidents.read', 'users.read'], redirectURIs: [callbackURL] },
]
/** As in production: https at a proxy in front, which says so in a header. */
const production = {
  victim: { options: { callbackURL }, env: { NODE_ENV: 'production' } },
  simulator: { clients },
}

/** A request through the proxy that terminates TLS: https for the browser, http here. */
function viaProxy(victim: Victim, browser: Browser, url: string): Promise<Response> {
  const { pathname, search } = new URL(url, victim.url)
  return browser.visit(victim.url + pathname + search, proxied)
}

async function logIn(victim: Victim, browser = new Browser()): Promise<Response> {
  const begun = await viaProxy(victim, browser, '/auth/pagerduty')
  return viaProxy(victim, browser, await approve(begun.headers.get('location') as string))
}

/** The cookies of this package that a response sets; those of an app's own session are its own business. */
function ours(answer: Response): string[] {
  const lines = answer.headers.getSetCookie()
  return lines.filter((line) => line.includes('pagerduty') && !line.includes('Max-Age=0'))
}

forEachConfiguration(
  configurations,
  (app) => {
    test('E1: the cookie of a begun login is bound to its host and to https, and out of reach of scripts', async () => {
      const set = ours(await viaProxy(app.victim, new Browser(), '/auth/pagerduty'))
      const form =
        /^__Host-pagerduty-login-[\w-]+=[\w.-]+; Path=\/; HttpOnly; SameSite=Lax; Secure; Max-Age=900$/
      expect(set).toEqual([expect.stringMatching(form)])
    })

    test('E3: a login that arrives as plain http fails at once: no cookie that would be lost, no redirect to PagerDuty', async () => {
      const { victim, simulator } = app
      for (const headers of [{}, { 'X-Forwarded-Proto': 'http' }, { 'X-Forwarded-Proto': 'http, https' }]) {
        const browser = new Browser()
        const answer = await browser.visit(`${victim.url}/auth/pagerduty`, headers as Record<string, string>)
        expect([answer.status, answer.headers.get('location')]).toEqual([500, null])
        expect([...browser.cookies]).toEqual([])
        expect(await answer.text()).toContain('ERR_PAGERDUTY_CONFIGURATION')
      }
      const sent = await new Browser().follow(`${victim.url}/me`)
      expect(sent.status).toBe(500)
      expect(simulator.calls.authorize).toBe(0)
    })

    test('E8: no cookie header makes an error', async () => {
      const { victim } = app
      const browser = new Browser()
      await logIn(victim, browser)
      const name = app.style === 'drop-in' ? '__Host-pagerduty' : 'connect.sid'
      const good = browser.cookies.get(name) as string
      const [id = '', signature = ''] = good.split('.')
      const anonymous = [
        '',
        ';;;=;',
        '=',
        name,
        `${name}=`,
        `${name}=s%3A`,
        `${name}=s%3A.`,
        `${name}=${id}`,
        `${name}=${id}.`,
        `${name}=${id}.${signature.slice(1)}`,
        `${name}=${id.slice(0, -1)}.${signature}`,
        `${name}=${good.replace('s%3A', '')}`,
        `${name}=%`,
        `${name}=%E0%A4%A`,
        `${name}=j%3A%7B%22id%22%3A1%7D`,
        `${name}="${'x'.repeat(7000)}"`,
        `${name}=a; ${name}=b; ${name}=${good}`,
        `__proto__=x; constructor=y; ${name}.id=z`,
        Array.from(
          { length: 100 },
          (_, i) => `__Host-pagerduty-login-${'a'.repeat(8)}-${'b'.repeat(7)}${i % 10}=1.x.y`,
        ).join('; '),
      ]
      for (const cookie of anonymous) {
        const answer = await new Browser().fetch(`${victim.url}/me`, { headers: { cookie } })
        expect({ cookie, status: answer.status }).toEqual({ cookie, status: 401 })
        const callback = await new Browser().visit(`${victim.url}/auth/pagerduty/callback?code=a&state=b`, {
          cookie,
        })
        expect(callback.status).toBeLessThan(500)
      }
      for (const cookie of [`${name}=${good}`, ` a=b;${name}=${good};c`, `${name}=${good}; ${name}=b`]) {
        const answer = await new Browser().fetch(`${victim.url}/me`, { headers: { cookie } })
        expect({ cookie, status: answer.status }).toEqual({ cookie, status: 200 })
      }
    })
  },
  production,
)

forEachConfiguration(
  dropIns,
  (app) => {
    test('E1: the cookie of the session is bound to its host and to https, and out of reach of scripts', async () => {
      const set = ours(await logIn(app.victim))
      const form = /^__Host-pagerduty=s%3A[^;]+; Path=\/; Expires=[^;]+ GMT; HttpOnly; Secure; SameSite=Lax$/
      expect(set).toEqual([expect.stringMatching(form)])
    })

    test.each(['strict', 'none'] as const)(
      'E1: SameSite=%s is warned about at the start',
      async (sameSite) => {
        const careless = await app.another({ options: { session: { cookie: { sameSite } } } })
        await careless.says(`"session.cookie.sameSite" is "${sameSite}"`)
        expect(careless.isAlive).toBe(true)
      },
    )
  },
  production,
)

test.each([
  ['none', undefined],
  ['an empty one', ''],
  ['the one of every tutorial', 'keyboard cat'],
  ['31 characters', 'k3yb04rdc4tk3yb04rdc4tk3yb04rdc'],
  ['a repeated word', 'secretsecretsecretsecretsecretsecret'],
  ['one letter', 'a'.repeat(64)],
  ['a placeholder', 'change-me-to-a-long-random-string-please'],
  ['an empty list', []],
  ['a good one and a bad one', ['b8Yw0m2X9c7Qp4Ln6Rt1Vz3Ks5Jh8Gf0', 'old']],
])('E2: in production an app does not start with %s for a secret', async (_what, secret) => {
  const options = { clientID: 'a', clientSecret: 'b', callbackURL, secret: secret as string }
  const start = Victim.start(undefined, {
    express: 5,
    style: 'drop-in',
    options,
    env: { NODE_ENV: 'production' },
  })
  await expect(start).rejects.toThrow(/ConfigurationError: .{1,3}secret/)
})

const inMemory = dropIns.filter(({ store }) => store === 'memory')

forEachConfiguration(
  inMemory,
  (app) => {
    test('E9: logins in memory are warned about in production, once', async () => {
      await app.victim.says('"tokenStore" is in memory: logins are lost')
      await logIn(app.victim)
      const said = app.victim.output.match(/"tokenStore" is in memory/g)
      expect(said).toHaveLength(1)
    })

    test('E9: logins in memory are rejected in a cluster, because its workers share none', () => {
      const folder = folders[app.express]
      const program = join(folder, 'cluster.cjs')
      writeFileSync(program, clustered)
      expect(() => execFileSync(process.execPath, [program], { cwd: folder, stdio: 'pipe' })).toThrow(
        /"tokenStore" must not be in memory in a cluster: its workers share none/,
      )
    })
  },
  production,
)

const clustered = `
const cluster = require('node:cluster')
const { pagerduty } = require('passport-pagerduty')
if (cluster.isPrimary) cluster.fork().once('exit', (code) => process.exit(code))
else pagerduty(${JSON.stringify({ clientID: 'a', clientSecret: 'b', callbackURL, scope: 'users.read' })})
`
