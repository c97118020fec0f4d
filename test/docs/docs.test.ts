import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { variables } from '../../src/environment'
import { type StandIn, type WebhookAnswer, approve, defaultClient, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type Example, example } from './examples'
import { RunningExample, environmentOf, fileOf, runApp, runScript, runShell, typesOf } from './run-example'

jest.setTimeout(60_000)

let standIn: StandIn

beforeAll(async () => {
  standIn = await startPagerDuty()
})
afterAll(() => standIn.close())

function run(one: Example, use: (app: RunningExample) => Promise<void>): Promise<string> {
  return runApp(one, environmentOf(standIn), use)
}

test('the app of the README greets whoever logs in, and shows incidents', async () => {
  await run(example('README.md, Use it, ts'), async (app) => {
    expect(await (await new Browser().visit(`${app.url}/`)).text()).toContain('href="/auth/pagerduty"')
    const browser = await app.logIn()
    const page = await browser.visit(`${app.url}/`)
    expect(await page.text()).toBe('Hello PACME01 of acme')
    expect(await typesOf(await browser.fetch(`${app.url}/incidents`))).toContain('incident')
  })
})

test.each(['README.md, Use it, sh 4', 'docs/register.md, Registering an app at PagerDuty, sh'])(
  'the variables that are shown are read: %s',
  (name) => {
    const shown = [...example(name).code.matchAll(/^(\w+)=/gm)].map(([, variable]) => variable)
    expect(shown.length).toBeGreaterThan(3)
    expect(Object.values(variables)).toEqual(expect.arrayContaining(shown))
  },
)

test('the command for a secret prints one', async () => {
  const [, command = ''] = /^SESSION_SECRET=… +# (.*)$/m.exec(example('README.md, Use it, sh 4').code) ?? []
  expect(await runShell(command)).toMatch(/^[\w-]{43}\n$/)
})

test('each guard lets pass whoever was granted its scopes', async () => {
  const one = example('README.md, Scopes, ts')
  const scope = ['incidents.read', 'incidents.write', 'users.read', 'analytics.write']
  const code = `
const pd = pagerduty({ scope: ${JSON.stringify(scope)} })
app.use(pd.auth())
const guards = []
const keeping = new Proxy(pd, { get: (_pd, name) => (...args) => guards.push(pd[name](...args)) })
{
const pd = keeping
${one.code}
}
guards.forEach((guard, number) => app.get('/' + number, guard, (_req, res) => res.end()))
`
  const pass = async (app: RunningExample, browser: Browser) => {
    const answers = [0, 1, 2, 3, 4].map((number) => browser.fetch(`${app.url}/${number}`))
    return (await Promise.all(answers)).map(({ status }) => status)
  }
  const passWith = async (app: RunningExample, granted: string) => {
    standIn.configure('stand-in-client', { scope: granted.split(' ') })
    return pass(app, await app.logIn())
  }
  try {
    await run({ ...one, code }, async (app) => {
      expect(await pass(app, new Browser())).toEqual([401, 401, 401, 401, 401])
      expect(await passWith(app, 'users.read')).toEqual([403, 403, 403, 200, 200])
      expect(await passWith(app, 'users.read incidents.read')).toEqual([200, 403, 403, 200, 200])
      expect(await passWith(app, 'analytics.write')).toEqual([403, 200, 403, 403, 200])
      expect(await passWith(app, 'incidents.read incidents.write')).toEqual([403, 403, 200, 403, 200])
    })
  } finally {
    standIn.configure('stand-in-client', defaultClient)
  }
})

test('a button of one’s own asks for more, and leads on', async () => {
  const one = example('README.md, Scopes, ts 2')
  const next = "app.get('/incidents', pd.requireScopes('incidents.write'), (_req, res) => res.end())\n"
  await run({ ...one, code: one.code + next }, async (app) => {
    const browser = await app.logIn()
    const statusOf = async (path: string) => (await browser.fetch(app.url + path)).status
    expect(await statusOf('/incidents')).toBe(403)
    const asked = await browser.visit(`${app.url}/more`)
    const finished = await browser.visit(await approve(asked.headers.get('location') as string))
    expect(finished.headers.get('location')).toBe('/incidents')
    expect(await statusOf('/incidents')).toBe(200)
  })
})

describe('a Passport and sessions of one’s own', () => {
  test('log people in, in short', async () => {
    await run(example('README.md, With Passport and sessions of your own, ts'), async (app) => {
      const incidents = (browser: Browser) => browser.fetch(`${app.url}/incidents`)
      expect((await incidents(new Browser())).status).toBe(401)
      const browser = await app.logIn()
      expect([...browser.cookies.keys()]).toEqual(['connect.sid'])
      expect(await (await incidents(browser)).json()).toMatchObject({ id: 'PACME01', subdomain: 'acme' })
      expect(await (await browser.fetch(`${app.url}/me`)).json()).toEqual({ id: 'PACME01' })
    })
  })

  test('log people in and out', async () => {
    await run(example('docs/passport.md, In an app that has Passport already, ts'), async (app) => {
      const browser = await app.logIn()
      const user = async () => (await browser.fetch(`${app.url}/`)).json()
      expect(await user()).toEqual({ user: { id: 'PACME00/PACME01' } })
      expect((await browser.fetch(`${app.url}/incidents`)).status).toBe(200)
      await browser.fetch(`${app.url}/logout`, { method: 'POST' })
      expect(await user()).toEqual({ user: null })
    })
  })
})

describe('a webhook', () => {
  const webhook = 'README.md, Webhooks, ts'
  const secret = 'secret-of-the-subscription'
  let atWork: StandIn

  beforeEach(async () => {
    atWork = await startPagerDuty()
  })
  afterEach(() => atWork.close())

  type Send = (eventType: string) => Promise<WebhookAnswer>

  /** Runs the app for deliveries about one incident; `notes` are those that it has. */
  async function receive(
    one: Example,
    use: (send: Send, notes: () => Promise<unknown>) => Promise<void>,
  ): Promise<void> {
    const show = `
app.get('/notes/:id', async (req, res) => {
  const answer = await pd.appTokens.fetch('/incidents/' + req.params.id + '/notes')
  res.json((await answer.json()).notes.map(({ content }) => content))
})
`
    const env = { ...environmentOf(atWork), PAGERDUTY_WEBHOOK_SECRET: secret }
    await runApp({ ...one, code: one.code + show }, env, async ({ url }) => {
      let incident = ''
      const send: Send = async (eventType) => {
        const delivery = await atWork.sendWebhook(`${url}/webhooks/pagerduty`, eventType, { secret })
        incident = (delivery.event.data as { id: string }).id
        return delivery
      }
      await use(send, async () => (await new Browser().fetch(`${url}/notes/${incident}`)).json())
    })
  }

  test('gives a triggered incident its note once, after a failure too', async () => {
    await receive(example(webhook), async (send, notes) => {
      expect((await send('incident.acknowledged')).status).toBe(202)
      expect(await notes()).toEqual([])
      atWork.failNext('api', '500')
      const delivery = await send('incident.triggered')
      expect(delivery.status).toBe(503)
      expect((await delivery.again()).status).toBe(202)
      expect((await delivery.again()).status).toBe(202)
      expect(await notes()).toEqual(['The runbook is running.'])
    })
  })

  test('may stand behind a body parser that keeps the bytes', async () => {
    const parser = example('README.md, Webhooks, ts 2')
    await receive({ ...parser, code: parser.code + example(webhook).code }, async (send, notes) => {
      expect((await send('incident.triggered')).status).toBe(202)
      expect(await notes()).toEqual(['The runbook is running.'])
    })
  })
})

test('the doctor finds nothing wrong with the app of the README', async () => {
  const doctor = example('docs/doctor.md, `npx passport-pagerduty doctor`, sh')
  const folder = mkdtempSync(join(tmpdir(), 'docs-'))
  await run(example('README.md, Use it, ts'), async ({ url }) => {
    const env = {
      ...standIn.env(),
      PAGERDUTY_CALLBACK_URL: `${url}/auth/pagerduty/callback`,
      PAGERDUTY_SCOPE: 'incidents.read users.read',
      SESSION_SECRET: 'ckKgfPNPOSUYDUO2oRqFfRnIfVRB1HD6hoDkRWHLF_o',
    }
    const lines = Object.entries(env).map((variable) => variable.join('='))
    writeFileSync(join(folder, '.env'), lines.join('\n'))
    const printed = await runShell(doctor.code.replace('https://your.app', url), folder)
    expect(printed).toMatch(/^ok +app /m)
  })
  rmSync(folder, { recursive: true })
})

describe('what happens', () => {
  test('is told to a subscriber', async () => {
    const one = example('docs/events.md, Channels, js')
    const route = "app.get('/incidents/:id', pd.requireScopes('incidents.read'), (_req, res) => res.end())\n"
    const printed = await run({ ...one, code: one.code + route }, async (app) => {
      await new Browser().fetch(`${app.url}/incidents/P1?secret=1`)
    })
    expect(printed).toBe('pagerduty ERR_PAGERDUTY_UNAUTHORIZED /incidents/:id\n')
  })

  test('is a line of each logger', async () => {
    const one = example('docs/events.md, Log, js')
    const levels = ['debug', 'info', 'warn', 'error']
    const program = `
import { pagerduty as make } from 'passport-pagerduty'
const lines = []
const levels = ${JSON.stringify(levels)}
const writing = (name, read) => Object.fromEntries(levels.map((level) =>
  [level, (...args) => lines.push({ name, level, ...read(...args) })]))
const winston = writing('winston', (message, meta) => ({ message, ...meta }))
// As pino does: details come first, and behind a text they are thrown away.
const pino = writing('pino', (first, text) => typeof first === 'string' ? { message: first } : { message: text, ...first })
Object.assign(console, writing('console', (message, detail) => ({ message, ...detail })))
const loggers = []
const pagerduty = (options) => {
  loggers.push(options.logger)
  return make(options)
}
${one.code}
for (const logger of loggers) for (const level of levels) logger[level]('happened', { detail: level })
process.stdout.write(JSON.stringify(lines))
`
    const printed = await runScript(fileOf(one), program, {
      ...environmentOf(standIn),
      PAGERDUTY_CALLBACK_URL: 'http://localhost/auth/pagerduty/callback',
      PAGERDUTY_SCOPE: 'incidents.raed',
    })
    const lines = JSON.parse(printed) as { name: string }[]
    for (const name of ['console', 'winston', 'pino']) {
      const [first, ...others] = lines.filter((line) => line.name === name)
      expect(first).toMatchObject({ level: 'warn', message: expect.stringContaining('"incidents.read"') })
      expect(others).toEqual(levels.map((level) => ({ name, level, message: 'happened', detail: level })))
    }
  })
})
