import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unsign } from 'cookie-signature'
import { type Simulator, type WebhookAnswer, approve, defaultClient, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { describeWithRedis, startRedis, useRedis } from '../support/redis'
import { type Example, example } from './examples'
import { RunningExample, environmentOf, fileOf, runApp, runScript, runShell } from './run-example'

let simulator: Simulator

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())

function run(one: Example, use: (app: RunningExample) => Promise<void>): Promise<string> {
  return runApp(one, environmentOf(simulator), use)
}

describeWithRedis('a Passport and sessions of one’s own', () => {
  const redis = useRedis()
  const environment = () => ({ ...environmentOf(simulator), REDIS_URL: redis.url })

  test('sign sessions with the first secret of a list, so that one can be replaced', async () => {
    const name = 'docs/passport.md, In an app that has Passport already, ts'
    const [next, last] = [
      'the next secret of forty characters or so',
      'the last secret of forty characters or so',
    ]
    const env = { ...environment(), SESSION_SECRET: `${next},${last}` }
    await runApp(example(name), env, async (app) => {
      const browser = await app.logIn()
      const [cookie = ''] = [...browser.cookies]
        .filter(([one]) => one === 'connect.sid')
        .map(([, value]) => value)
      expect(unsign(decodeURIComponent(String(cookie)).slice(2), next)).not.toBe(false)
    })
  })

  test('log users in and out', async () => {
    const one = example('docs/passport.md, In an app that has Passport already, ts')
    await runApp(one, environment(), async (app) => {
      const browser = await app.logIn()
      const user = async () => (await browser.fetch(`${app.url}/`)).json()
      expect(await user()).toEqual({ user: { id: 'PACME00/PACME01' } })
      expect((await browser.fetch(`${app.url}/incidents`)).status).toBe(200)
      expect(await redis.client.keys('sess:*')).not.toEqual([])
      await browser.fetch(`${app.url}/logout`, { method: 'POST' })
      expect(await user()).toEqual({ user: null })
    })
  })

  test('show a user who denies access a page', async () => {
    const one = example('docs/passport.md, In an app that has Passport already, ts')
    await runApp(one, environment(), async (app) => {
      const browser = new Browser()
      const begun = await browser.visit(`${app.url}/auth/pagerduty`)
      const callback = await approve(begun.headers.get('location') as string, { decision: 'deny' })
      const failed = await browser.visit(callback)
      expect(failed.headers.get('location')).toBe('/failed')
      const page = await browser.visit(`${app.url}/failed`)
      expect([page.status, await page.text()]).toEqual([403, expect.stringContaining('Try again')])
    })
  })
})

test('a Passport and sessions of one’s own need no Redis in development', async () => {
  const one = example('docs/passport.md, In an app that has Passport already, ts')
  const code = one.code.replaceAll(/^.*(RedisStore|new Redis|\{ Redis \}).*\n/gm, '')
  expect(code).not.toContain('edis')
  await run({ ...one, code }, async (app) => {
    const browser = await app.logIn()
    expect((await browser.fetch(`${app.url}/incidents`)).status).toBe(200)
  })
})

test('an error page of one’s own asks a browser before it consents, and leaves scripts alone', async () => {
  simulator.configure('simulator-client', { scope: ['users.read'] })
  try {
    await run(example('docs/errors.md, An error page of your own, ts'), async (app) => {
      const browser = await app.logIn()
      const page = await browser.visit(`${app.url}/incidents`)
      expect(page.status).toBe(403)
      expect(page.headers.get('www-authenticate')).toContain('insufficient_scope')
      const [, link = ''] = /<a href="([^"]*)">/.exec(await page.text()) ?? []
      expect(link).toMatch(/^\/auth\/pagerduty\?scope=incidents\.read/)
      const consent = await browser.visit(app.url + link)
      expect(consent.headers.get('location')).toContain(simulator.url)
      const script = await browser.fetch(`${app.url}/incidents`)
      expect([script.status, await script.text()]).toEqual([403, expect.not.stringContaining('One more')])
    })
  } finally {
    simulator.configure('simulator-client', defaultClient)
  }
})

describe('a webhook', () => {
  const webhook = 'docs/webhooks.md, Mount it, ts'
  const secret = 'secret-of-the-subscription'
  let atWork: Simulator

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
    const parser = example('docs/webhooks.md, Mount it, ts 2')
    await receive({ ...parser, code: parser.code + example(webhook).code }, async (send, notes) => {
      expect((await send('incident.triggered')).status).toBe(202)
      expect(await notes()).toEqual(['The runbook is running.'])
    })
  })
})

describeWithRedis('with Redis', () => {
  test('a readiness check fails while the store does', async () => {
    const redis = await startRedis()
    const env = { ...environmentOf(simulator), REDIS_URL: redis.url }
    await runApp(example('docs/deployment.md, The process, ts'), env, async ({ url }) => {
      const status = async () => (await new Browser().fetch(`${url}/ready`)).status
      expect(await status()).toBe(204)
      await redis.stop()
      expect(await status()).toBe(503)
    })
  })
})

test('the doctor finds nothing wrong with the app of the README', async () => {
  const doctor = example('docs/doctor.md, `npx passport-pagerduty doctor`, sh')
  const folder = mkdtempSync(join(tmpdir(), 'docs-'))
  await run(example('README.md, Quick start, ts'), async ({ url }) => {
    const env = {
      ...simulator.env(),
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
  test('is emitted to a subscriber', async () => {
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
      ...environmentOf(simulator),
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
