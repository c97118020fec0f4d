import { variables } from '../../src/environment'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type Example, example } from './examples'
import { RunningExample, environmentOf, runApp, runShell, typesOf } from './run-example'

let simulator: Simulator

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())

function run(one: Example, use: (app: RunningExample) => Promise<void>): Promise<string> {
  return runApp(one, environmentOf(simulator), use)
}

test('the app of the README greets users who log in, and shows incidents', async () => {
  await run(example('README.md, Quick start, ts'), async (app) => {
    expect(await (await new Browser().visit(`${app.url}/`)).text()).toContain('href="/auth/pagerduty"')
    const browser = await app.logIn()
    const page = await browser.visit(`${app.url}/`)
    const [, link = ''] = /^Hello PACME01 of acme <a href="([^"]*)">Incidents</.exec(await page.text()) ?? []
    expect(await typesOf(await browser.fetch(app.url + link))).toContain('incident')
    simulator.failNext('api', '500')
    expect((await browser.fetch(`${app.url}/incidents`)).status).toBe(503)
  })
})

test('the app of the README says so and ends where its port is taken', async () => {
  const { code } = example('README.md, Quick start, ts')
  const first = await RunningExample.start('quick-start', code, environmentOf(simulator))
  const port = Number(new URL(first.url).port)
  const second = RunningExample.start('quick-start', code, environmentOf(simulator), port)
  await expect(second).rejects.toThrow(/EADDRINUSE/)
  await first.stop()
})

/** The quick start in CommonJS. */
function inCommonJS(): string {
  const [, modules, rest = ''] =
    /^(import .*\nimport .*\n)([^]*)$/.exec(example('README.md, Quick start, ts').code) ?? []
  expect(modules).toContain('express')
  return example('README.md, Quick start, js').code + rest
}

test('the app of the README starts in CommonJS too', async () => {
  const app = await RunningExample.start('quick-start.cjs', inCommonJS(), environmentOf(simulator))
  try {
    const browser = await app.logIn()
    expect(await typesOf(await browser.fetch(`${app.url}/incidents`))).toContain('incident')
  } finally {
    await app.stop()
  }
})

test('an API failure under Express 4 gets a response where handlers are wrapped as in the README, and ends the process where not', async () => {
  const { code: caught } = example('README.md, Quick start, js 2')
  const plain = inCommonJS().replace("require('express')", `require('${require.resolve('express4')}')`)
  const program = caught + plain.replace(/async \(req, res\) => [^]*?\n\}(?=\))/, (code) => `caught(${code})`)
  const app = await RunningExample.start('quick-start-4.cjs', program, environmentOf(simulator))
  const careless = await RunningExample.start('quick-start-4-careless.cjs', plain, environmentOf(simulator))
  try {
    const browser = await app.logIn()
    simulator.failNext('api', 'reset')
    expect((await browser.fetch(`${app.url}/incidents`)).status).toBe(503)
    expect(await typesOf(await browser.fetch(`${app.url}/incidents`))).toContain('incident')
    const other = await careless.logIn()
    const ended = careless.ended()
    simulator.failNext('api', 'reset')
    await expect(other.fetch(`${careless.url}/incidents`)).rejects.toThrow(/socket hang up|ECONNRESET/)
    expect(await ended).toEqual({ code: 1, signal: null })
  } finally {
    await app.stop()
    await careless.stop()
  }
})

test.each(['README.md, Connect to PagerDuty, sh', 'docs/register.md, Registering an app at PagerDuty, sh'])(
  'the variables that are shown are read: %s',
  (name) => {
    const shown = [...example(name).code.matchAll(/^(\w+)=/gm)].map(([, variable]) => variable)
    expect(shown.length).toBeGreaterThan(3)
    expect(Object.values(variables)).toEqual(expect.arrayContaining(shown))
  },
)

test('the command for a secret prints one', async () => {
  const [, command = ''] =
    /^SESSION_SECRET=… +# (.*)$/m.exec(example('README.md, Connect to PagerDuty, sh').code) ?? []
  expect(await runShell(command)).toMatch(/^[\w-]{43}\n$/)
})

test('the guards of the README let authorized users pass', async () => {
  await run(example('README.md, Protect routes, ts'), async (app) => {
    const statuses = async (browser: Browser, origin: string) => {
      const note = { method: 'POST', headers: { Origin: origin } }
      const answers = [
        browser.fetch(`${app.url}/profile`),
        browser.fetch(`${app.url}/services`),
        browser.fetch(`${app.url}/notes`, note),
      ]
      return (await Promise.all(answers)).map(({ status }) => status)
    }
    expect(await statuses(new Browser(), app.url)).toEqual([401, 401, 401])
    expect(await statuses(await app.logIn(), app.url)).toEqual([200, 200, 403])
    const writer = await app.logIn('/auth/pagerduty?scope=incidents.write')
    expect(await statuses(writer, app.url)).toEqual([200, 200, 204])
    expect(await statuses(writer, 'https://evil.example')).toEqual([200, 200, 403])
  })
})

test('a failed call of the API is thrown as the README does', async () => {
  await run(example('README.md, Call the API, log out, ts'), async (app) => {
    const browser = await app.logIn()
    const services = async () => (await browser.fetch(`${app.url}/services`)).status
    expect(await services()).toBe(200)
    simulator.failNext('api', '500')
    expect(await services()).toBe(503)
  })
})

test('the logout form of the README ends the login', async () => {
  await run(example('README.md, Call the API, log out, ts 2'), async (app) => {
    const browser = await app.logIn()
    const form = await (await browser.visit(`${app.url}/me`)).text()
    const [, method = '', action = ''] = /<form method="(\w+)" action="([^"]*)">/.exec(form) ?? []
    const headers = { ...Browser.navigation, Origin: app.url }
    const left = await browser.fetch(app.url + action, { method: method.toUpperCase(), headers })
    expect([left.status, left.headers.get('location')]).toEqual([303, '/'])
    expect((await browser.fetch(`${app.url}/me`)).status).toBe(401)
  })
})

test('the README shows lines of the page on Passport, which is run', () => {
  const linesOf = (name: string) =>
    example(name)
      .code.split('\n')
      .filter((line) => line !== '')
  const whole = linesOf('docs/passport.md, In an app that has Passport already, ts')
  expect(whole).toEqual(expect.arrayContaining(linesOf('README.md, Already using Passport?, ts')))
})

test('a webhook of the README is handled', async () => {
  const secret = 'secret-of-the-subscription'
  const env = { ...environmentOf(simulator), PAGERDUTY_WEBHOOK_SECRET: secret }
  const printed = await runApp(example('README.md, Webhooks, ts'), env, async ({ url }) => {
    const send = (eventType: string, signed: string) =>
      simulator.sendWebhook(`${url}/webhooks/pagerduty`, eventType, { secret: signed })
    expect((await send('incident.triggered', secret)).status).toBe(202)
    expect((await send('incident.resolved', secret)).status).toBe(202)
    expect((await send('incident.triggered', 'another-secret-altogether')).status).toBe(403)
  })
  expect(printed.trim().split('\n')).toHaveLength(1)
})

test.each(['README.md, App tokens, ts', 'docs/app-tokens.md, Call the API, ts'])(
  'an app token calls the API: %s',
  async (name) => {
    const one = example(name)
    const show = "app.get('/as-app', async (_req, res) => res.json(await response.json()))\n"
    await run({ ...one, code: one.code + show }, async ({ url }) => {
      expect(await typesOf(await new Browser().fetch(`${url}/as-app`))).toContain('incident')
    })
  },
)
