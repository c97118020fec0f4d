// The board is written from README.md and docs/ alone. Where a change of the library changes it, they have to say why.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { type Simulator, defaultClient, startPagerDuty } from '../../../src/testing'
import { type RedisServer, describeWithRedis, startRedis } from '../../support/redis'
import { type Worker, startWorker } from '../../support/worker'
import { Visitor, env, listen } from './visitor'

// Processes start in some of them.

const secret = 'a secret of thirty-two characters or more for tests'

let simulator: Simulator
let redis: RedisServer
let workers: Worker[]
/** Of the two processes. */
let urls: [string, string]

const visitor = () => new Visitor(urls, simulator.url)

async function loggedIn(person = 'ada', user = 'PACME01'): Promise<Visitor> {
  const someone = visitor()
  await someone.logIn(person)
  await someone.open('/acme', user)
  return someone
}

const start = () => startWorker('../flows/board/server.ts', simulator, redis, env)

/** Ends all sessions of the board, as time does. */
async function endSessions(): Promise<void> {
  const client = new Redis(redis.url)
  const keys = await client.keys('board:people:*')
  await client.del(keys)
  await client.quit()
}

/** What the nightly job prints. */
async function report(): Promise<string> {
  const args = ['--require', 'esbuild-register', '--no-warnings', join(__dirname, 'nightly.ts')]
  const all = { ...process.env, ...simulator.env(), ...env, REDIS_URL: redis.url, SESSION_SECRET: secret }
  return (await promisify(execFile)('node', args, { env: all, timeout: 20_000 })).stdout
}

test('it takes less than 250 lines', () => {
  const own = readdirSync(__dirname).filter((name) => !['board.test.ts', 'visitor.ts'].includes(name))
  const lines = own.flatMap((name) => readFileSync(join(__dirname, name), 'utf8').trimEnd().split('\n'))
  expect(own).toContain('server.ts')
  expect(lines.length).toBeLessThan(250)
})

describeWithRedis('the board of an on-call team', () => {
  beforeAll(async () => {
    const client = { ...defaultClient, scope: ['incidents.read', 'incidents.write'] }
    simulator = await startPagerDuty({
      clients: [
        { ...client, clientID: env.ACME_CLIENT_ID, clientSecret: env.ACME_CLIENT_SECRET },
        { ...client, clientID: env.GLOBEX_CLIENT_ID, clientSecret: env.GLOBEX_CLIENT_SECRET },
      ],
    })
    redis = await startRedis()
    workers = await Promise.all([start(), start()])
    urls = workers.map(({ url }) => url) as [string, string]
  })
  afterAll(async () => {
    for (const { child } of workers) child.kill('SIGKILL')
    await simulator.close()
    await redis.stop()
  })

  test('users log in with a password, and link one PagerDuty account alongside another', async () => {
    const ada = visitor()
    expect(await ada.logIn('ada', 'a wrong one')).toBe('/login')
    expect(await ada.logIn()).toBe('/')
    expect((await ada.open('/acme', 'PACME01')).path).toBe('/acme')
    expect((await ada.open('/globex', 'PGLBX01')).path).toBe('/globex')
    expect(await ada.text('/', urls[1])).toContain('acme: PACME01</a>, <a href="/globex">globex: PGLBX01')
    expect(await ada.text('/globex', urls[1])).toContain('Allow changes first')
  })

  test('a user of another account is not linked', async () => {
    const ben = visitor()
    await ben.logIn('ben')
    expect((await ben.open('/acme', 'PGLBX02')).path).toBe('/')
    expect(await ben.text('/')).toContain('acme: not linked')
  })

  test('a button that needs another scope requests it, and works when it is pressed again', async () => {
    const ada = await loggedIn()
    const [, button = ''] = /action="([^"]+)"><button>Allow changes first/.exec(await ada.text('/acme')) ?? []
    const asked = await ada.post(button)
    const back = await ada.open(asked.headers.get('location') ?? '')
    expect(back.path).toBe('/acme')
    expect(await back.text()).toContain('<button>Acknowledge')
    const pressed = await ada.post(button, undefined, urls[1])
    expect([pressed.status, pressed.headers.get('location')]).toEqual([303, '/acme'])
    const id = button.split('/')[3]
    expect(await ada.text('/acme', urls[1])).toMatch(new RegExp(`<p>${id} [^<]*: acknowledged</p>`))
  })

  test('an event reaches the pages of its account that are open at any process, until the login ends', async () => {
    const ada = await loggedIn()
    await ada.open('/globex', 'PGLBX01')
    const { events, stop } = await listen(ada, 'acme', urls[1])
    try {
      const received: string[] = []
      events.on('message', (message: string) => received.push(message))
      const send = (account: 'acme' | 'globex') => {
        const secret = env[account === 'acme' ? 'ACME_WEBHOOK_SECRET' : 'GLOBEX_WEBHOOK_SECRET']
        const [url] = urls
        return simulator.sendWebhook(`${url}/webhooks/${account}`, 'incident.triggered', {
          secret,
          subdomain: account,
        })
      }
      expect((await send('globex')).status).toBe(202)
      const next = once(events, 'message')
      const { event } = await send('acme')
      await next
      const { id } = event.data as { id: string }
      expect(received).toEqual([`data: {"type":"incident.triggered","incident":"${id}"}\n\n`])
      const ended = once(events, 'end')
      await ada.post('/logout')
      await ended
    } finally {
      stop()
    }
  })

  test('an administrator sees who is logged in where, and ends all logins of a user but one', async () => {
    const [ada, here, there] = [visitor(), visitor(), visitor()]
    await ada.logIn()
    here.userAgent = 'Firefox <b>on Mac'
    there.userAgent = 'Chrome on Windows'
    for (const device of [here, there]) {
      await device.logIn('ben')
      await device.open('/acme', 'PACME02')
    }
    expect((await here.open('/admin')).status).toBe(403)
    const list = async () =>
      (await ada.text('/admin', urls[1])).split('\n').filter((line) => line.includes('ben'))
    const row = (await list()).find((line) => line.includes('Firefox &#60;b&#62;on Mac')) ?? ''
    expect(await list()).toHaveLength(2)
    const [, action = ''] = /action="([^"]+)"/.exec(row) ?? []
    expect((await ada.post(action, undefined, urls[1])).status).toBe(303)
    expect(await list()).toEqual([row])
    expect(await here.text('/')).toContain('acme: PACME02')
    expect(await there.text('/')).toContain('acme: not linked')
  })

  test('the nightly job reports for users who requested it, when no session is left', async () => {
    const ben = await loggedIn('ben', 'PACME02')
    expect((await ben.post('/acme/nightly')).status).toBe(303)
    const administrator = visitor()
    await administrator.logIn()
    expect(await administrator.text('/admin')).toContain(', kept</p>')
    await endSessions()
    simulator.expireTokens()
    expect(await report()).toMatch(/^acme: \{"incidents":\[/)
    const again = await loggedIn('ben', 'PACME02')
    await again.post('/auth/acme/unlink')
    expect(await report()).toBe('')
  })

  test('unlinking ends the grants of the user on all devices, and logs no one out', async () => {
    const [here, there] = [await loggedIn(), await loggedIn()]
    await here.open('/globex', 'PGLBX01')
    await here.post('/auth/acme/unlink')
    expect(await here.text('/', urls[1])).toBe(
      'ada: <a href="/acme">acme: not linked</a>, <a href="/globex">globex: PGLBX01</a>',
    )
    expect(await there.text('/')).toContain('ada: <a href="/acme">acme: not linked')
    expect(
      simulator
        .liveGrants()
        .filter(({ user, clientID }) => user?.id === 'PACME01' && clientID === env.ACME_CLIENT_ID),
    ).toEqual([])
  })

  test('a process ends in order while a page is listening', async () => {
    const worker = await start()
    const ada = await loggedIn()
    const { events } = await listen(ada, 'acme', worker.url)
    const ended = [once(events, 'end'), once(worker.child, 'exit')] as const
    worker.child.kill('SIGTERM')
    expect((await Promise.all(ended))[1]).toEqual([0, null])
  })
})
