import { execFile } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { get } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { type StandIn, approve, defaultClient, startPagerDuty } from '../../../src/testing'
import { Browser } from '../../support/browser'
import { type RedisServer, describeWithRedis, startRedis } from '../../support/redis'
import { type Worker, startWorker } from '../../support/worker'

const publicURL = 'http://localhost:3000'
const env = {
  BOARD_URL: publicURL,
  BOARD_PEOPLE: 'ada:first password:admin,ben:second password',
  ACME_CLIENT_ID: 'at-acme',
  ACME_CLIENT_SECRET: 'secret-of-acme',
  ACME_WEBHOOK_SECRET: 'secret-of-the-subscription-of-acme',
  GLOBEX_CLIENT_ID: 'at-globex',
  GLOBEX_CLIENT_SECRET: 'secret-of-globex',
  GLOBEX_WEBHOOK_SECRET: 'secret-of-the-subscription-of-globex',
}

const secret = 'a secret of thirty-two characters or more for tests'

let standIn: StandIn
let redis: RedisServer
let workers: Worker[]
/** Of the two processes. */
let urls: [string, string]

/** Says where a page of the board is at one of the processes: a proxy would choose. */
const at = (url: string, path: string) => new URL(path, publicURL).href.replace(publicURL, url)

/** Someone of the team with a browser. */
class Visitor extends Browser {
  userAgent = 'Firefox'

  override visit(url: string): Promise<Response> {
    return super.visit(url, { 'User-Agent': this.userAgent })
  }

  /** Logs in with a password, and returns where that leads. */
  async logIn(person = 'ada', password = person === 'ada' ? 'first password' : 'second password') {
    const answer = await this.post('/login', new URLSearchParams({ id: person, password }))
    return answer.headers.get('location')
  }

  /** Presses a button of a page. */
  post(path: string, values = new URLSearchParams(), url = urls[0]) {
    const headers = {
      ...Browser.navigation,
      'Sec-Fetch-Site': 'same-origin',
      'Content-Type': 'application/x-www-form-urlencoded',
      Referer: publicURL + path.replace(/(.)\/.*/, '$1'),
    }
    return this.fetch(at(url, path), { method: 'POST', headers, body: values.toString() })
  }

  /** Goes to a page, consents wherever PagerDuty asks for it, and returns the page at which that ends. */
  async open(path: string, user = 'PACME01', url = urls[0]): Promise<Response & { path: string }> {
    for (let next = path, hops = 0; hops < 10; hops++) {
      const answer = await this.visit(at(url, next))
      const location = answer.headers.get('location')
      if (location === null) return Object.assign(answer, { path: new URL(next, publicURL).pathname })
      next = location.startsWith(standIn.url) ? await approve(location, { user }) : location
    }
    throw new Error('It goes round and round')
  }

  async text(path: string, url = urls[0]): Promise<string> {
    return (await this.visit(at(url, path))).text()
  }
}

async function loggedIn(person = 'ada', user = 'PACME01'): Promise<Visitor> {
  const visitor = new Visitor()
  await visitor.logIn(person)
  await visitor.open('/acme', user)
  return visitor
}

/** Server-sent events of a page that is open. */
async function listen(visitor: Visitor, account: string, url: string) {
  const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const events = new EventEmitter()
  const request = get(`${url}/${account}/events`, { agent: false, headers: { cookie } }, (answer) => {
    events.emit('open', answer.statusCode)
    answer.setEncoding('utf8').on('data', (chunk: string) => events.emit('message', chunk))
    answer.on('end', () => events.emit('end'))
  })
  expect(await once(events, 'open')).toEqual([200])
  return { events, stop: () => request.destroy() }
}

const start = () => startWorker('../flows/board/server.ts', standIn, redis, env)

/** Ends all sessions of the board, as time does. */
async function endSessions(): Promise<void> {
  const client = new Redis(redis.url)
  const keys = await client.keys('board:sess:*')
  await client.del(keys)
  await client.quit()
}

/** What the nightly job prints. */
async function report(): Promise<string> {
  const args = ['--require', 'esbuild-register', '--no-warnings', join(__dirname, 'nightly.ts')]
  const all = { ...process.env, ...standIn.env(), ...env, REDIS_URL: redis.url, SESSION_SECRET: secret }
  return (await promisify(execFile)('node', args, { env: all, timeout: 20_000 })).stdout
}

describeWithRedis('the board of an on-call team', () => {
  beforeAll(async () => {
    const client = { ...defaultClient, scope: ['incidents.read', 'incidents.write'] }
    standIn = await startPagerDuty({
      clients: [
        { ...client, clientID: env.ACME_CLIENT_ID, clientSecret: env.ACME_CLIENT_SECRET },
        { ...client, clientID: env.GLOBEX_CLIENT_ID, clientSecret: env.GLOBEX_CLIENT_SECRET },
      ],
    })
    redis = await startRedis()
    workers = await Promise.all([start(), start()])
    urls = workers.map(({ url }) => url) as [string, string]
  }, 60_000)
  afterAll(async () => {
    for (const { child } of workers) child.kill('SIGKILL')
    await standIn.close()
    await redis.stop()
  })

  test('people log in with a password, and link an account of PagerDuty beside the other', async () => {
    const ada = new Visitor()
    expect(await ada.logIn('ada', 'a wrong one')).toBe('/login')
    expect(await ada.logIn()).toBe('/')
    expect((await ada.open('/acme', 'PACME01')).path).toBe('/acme')
    expect((await ada.open('/globex', 'PGLBX01')).path).toBe('/globex')
    expect(await ada.text('/', urls[1])).toContain('acme: PACME01</a>, <a href="/globex">globex: PGLBX01')
    expect(await ada.text('/globex', urls[1])).toContain('Allow changes first')
  })

  test('a user of another account is not linked', async () => {
    const ben = new Visitor()
    await ben.logIn('ben')
    expect((await ben.open('/acme', 'PGLBX02')).path).toBe('/')
    expect(await ben.text('/')).toContain('acme: not linked')
  })

  test('a button that needs a further scope asks for it, and works when it is pressed again', async () => {
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
        return standIn.sendWebhook(`${url}/webhooks/${account}`, 'incident.triggered', {
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
    const [ada, here, there] = [new Visitor(), new Visitor(), new Visitor()]
    await ada.logIn()
    here.userAgent = 'Firefox <b>on Mac'
    there.userAgent = 'Chrome on Windows'
    for (const device of [here, there]) {
      await device.logIn('ben')
      await device.open('/acme', 'PACME02')
    }
    expect((await here.visit(at(urls[0], '/admin'))).status).toBe(403)
    const list = async () =>
      (await ada.text('/admin', urls[1])).split('\n').filter((line) => line.includes('ben'))
    const row = (await list()).find((line) => line.includes('Firefox &#60;b&#62;on Mac')) ?? ''
    expect(await list()).toHaveLength(2)
    const values = [...row.matchAll(/name="(\w+)" value="([^"]*)"/g)].map(
      ([, name, value]) => [name, value] as [string, string],
    )
    expect((await ada.post('/admin/end-others', new URLSearchParams(values), urls[1])).status).toBe(303)
    expect(await list()).toEqual([row])
    expect(await here.text('/')).toContain('acme: PACME02')
    expect(await there.text('/')).toContain('acme: not linked')
  })

  test('the nightly job reports for who has asked for it, when no session is left', async () => {
    const ben = await loggedIn('ben', 'PACME02')
    expect((await ben.post('/acme/nightly')).status).toBe(303)
    await endSessions()
    standIn.expireTokens()
    expect(await report()).toMatch(/^acme: \{"incidents":\[/)
    const again = await loggedIn('ben', 'PACME02')
    await again.post('/auth/acme/unlink')
    expect(await report()).toBe('')
  })

  test('unlinking ends the grants of the user at all devices, and the login of nobody', async () => {
    const [here, there] = [await loggedIn(), await loggedIn()]
    await here.open('/globex', 'PGLBX01')
    await here.post('/auth/acme/unlink')
    expect(await here.text('/', urls[1])).toBe(
      'ada: <a href="/acme">acme: not linked</a>, <a href="/globex">globex: PGLBX01</a>',
    )
    expect(await there.text('/')).toContain('ada: <a href="/acme">acme: not linked')
    expect(
      standIn
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
