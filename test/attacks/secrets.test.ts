import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { sendWebhook, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { altered } from '../support/drop-in'
import { type Behaviour, json, redirect } from '../support/fault-server'
import { describeWithRedis, startRedis } from '../support/redis'
import { Canaries, type Recorder, startRecorder } from './support/canaries'
import {
  type Configuration,
  type InConfiguration,
  configurations,
  forEachConfiguration,
} from './support/configurations'
import { folders } from './support/paths'
import { everythingIn, watchCommands } from './support/redis-contents'
import { Victim } from './support/start-victim'

const canary = (what: string) => `CANARY-${what}-${randomBytes(18).toString('base64url')}`
/** Such as a password manager makes without digits. */
const lettersOnly = `CANARY-misplaced-${randomBytes(200)
  .toString('base64')
  .replaceAll(/[^a-z]/gi, '')
  .slice(0, 24)}`
const clientSecret = canary('client-secret')
const secret = [canary('session-secret'), canary('session-secret-before')]
const webhookSecret = [canary('webhook-secret'), canary('webhook-secret-before')]
const redisPassword = canary('redis-password')
const scope = ['incidents.read', 'users.read', 'services.read', 'oncalls.read']
const client = { clientID: 'simulator-client', clientSecret, scope }

/** Repeats the whole request, as a faulty server or the debug page of a proxy does. */
const echo =
  (status: number, error: string | ((form: URLSearchParams) => string)): Behaviour =>
  (res, request) => {
    const { form, body, headers } = request
    const code = typeof error === 'string' ? error : error(form)
    const members = { error: code, error_description: body, headers, ...Object.fromEntries(form) }
    return json(members, status)(res, request)
  }

const elsewhere: Behaviour = (res, request) => redirect(307, `/elsewhere?${request.body}`)(res, request)
const secretOf = (form: URLSearchParams) => form.get('refresh_token') ?? form.get('code') ?? 'server_error'
const faults = ['500', '503', '429', 'html', 'redirect', 'invalid_client', 'invalid_request'] as const
const echoes = [
  echo(400, secretOf),
  echo(401, 'invalid_client'),
  echo(500, secretOf),
  echo(200, secretOf),
  elsewhere,
]

/** A browser that keeps the responses it gets. */
class Witness extends Browser {
  readonly answers: string[]

  constructor(answers: string[]) {
    super()
    this.answers = answers
  }

  override async fetch(...args: Parameters<Browser['fetch']>): Promise<Response> {
    const answer = await super.fetch(...args)
    if (args[0].includes('/oauth/')) return answer // PagerDuty's own page.
    const headers = [...answer.headers].map(([name, value]) => `${name}: ${withoutState(value)}`)
    this.answers.push([answer.status, ...headers, await answer.clone().text()].join('\n'))
    return answer
  }
}

/** A line of Express's own router, which prints each URL: with DEBUG=* that of the callback too. */
const dispatching = /^.* (express:)?router .*$/gm

/** The way to PagerDuty has the state in it, and has to. */
function withoutState(location: string): string {
  return location.includes('/oauth/authorize?') ? location.replace(/\bstate=[^&]*/, '') : location
}

/** What the scenario works with. */
interface Scene {
  app: InConfiguration & Configuration
  victim: Victim
  recorder: Recorder
  redis: Redis | undefined
  answers: string[]
}

forEachConfiguration(
  configurations,
  (app) => {
    const canaries = new Canaries()
    let recorder: Recorder
    let redis: Redis | undefined
    let commands: Awaited<ReturnType<typeof watchCommands>> | undefined
    beforeAll(async () => {
      recorder = await startRecorder(app.simulator, canaries)
      if (app.redis === undefined) return
      redis = new Redis(app.redis.url)
      commands = await watchCommands(app.redis.port)
      await redis.config('SET', 'requirepass', redisPassword)
    })
    afterAll(async () => {
      commands?.close()
      redis?.disconnect()
      await recorder.close()
    })

    // Express shows the stack of an error unless NODE_ENV says that this is production.
    const isPlain = (app.express === 4) === (app.style === 'drop-in')
    const settings = isPlain ? { plainErrors: true } : { env: { NODE_ENV: 'production' } }
    const handler = isPlain ? 'Express answers for errors' : 'pd.errors() does, in production'

    test(`S1–S9: no secret turns up anywhere, whatever happens, where ${handler}`, async () => {
      canaries.note('client secret', clientSecret)
      for (const one of secret) canaries.note('session secret', one)
      for (const one of webhookSecret) canaries.note('webhook secret', one)
      canaries.note('Redis password', redisPassword)
      const url = app.redis && `redis://:${redisPassword}@127.0.0.1:${app.redis.port}`
      const victim = await app.another({
        tellsAll: true,
        ...settings,
        env: { ...settings.env, DEBUG: '*,-ioredis:*' },
        ...(url && { redis: url }),
        options: {
          ...{ identityURL: recorder.url, apiURL: recorder.url, account: 'us.acme', secret, webhookSecret },
          scope: ['incidents.read', 'users.read', 'schedules.read'],
          ...(url && { redis: url }),
        },
      })
      const answers: string[] = []
      await play({ app, victim, recorder, redis, answers })

      const urls = recorder.requests.map(
        ({ url: asked, headers }) => `${withoutState(asked)} ${headers.referer}`,
      )
      const toAPI = recorder.requests.filter((one) => !one.url.startsWith('/oauth/'))
      const sent = recorder.requests.map((one) => one.body).join('\n')
      expect(canaries.in(sent).map(({ name }) => name)).toEqual(
        expect.arrayContaining(['client secret', 'code_verifier', 'refresh_token']),
      )
      expect({
        output: canaries.in(victim.output.replace(dispatching, '')),
        answers: canaries.in(answers.join('\n')),
        redis: canaries.in([...(commands?.seen ?? []), ...(await everythingIn(redis))].join('\n')),
        urls: canaries.in(urls.join('\n')),
        bodies: canaries.in(toAPI.map((one) => one.body).join('\n')),
      }).toEqual({ output: [], answers: [], redis: [], urls: [], bodies: [] })
    })
  },
  { simulator: { clients: [client] } },
)

test.each([
  ['random characters', canary('misplaced')],
  ['letters only', lettersOnly],
])(
  'S1, S2, K5: a start that fails does not repeat a secret in the wrong place, of %s',
  async (_what, value) => {
    const canaries = new Canaries()
    canaries.note('secret', value)
    const misplaced = [
      'callbackURL',
      'identityURL',
      'apiURL',
      'tokenURL',
      'issuer',
      'appType',
      'name',
      'redis',
    ]
    const texts = [
      ...misplaced,
      'account',
      'stepUpScope',
      'partialGrant',
      'session',
      'routes',
      'clientID',
      'scope',
    ]
    const wrong: object[] = [
      ...texts.map((option) => ({ [option]: value })),
      ...[...texts, 'clientSecret'].map((option) => ({ [option]: { value } })),
      ...['callbackURL', 'identityURL', 'tokenURL', 'redis'].map((option) => ({
        [option]: `http://u:${value}@host/`,
      })),
      { scope: `incidents.read ${value}"` },
      { scope: [value, 'read'] },
      { scope: [value], appType: 'classic' },
      { secret: value.slice(0, 31) },
      { secret: `changeme ${value}` },
      { secret: [value, 'x'] },
      { webhookSecret: `${value}\n` },
      { webhookSecret: [value, ''] },
    ]
    const right = {
      clientID: 'a',
      clientSecret: value,
      callbackURL: 'https://app.example/',
      scope: 'users.read',
    }
    const program = `
    const { inspect } = require('node:util')
    const { pagerduty } = require('passport-pagerduty')
    for (const wrong of ${JSON.stringify(wrong)}) {
      try {
        const pd = pagerduty({ ...${JSON.stringify(right)}, ...wrong })
        pd.auth()
        pd.webhook(() => {})
        console.log('started')
      } catch (error) {
        console.log('refused', inspect(error, { depth: 12, showHidden: true, getters: true }), JSON.stringify(error))
      }
    }
    pagerduty({ ...${JSON.stringify(right)}, callbackURL: ${JSON.stringify(value)} })`
    const { stdout, stderr } = spawnSync(process.execPath, ['-'], {
      timeout: 10_000,
      cwd: folders[5],
      input: program,
      encoding: 'utf8',
    })
    expect(stdout.match(/^refused/gm)?.length).toBe(wrong.length)
    // How Node itself prints an uncaught error.
    expect(stderr).toContain('ERR_PAGERDUTY_CONFIGURATION')
    expect(canaries.in(stdout + stderr)).toEqual([])
  },
)

describeWithRedis('Redis', () => {
  test('S2: that rejects the password is reported without it', async () => {
    const canaries = new Canaries()
    canaries.note('Redis password', redisPassword)
    const server = await startRedis({ more: ['--requirepass', 'another one'] })
    const redis = `redis://:${redisPassword}@127.0.0.1:${server.port}`
    const simulator = await startPagerDuty()
    const options = { redis, secret, webhookSecret }
    const victim = await Victim.start(simulator, { express: 5, style: 'drop-in', tellsAll: true, options })
    const browser = new Witness([])
    expect((await browser.visit(await victim.approved(browser))).status).toBe(503)
    await until(() => victim.output.includes('WRONGPASS'))
    expect(canaries.in(victim.output + browser.answers.join('\n'))).toEqual([])
    await Promise.all([victim.stop(), server.stop(), simulator.close()])
  })
})

/** Everything that a login can go through, and all that can go wrong with it. */
async function play(scene: Scene): Promise<void> {
  const { victim, answers } = scene
  const steady = await victim.logIn(new Witness(answers))
  await logins(scene)
  await stepUp(scene, steady)
  await refreshes(scene, steady)
  await lostRefreshes(scene)
  await appTokens(scene)
  await webhooks(scene)
  await outage(scene, steady)
  // Redacted is what is shown, not what is kept.
  expect((await steady.fetch(`${victim.url}/api`)).status).toBe(200)
  await steady.visit(`${victim.url}/all?so-far=everything`)
  await steady.fetch(`${victim.url}/auth/pagerduty/logout`, {
    method: 'POST',
    headers: { 'Sec-Fetch-Site': 'same-origin' },
  })
  await until(() => victim.output.includes('so-far=everything'))
}

async function logins({ app, victim, recorder, answers }: Scene): Promise<void> {
  const { simulator } = app
  const tries: (() => void)[] = [
    ...[...faults, 'reset', 'half', 'invalid_grant'].map(
      (fault) => () => simulator.failNext('token', fault as '500'),
    ),
    ...echoes.map((behave) => () => recorder.insteadOf('/oauth/token', behave)),
    () => recorder.insteadOf('/oauth/token', echo(400, 'invalid_grant')),
    () => (simulator.settings.idTokenClaims = (claims) => ({ ...claims, aud: 'somebody else' })),
  ]
  for (const arrange of tries) {
    const browser = new Witness(answers)
    const callback = await victim.approved(browser)
    arrange()
    expect((await browser.visit(callback)).status).not.toBe(200)
    simulator.settings.idTokenClaims = undefined
    expect(await victim.userOf(browser)).toBeNull()
  }
  const browser = new Witness(answers)
  const callback = await victim.approved(browser)
  await new Witness(answers).visit(callback)
  for (const changes of [
    { state: 'x'.repeat(32) },
    { error: 'access_denied' },
    { iss: 'https://evil.example' },
  ]) {
    await browser.visit(altered(callback, changes))
  }
}

async function stepUp({ app, victim }: Scene, browser: Browser): Promise<void> {
  app.simulator.settings.autoApprove = 'PACME01'
  const answer = await browser.follow(`${victim.url}/services`)
  app.simulator.settings.autoApprove = undefined
  expect(answer.status).toBe(200)
  await browser.visit(`${victim.url}/all`)
}

/** Failures that a grant survives. */
async function refreshes(scene: Scene, browser: Browser): Promise<void> {
  const { app, victim, recorder } = scene
  const { simulator } = app
  const tries: (() => void)[] = [
    ...faults.map((fault) => () => simulator.failNext('token', fault)),
    () => simulator.failNext('token', 'reset', 2),
    ...echoes.map((behave) => () => recorder.insteadOf('/oauth/token', behave)),
  ]
  const outcomes: number[] = []
  for (const arrange of tries) {
    arrange()
    simulator.expireTokens()
    outcomes.push((await browser.fetch(`${victim.url}/api`)).status)
    await goOn(scene)
    outcomes.push((await browser.fetch(`${victim.url}/api`)).status)
  }
  expect(outcomes).toEqual(tries.flatMap(() => [503, 200]))
  recorder.insteadOf('/incidents', (res, request) => json({ error: request.headers }, 403)(res, request))
  expect((await browser.fetch(`${victim.url}/api`)).status).toBe(403)
  recorder.insteadOf('/incidents', elsewhere)
  expect((await browser.fetch(`${victim.url}/api`)).status).toBe(502)
}

/** Failures that it does not. */
async function lostRefreshes(scene: Scene): Promise<void> {
  const { app, victim, recorder, answers } = scene
  const { simulator } = app
  const tries: (() => void)[] = [
    () => simulator.failNext('token', 'half'),
    () => simulator.failNext('token', 'reset-after'),
    () => simulator.failNext('token', 'invalid_grant'),
    () => recorder.insteadOf('/oauth/token', echo(400, 'invalid_grant')),
  ]
  for (const arrange of tries) {
    const browser = await victim.logIn(new Witness(answers), 'PACME02')
    simulator.expireTokens()
    arrange()
    expect((await browser.fetch(`${victim.url}/api`)).status).toBe(401)
    await goOn(scene)
  }
  const browser = await victim.logIn(new Witness(answers), 'PACME02')
  recorder.insteadOf('/oauth/revoke', echo(500, secretOf))
  const isRevoked = () => recorder.requests.some(({ url }) => url === '/oauth/revoke')
  const headers = { 'Sec-Fetch-Site': 'same-origin' }
  await browser.fetch(`${victim.url}/auth/pagerduty/logout`, { method: 'POST', headers })
  await until(isRevoked)
}

async function appTokens(scene: Scene): Promise<void> {
  const { app, victim, recorder, answers } = scene
  const browser = new Witness(answers)
  const tries: (() => void)[] = [
    ...faults.map((fault) => () => app.simulator.failNext('token', fault)),
    ...echoes.map((behave) => () => recorder.insteadOf('/oauth/token', behave)),
  ]
  for (const arrange of tries) {
    arrange()
    expect((await browser.fetch(`${victim.url}/app-token`)).status).toBe(503)
    await goOn(scene, 61_000)
  }
  expect((await browser.fetch(`${victim.url}/app-token`)).status).toBe(200)
  expect((await browser.fetch(`${victim.url}/app-token?scope=schedules.read`)).status).toBe(503)
}

async function webhooks({ victim, answers }: Scene): Promise<void> {
  const statuses: number[] = []
  for (const how of [{}, { signature: 'v1=00' }, { body: '{"event":{}}' }]) {
    for (const type of ['incident.triggered', 'incident.resolved']) {
      const answer = await sendWebhook(`${victim.url}/indiscreet`, type, { secret: webhookSecret, ...how })
      answers.push(JSON.stringify([...answer.headers]), answer.body)
      statuses.push(answer.status)
    }
  }
  expect(statuses).toEqual([202, 503, 403, 403, 403, 403])
}

async function outage({ app, victim, answers }: Scene, browser: Browser): Promise<void> {
  if (app.redis === undefined) return
  app.redis.freeze()
  const asked = browser.fetch(`${victim.url}/api`)
  const answer = await sendWebhook(`${victim.url}/webhook`, 'incident.triggered', { secret: webhookSecret })
  answers.push(JSON.stringify([...answer.headers]), answer.body)
  expect(answer.status).toBe(503)
  app.redis.thaw()
  await asked
}

const offsets = new WeakMap<Victim, number>()

/** Lets the pause after a failure pass. */
async function goOn({ redis, victim }: Scene, by = 5_000): Promise<void> {
  const offset = (offsets.get(victim) ?? 0) + by
  offsets.set(victim, offset)
  await victim.order({ kind: 'clock', offset })
  const keys = (await redis?.keys('*pause:*')) ?? []
  if (keys.length > 0) await redis?.del(keys)
}

async function until(isSo: () => boolean): Promise<void> {
  for (const giveUpAt = performance.now() + 20_000; !isSo(); await pause(10)) {
    if (performance.now() > giveUpAt) throw new Error(`It did not happen: ${isSo.toString()}`)
  }
}
