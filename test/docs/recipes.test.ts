import { EventEmitter, on, once } from 'node:events'
import { type IncomingMessage, createServer, get } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { Redis } from 'ioredis'
import { io } from 'socket.io-client'
import { WebSocket } from 'ws'
import {
  type Simulator,
  type SimulatorOptions,
  approve,
  defaultClient,
  sendWebhook,
  startPagerDuty,
} from '../../src/testing'
import { withinDeadline } from '../../src/async/timeout'
import { Browser } from '../support/browser'
import { describeWithChromium, startChromium } from '../support/chromium'
import { type RedisServer, describeWithRedis, freePort, startRedis } from '../support/redis'
import { startCluster, startWatched } from '../support/redis-topologies'
import { startRelay } from '../support/relay'
import { type Example, example } from './examples'
import { RunningExample, environmentOf, runApp, typesOf } from './run-example'

let simulator: Simulator

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())

async function run(
  one: Example,
  use: (app: RunningExample) => Promise<void>,
  env: Record<string, string> = {},
): Promise<void> {
  await runApp(one, { ...environmentOf(simulator), ...env }, use)
}

const classic = {
  clientID: 'classic',
  clientSecret: 'its secret',
  appType: 'classic',
  scope: ['write'],
} as const

/** Runs an example at a simulator of its own. */
async function runAt(
  options: SimulatorOptions,
  one: Example,
  use: (app: RunningExample) => Promise<void>,
  env: Record<string, string> = {},
): Promise<void> {
  const another = await startPagerDuty(options)
  try {
    await runApp(one, { ...another.env(), ...env }, use)
  } finally {
    await another.close()
  }
}

test('a background job works when the session is over', () => {
  const one = example('docs/recipes.md, A background job with a user’s token, ts')
  const work =
    "app.post('/work', async (_req, res) => res.json(await writeReport(jobs[0] as { grantID: string })))\n"
  return run({ ...one, code: one.code + work }, async (app) => {
    const browser = await app.logIn()
    expect((await browser.fetch(`${app.url}/reports`, { method: 'POST' })).status).toBe(202)
    const report = await new Browser().fetch(`${app.url}/work`, { method: 'POST' })
    expect(await typesOf(report)).toContain('incident')
  })
})

test('lists are read by users and by the app', () =>
  run(
    example('docs/recipes.md, Lists, ts'),
    async (app) => {
      const browser = await app.logIn()
      const titles = (await (await browser.fetch(`${app.url}/open`)).json()) as string[]
      expect(titles).toContain('Payment latency above 2 s')
      expect(titles).not.toContain('Checkout returns 502')
      expect(await (await new Browser().fetch(`${app.url}/first`)).json()).toMatchObject({ type: 'user' })
    },
    { PAGERDUTY_ACCOUNT: 'us.acme' },
  ))

test('all sessions of a user end', () =>
  run(example('docs/recipes.md, End all sessions of a user, ts'), async (app) => {
    const browsers = [await app.logIn(), await app.logIn()]
    const end = `${app.url}/people/PACME00/PACME01/sessions`
    expect((await new Browser().fetch(end, { method: 'DELETE' })).status).toBe(204)
    const left = await Promise.all(browsers.map(async (one) => (await one.fetch(`${app.url}/me`)).json()))
    expect(left).toEqual([{}, {}])
  }))

test('a login comes back to the origin where it began', async () => {
  const one = example('docs/recipes.md, Several origins of one app, ts')
  const origins = ['https://app.example.com', 'https://preview.app.example.com']
  const redirectURIs = origins.map((origin) => `${origin}/auth/pagerduty/callback`)
  await runAt({ clients: [{ ...defaultClient, redirectURIs }] }, one, async (app) => {
    for (const origin of origins) {
      const browser = new Browser()
      const headers = { Host: new URL(origin).host, 'X-Forwarded-Proto': 'https' }
      const begun = await browser.visit(`${app.url}/auth/pagerduty`, headers)
      const callback = await approve(begun.headers.get('location') as string)
      expect(new URL(callback).origin).toBe(origin)
      expect((await browser.visit(callback.replace(origin, app.url), headers)).status).toBe(302)
    }
  })
})

test('a form that needs one more scope comes back to its page, which says that it can be sent now', () => {
  const one = example('docs/recipes.md, A form that needs one more scope, ts')
  const show =
    "app.get('/all', async (req, res) => res.json(await (await req.pagerduty.fetch('/incidents')).json()))\n"
  return run({ ...one, code: one.code + show }, async (app) => {
    const browser = await app.logIn()
    type List = { incidents: { id: string; status: string }[] }
    const incidents = async () => ((await (await browser.fetch(`${app.url}/all`)).json()) as List).incidents
    const [triggered] = (await incidents()).filter(({ status }) => status === 'triggered')
    const path = `/incidents/${triggered?.id}`
    const page = app.url + path
    expect(await (await browser.visit(page)).text()).toContain('Allow changes first')
    const headers = { ...Browser.navigation, Referer: page, Origin: app.url, 'Sec-Fetch-Site': 'same-origin' }
    const send = () => browser.fetch(page, { method: 'POST', headers })
    const denied = await send()
    expect(denied.status).toBe(303)
    const begun = await browser.visit(app.url + (denied.headers.get('location') as string))
    const finished = await browser.visit(await approve(begun.headers.get('location') as string))
    expect(finished.headers.get('location')).toBe(path)
    expect(await (await browser.visit(page)).text()).toContain('Acknowledge')
    expect((await send()).headers.get('location')).toBe(path)
    expect(await incidents()).toContainEqual(
      expect.objectContaining({ id: triggered?.id, status: 'acknowledged' }),
    )
  })
})

test('an audit log has the address of each login, failed login and logout', async () => {
  const one = example('docs/recipes.md, An audit log with addresses, ts')
  const trusted = { ...one, code: `${one.code}\napp.set('trust proxy', 'loopback')\n` }
  const printed = await runApp(trusted, environmentOf(simulator), async (app) => {
    const from = (address: string) => ({ ...Browser.navigation, 'X-Forwarded-For': address })
    const visit = async (browser: Browser, address: string, decision?: 'deny') => {
      const begun = await browser.visit(`${app.url}/auth/pagerduty`, from(address))
      const back = await approve(begun.headers.get('location') as string, { decision })
      await browser.visit(back, from(address))
    }
    const browser = new Browser()
    await visit(browser, '192.0.2.1')
    await visit(new Browser(), '192.0.2.2', 'deny')
    const headers = { ...from('192.0.2.3'), Origin: app.url }
    await browser.fetch(`${app.url}/auth/pagerduty/logout`, { method: 'POST', headers })
  })
  expect(printed.trim().split('\n')).toEqual([
    'login PACME01 192.0.2.1',
    'loginFailed access_denied 192.0.2.2',
    'logout PACME01 192.0.2.3',
  ])
})

test.each([
  ['', ['users.read'], 'Ada Okafor'],
  [', also where users.read was not granted', [], 'PACME01'],
])('req.user is what the own table says%s', (_where, scope, name) =>
  runAt(
    { clients: [{ ...defaultClient, scope }] },
    example('docs/recipes.md, Your own table of users, ts'),
    async (app) => {
      const browser = await app.logIn()
      const me = (await (await browser.fetch(`${app.url}/me`)).json()) as { id: string }
      expect(me).toMatchObject({ name })
      expect(JSON.parse(me.id)).toEqual({ account: 'PACME00', pagerdutyID: 'PACME01' })
    },
  ),
)

test('the list of sessions names each device, and the others are ended', () =>
  run(example('docs/recipes.md, Who is logged in where, ts'), async (app) => {
    const [here, there] = [await app.logIn(), await app.logIn()]
    const list = async () =>
      (await (await here.fetch(`${app.url}/sessions`)).json()) as { isThisOne: boolean }[]
    const isHere = (await list()).map(({ isThisOne }) => isThisOne)
    expect([isHere.length, isHere.filter(Boolean).length]).toEqual([2, 1])
    const ended = await here.fetch(`${app.url}/sessions/end-others`, { method: 'POST' })
    expect(ended.status).toBe(303)
    expect(await list()).toMatchObject([{ isThisOne: true }])
    expect((await there.fetch(`${app.url}/sessions`)).status).toBe(401)
  }))

test('two instances in one app each require a login', () =>
  runAt(
    { clients: [defaultClient, classic] },
    example('docs/recipes.md, Classic and Scoped side by side, ts'),
    async (app) => {
      const browser = await app.logIn()
      const statuses = async () => [
        (await browser.fetch(`${app.url}/incidents`)).status,
        (await browser.fetch(`${app.url}/everything`)).status,
      ]
      expect(await statuses()).toEqual([200, 401])
      await app.logIn('/auth/classic', 'PACME01', browser)
      expect(await statuses()).toEqual([200, 200])
    },
    {
      CLASSIC_CLIENT_ID: classic.clientID,
      CLASSIC_CLIENT_SECRET: classic.clientSecret,
      CLASSIC_CALLBACK_URL: 'http://localhost:3000/auth/classic/callback',
    },
  ))

test('an app under a path of a proxy is reached there, and logins and logouts lead back to it', () => {
  const callback = 'https://acme.example/oncall/auth/pagerduty/callback'
  const one = example('docs/recipes.md, Behind a proxy, ts')
  return runAt({ clients: [{ ...defaultClient, redirectURIs: [callback] }] }, one, async (app) => {
    const browser = new Browser()
    const byProxy = { 'X-Forwarded-Proto': 'https' }
    const visit = (url: string) => browser.visit(url.replace('https://acme.example', app.url), byProxy)
    const begun = await visit('https://acme.example/oncall/auth/pagerduty')
    const back = await approve(begun.headers.get('location') as string)
    expect(back.slice(0, callback.length)).toBe(callback)
    const finished = await visit(back)
    expect([finished.status, finished.headers.get('location')]).toEqual([302, '/oncall/'])
    const left = await browser.fetch(`${app.url}/oncall/auth/pagerduty/logout`, {
      method: 'POST',
      headers: { ...Browser.navigation, ...byProxy, 'Sec-Fetch-Site': 'same-origin' },
    })
    expect([left.status, left.headers.get('location')]).toEqual([303, '/oncall/'])
  })
})

describeWithRedis('with Redis', () => {
  test('logins live at the master that a Sentinel names, though the first of the Sentinels is gone', async () => {
    const watched = await startWatched()
    const master = new Redis(watched.master.port)
    try {
      const one = onPorts(example('docs/recipes.md, Redis Sentinel and Cluster, ts'), [
        await freePort(),
        watched.sentinel,
      ])
      await run(one, async (app) => expect(await loginOf(app, [master])).toEqual(known))
    } finally {
      master.disconnect()
      await watched.close()
    }
  })

  test('logins live in a Cluster', async () => {
    const cluster = await startCluster()
    try {
      const ports = cluster.nodes.map(({ relay }) => relay.port)
      const one = onPorts(example('docs/recipes.md, Redis Sentinel and Cluster, ts 2'), ports.slice(0, 2))
      const servers = cluster.nodes.map(({ admin }) => admin)
      await run(one, async (app) => expect(await loginOf(app, servers)).toEqual(known))
    } finally {
      await cluster.close()
    }
  })

  /** The example with its addresses, in their order, replaced by ports of this machine, and nothing else. */
  function onPorts(one: Example, ports: number[]): Example {
    const addresses = [...one.code.matchAll(/host: '10\.[\d.]+', port: \d+/g)].map(([address]) => address)
    expect(addresses).toHaveLength(ports.length)
    const code = addresses.reduce(
      (text, address, position) => text.replace(address, `host: '127.0.0.1', port: ${ports[position]}`),
      one.code,
    )
    return { ...one, code }
  }

  const known = {
    me: { id: 'PACME01' },
    kinds: expect.arrayContaining(['grant', 'sess']) as string[],
    afterwards: {},
  }

  /** The user that the app sees after a login, the kinds of keys created by then, and the user once these servers are flushed. */
  async function loginOf(app: RunningExample, servers: Redis[]): Promise<unknown> {
    const browser = await app.logIn()
    const visit = async (): Promise<unknown> => (await browser.fetch(`${app.url}/me`)).json()
    const me = await visit()
    const keys = (await Promise.all(servers.map((server) => server.keys('*')))).flat()
    await Promise.all(servers.map((server) => server.flushall()))
    return { me, kinds: keys.map((key) => key.split(':')[1]), afterwards: await visit() }
  }
})

test('a script gets a 401 when no user is logged in', () =>
  run(example('docs/recipes.md, A single-page app, ts'), async (app) => {
    const stranger = await new Browser().fetch(`${app.url}/api/incidents`)
    expect({ status: stranger.status, location: stranger.headers.get('location') }).toEqual({
      status: 401,
      location: null,
    })
    const answer = await (await app.logIn()).fetch(`${app.url}/api/incidents`)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(await typesOf(answer)).toContain('incident')
  }))

describeWithChromium('in a browser', () => {
  test('a single-page app sends users to log in and to consent, and they come back to it', async () => {
    const one = example('docs/recipes.md, A single-page app, ts')
    const { code } = example('docs/recipes.md, A single-page app, js')
    const page = `<a id="more">more</a><script type="module">${code}</script>`
    const serve = `app.get('/inbox', (_req, res) => res.type('html').send(${JSON.stringify(page)}))\n`
    const chromium = await startChromium()
    try {
      await run({ ...one, code: one.code + serve }, async (app) => {
        const tab = await chromium.newPage()
        tab.setDefaultTimeout(30_000)
        /** The status that the page gets once a user has consented, and the path it is at. */
        const allow = async () => {
          const button = tab.getByRole('button', { name: 'Allow' })
          await button.waitFor()
          const met = tab.waitForResponse(`${app.url}/api/incidents`)
          await button.click()
          return { status: (await met).status(), at: new URL(tab.url()).pathname }
        }
        simulator.configure('simulator-client', { scope: ['users.read'] })
        // The script is on its way to the login before the page has loaded.
        await tab.goto(`${app.url}/inbox`, { waitUntil: 'commit' })
        expect(await allow()).toEqual({ status: 403, at: '/inbox' })
        simulator.configure('simulator-client', defaultClient)
        await tab.locator('#more[href]').click()
        expect(await allow()).toEqual({ status: 200, at: '/inbox' })
      })
    } finally {
      simulator.configure('simulator-client', defaultClient)
      await chromium.close()
    }
  })
})

describeWithChromium('in a browser, a page of another origin', () => {
  test('logs in through a popup that closes itself, and shows what it could not read before', async () => {
    const { code } = example('docs/recipes.md, A single-page app on another origin, js')
    const done = example('docs/recipes.md, A single-page app on another origin, html')
    const server = createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const one = example('docs/recipes.md, A single-page app on another origin, ts')
    const chromium = await startChromium()
    try {
      await run({ ...one, code: one.code.replace('https://app.example.com', origin) }, async (app) => {
        const script = code.replace('https://api.example.com', app.url)
        const page = `<button hidden>Log in</button><output></output><script type="module">${script}</script>`
        server.on('request', (req, res) => {
          res.setHeader('Content-Type', 'text/html')
          res.end(req.url === '/done.html' ? done.code : page)
        })
        const tab = await chromium.newPage()
        tab.setDefaultTimeout(30_000)
        await tab.goto(origin)
        const [popup] = await Promise.all([tab.waitForEvent('popup'), tab.locator('button').click()])
        const closed = popup.waitForEvent('close')
        await popup.getByText('Ada Okafor').click()
        await popup.getByRole('button', { name: 'Allow' }).click()
        await closed
        await tab.locator('output', { hasText: /^[1-9]/ }).waitFor()
        expect(await tab.locator('button').isHidden()).toBe(true)
      })
    } finally {
      await chromium.close()
      server.close()
      server.closeAllConnections()
    }
  })
})

test('calls to PagerDuty go through the proxy of the environment', async () => {
  const asked = new Set<string | undefined>()
  const proxy = createServer().on('connect', ({ url }, socket) => {
    asked.add(url)
    const { hostname, port } = new URL(`http://${url}`)
    const server = connect(Number(port), hostname, () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
    server.pipe(socket).pipe(server)
  })
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  try {
    await run(
      example('docs/recipes.md, An HTTP proxy towards PagerDuty, ts'),
      async (app) => {
        const answer = await (await app.logIn()).fetch(`${app.url}/me`)
        expect(await answer.json()).toEqual({ id: 'PACME01' })
      },
      { HTTP_PROXY: address },
    )
    expect([...asked]).toEqual([new URL(simulator.url).host])
  } finally {
    proxy.close()
  }
})

test('a note that the app adds is From the user of the option', async () => {
  const one = example('docs/app-tokens.md, The header From, ts')
  const watching = `
const { fetch: send } = globalThis
globalThis.fetch = (url, init) => {
  const from = new Headers(init?.headers).get('From')
  if (from !== null) console.log(new URL(String(url)).pathname, from)
  return send(url, init)
}
`
  const show =
    "app.get('/first', async (_req, res) => res.json((await (await pd.appTokens.fetch('/incidents', { scope: 'incidents.read' })).json()).incidents[0].id))\n"
  const first = async (url: string) => (await new Browser().fetch(`${url}/first`)).json() as Promise<string>
  let path = ''
  const printed = await runApp(
    { ...one, code: watching + one.code + show },
    environmentOf(simulator),
    async ({ url }) => {
      path = `/incidents/${await first(url)}/notes`
      const headers = { 'Content-Type': 'application/json' }
      const body = JSON.stringify({ content: 'On it.' })
      const answer = await new Browser().fetch(url + path, { method: 'POST', headers, body })
      expect(answer.status).toBe(201)
    },
  )
  expect(printed).toBe(`${path} oncall@acme.example\n`)
})

test('an agent calls PagerDuty’s MCP server as the user', () =>
  run(example('docs/recipes.md, An agent with PagerDuty’s MCP server, ts'), async (app) => {
    const browser = await app.logIn()
    simulator.resetCalls()
    simulator.expireTokens()
    const answer = await browser.fetch(`${app.url}/triggered`)
    const { structuredContent } = (await answer.json()) as { structuredContent: { response: object[] } }
    expect(structuredContent.response[0]).toMatchObject({ type: 'incident', status: 'triggered' })
    expect(simulator.calls.token.refresh_token).toBe(1)
  }))

test('a page that polls keeps no login alive, and knows when it ends', () =>
  run(example('docs/recipes.md, Live updates, ts 4'), async (app) => {
    const browser = await app.logIn()
    const poll = async () => {
      const { endsAt } = (await (await browser.fetch(`${app.url}/poll`)).json()) as { endsAt: number }
      return endsAt
    }
    const first = await poll()
    expect(first).toBeGreaterThan(Date.now() + 7.9 * 60 * 60_000)
    expect(Math.abs((await poll()) - first)).toBeLessThan(1_001)
  }))

/** A connection that is open: what comes, and when it ends. */
interface Connection {
  next(): Promise<unknown>
  ended: Promise<unknown>
  close(): void
}

/** Opens one, or returns how it was rejected. */
type Connect = (
  app: RunningExample,
  browser: Browser,
  origin?: string,
) => Promise<Connection | number | string>

const cookiesOf = ({ cookies }: Browser) => [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')

/** Keeps events that arrive while no one is waiting for them. */
function inbox(): { push: (event: unknown) => void; next: () => Promise<unknown> } {
  const events = new EventEmitter()
  const all = on(events, 'event')
  return {
    push: (event) => void events.emit('event', event),
    next: async () => ((await all.next()) as { value: [unknown] }).value[0],
  }
}

const serverSent: Connect = async (app, browser) => {
  const sent = get(`${app.url}/events`, { headers: { cookie: cookiesOf(browser) }, agent: false })
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  if (answer.statusCode !== 200) return answer.resume().statusCode as number
  const { push, next } = inbox()
  answer.on('data', (chunk: Buffer) => push(JSON.parse(chunk.toString().replace('data: ', ''))))
  answer.on('error', () => {}) // closed here
  const ended = new Promise((resolve) => answer.once('end', resolve))
  return { next, ended, close: () => sent.destroy() }
}

const overWebSocket: Connect = async (app, browser, origin = app.url) => {
  const headers = { cookie: cookiesOf(browser) }
  const client = new WebSocket(app.url.replace('http', 'ws'), { origin, headers })
  client.on('error', () => {})
  const { push, next } = inbox()
  client.on('message', (message) => push(JSON.parse(String(message))))
  const ended = once(client, 'close')
  const refused = once(client, 'unexpected-response').then(
    ([, answer]) => (answer as IncomingMessage).statusCode as number,
  )
  const connection = { next, ended, close: () => client.terminate() }
  return Promise.race([once(client, 'open').then(() => connection), refused])
}

const overSocketIO: Connect = async (app, browser, origin = app.url) => {
  const extraHeaders = { cookie: cookiesOf(browser), origin }
  const client = io(app.url, { transports: ['websocket'], reconnection: false, extraHeaders })
  const { push, next } = inbox()
  client.on('event', push)
  const ended = new Promise((resolve) => client.once('disconnect', resolve))
  const refused = new Promise<string>((resolve) => {
    client.once('connect_error', ({ message }) => resolve(message))
  })
  const connection = { next, ended, close: () => client.close() }
  const opened = new Promise<Connection>((resolve) => client.once('connect', () => resolve(connection)))
  return Promise.race([opened, refused])
}

describeWithRedis('live updates', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  const secrets = { ACME_WEBHOOK_SECRET: 'a9d83e1f07c2b465', GLOBEX_WEBHOOK_SECRET: '5b64c270f1e38d9a' }

  /** Runs the recipe with one of its transports. It looks more often whether a login has ended. */
  function live(
    more: string | undefined,
    use: (app: RunningExample) => Promise<void>,
    env: Record<string, string> = secrets,
    patience = '15_000',
  ): Promise<void> {
    const one = example('docs/recipes.md, Live updates, ts')
    const code = one.code + (more === undefined ? '' : example(more).code)
    const fast = code.replace('30_000', '100').replace('15_000', patience)
    return run({ ...one, code: fast }, use, { ...env, REDIS_URL: server.url })
  }

  const transports = [
    ['server-sent events', undefined, serverSent],
    ['ws', 'docs/recipes.md, Live updates, ts 2', overWebSocket],
    ['socket.io', 'docs/recipes.md, Live updates, ts 3', overSocketIO],
  ] as const

  test.each(transports)('come by %s to the users of the account until they log out', (_how, more, connect) =>
    live(more, async (app) => {
      const browser = await app.logIn()
      const ada = (await connect(app, browser)) as Connection
      const greta = (await connect(app, await app.logIn('/auth/pagerduty', 'PGLBX01'))) as Connection
      const send = (account: string, event: string, secret: string, subdomain: string) =>
        simulator.sendWebhook(`${app.url}/webhooks/${account}`, event, { secret, subdomain })
      const { status } = await send('PACME00', 'incident.triggered', secrets.GLOBEX_WEBHOOK_SECRET, 'globex')
      expect(status).toBe(403)
      await send('PACME00', 'incident.triggered', secrets.ACME_WEBHOOK_SECRET, 'acme')
      await send('PGLBX00', 'incident.resolved', secrets.GLOBEX_WEBHOOK_SECRET, 'globex')
      expect(await ada.next()).toEqual({ type: 'incident.triggered', incident: expect.any(String) as string })
      expect(await greta.next()).toMatchObject({ type: 'incident.resolved' })
      await browser.fetch(`${app.url}/auth/pagerduty/logout`, { method: 'POST' })
      await ada.ended
      await send('PGLBX00', 'incident.reopened', secrets.GLOBEX_WEBHOOK_SECRET, 'globex')
      expect(await greta.next()).toMatchObject({ type: 'incident.reopened' })
      greta.close()
    }),
  )

  test.each([
    ['server-sent events', undefined, serverSent, 401],
    ['ws', 'docs/recipes.md, Live updates, ts 2', overWebSocket, 401],
    ['socket.io', 'docs/recipes.md, Live updates, ts 3', overSocketIO, 'Log in again'],
  ] as const)('do not come by %s to users who are not logged in', (_how, more, connect, refusal) =>
    live(more, async (app) => expect(await connect(app, new Browser())).toBe(refusal)),
  )

  test.each([
    ['ws', 'docs/recipes.md, Live updates, ts 2', overWebSocket, /^403$/],
    ['socket.io', 'docs/recipes.md, Live updates, ts 3', overSocketIO, /another site/],
  ] as const)('do not come by %s to pages of another origin', (_how, more, connect, refusal) =>
    live(more, async (app) => {
      const outcome = await connect(app, await app.logIn(), 'https://evil.example')
      expect(String(outcome)).toMatch(refusal)
    }),
  )

  test('come to users of both accounts from a Classic app', () => {
    const one = example('docs/recipes.md, Live updates, ts')
    const code = one.code
      .replaceAll("'incidents.read'", "'read'")
      .replace('pagerduty({', "pagerduty({ appType: 'classic',")
    const clients = [{ ...classic, scope: ['read'] }]
    const use = async (app: RunningExample) => {
      for (const [user, account, secret] of [
        ['PACME01', 'PACME00', secrets.ACME_WEBHOOK_SECRET],
        ['PGLBX01', 'PGLBX00', secrets.GLOBEX_WEBHOOK_SECRET],
      ] as const) {
        const opened = await serverSent(app, await app.logIn('/auth/pagerduty', user))
        await sendWebhook(`${app.url}/webhooks/${account}`, 'incident.triggered', { secret })
        expect(await (opened as Connection).next()).toMatchObject({ type: 'incident.triggered' })
      }
    }
    return runAt({ clients }, { ...one, code }, use, { ...secrets, REDIS_URL: server.url })
  })

  test('have a start page that shows the account, and each event that comes', () =>
    live(undefined, async (app) => {
      const home = async (browser: Browser) => (await browser.visit(app.url)).text()
      expect(await home(new Browser())).toBe('<a href="/auth/pagerduty">Log in</a>')
      const page = await home(await app.logIn('/auth/pagerduty', 'PGLBX01'))
      expect(page).toContain('Account PGLBX00')
      const [, listen = ''] = /<script>(.*)<\/script>/.exec(page) ?? []
      const append = jest.fn()
      class EventSource {
        readonly #path: string
        constructor(path: string) {
          this.#path = path
        }
        set onmessage(receive: (event: { data: string }) => void) {
          receive({ data: this.#path })
        }
      }
      // oxlint-disable-next-line typescript/no-implied-eval -- the script of the page
      new Function('EventSource', 'document', listen)(EventSource, { body: { append } })
      expect(append).toHaveBeenCalledWith('/events')
    }))

  test.each([
    ['ws', 'docs/recipes.md, Live updates, ts 2', '/'],
    ['socket.io', 'docs/recipes.md, Live updates, ts 3', '/socket.io/?EIO=4&transport=websocket'],
  ])('end with the process by %s though a client does not respond', (_how, more, path) => {
    const use = async (app: RunningExample) => {
      const { host, hostname, port, origin } = new URL(app.url)
      const headers = {
        Host: host,
        Origin: origin,
        Cookie: cookiesOf(await app.logIn()),
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': `${'A'.repeat(22)}==`,
      }
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
      const silent = connect(Number(port), hostname, () =>
        silent.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`),
      )
      silent.on('error', () => {})
      expect(String(await once(silent, 'data'))).toMatch(/^HTTP\/1.1 101 /)
      const exit = await withinDeadline(app.terminate(), 10_000, () => new Error('The process did not end'))
      expect(exit).toEqual({ code: 0, signal: null })
    }
    return live(more, use, secrets, '300')
  })

  test.each(transports)('end with the process by %s on SIGTERM', (_how, more, connect) =>
    live(more, async (app) => {
      const { ended } = (await connect(app, await app.logIn())) as Connection
      const exit = await withinDeadline(app.terminate(), 10_000, () => new Error('The process did not end'))
      expect(exit).toEqual({ code: 0, signal: null })
      await ended
    }),
  )

  test.each(Object.entries(secrets))(
    'do not start with the secret of one account alone: %s',
    async (...present) => {
      const env = {
        PAGERDUTY_WEBHOOK_SECRET: 'that-of-another-subscription',
        ...Object.fromEntries([present]),
      }
      await expect(live(undefined, async () => {}, env)).rejects.toThrow(/webhookSecret.* is required/)
    },
  )
})

test('the platform is informed of work in progress', () => {
  const one = example('docs/recipes.md, Serverless, ts')
  const show = "app.get('/work', async (_req, res) => res.json((await Promise.all(work)).length))\n"
  return run({ ...one, code: one.code + show }, async (app) => {
    const browser = await app.logIn()
    const told = async () => (await browser.fetch(`${app.url}/work`)).json() as Promise<number>
    expect(await told()).toBe(0)
    await browser.fetch(`${app.url}/auth/pagerduty/logout`, { method: 'POST' })
    expect(await told()).toBeGreaterThan(0)
  })
})

describe('PagerDuty’s own client', () => {
  const request = /^GET \/services HTTP[^]*\r\nAuthorization: Bearer (\S+)\r\n[^]*\r\nHost: (\S+)\r\n/

  /** Runs an example whose https requests arrive at the simulator. `heard` returns the token and the host of the last one. */
  async function runHeard(
    one: Example,
    use: (app: RunningExample, heard: () => string[] | undefined) => Promise<void>,
    env: (relay: string) => Record<string, string>,
  ): Promise<void> {
    let sent = ''
    const relay = await startRelay(Number(new URL(simulator.url).port), (direction, chunk) => {
      if (direction === 'out') sent = chunk.toString()
    })
    const heard = () => request.exec(sent)?.slice(1)
    try {
      await run(one, (app) => use(app, heard), {
        TEST_HTTPS_PORT: String(relay.port),
        ...env(`http://127.0.0.1:${relay.port}`),
      })
    } finally {
      await relay.close()
    }
  }

  test('calls the API of each user’s region with their token', () =>
    runHeard(
      example('docs/recipes.md, PagerDuty’s own client, ts'),
      async (app, heard) => {
        for (const [user, account, host] of [
          ['PACME01', 'acme', 'api.pagerduty.com'],
          ['PGLBX01', 'globex', 'api.eu.pagerduty.com'],
        ] as const) {
          const browser = await app.logIn('/auth/pagerduty', user)
          expect(await accountsOf(await browser.fetch(`${app.url}/services`))).toEqual([account])
          expect(heard()).toEqual([simulator.newestAccessToken(user), host])
        }
      },
      // As at PagerDuty, the id_token alone says where the API is.
      () => ({ PAGERDUTY_API_URL: '' }),
    ))

  test('calls the simulator as it calls PagerDuty', () =>
    run(example('docs/recipes.md, PagerDuty’s own client, ts'), async (app) => {
      const browser = await app.logIn()
      expect(await accountsOf(await browser.fetch(`${app.url}/services`))).toEqual(['acme'])
    }))

  test('calls the API with a token of the app', () => {
    const one = example('docs/app-tokens.md, Other clients, ts')
    const show = `
app.get('/services', (_req, res) => res.json(data))
app.get('/token', (_req, res) => res.json(accessToken))
`
    const use = async (app: RunningExample, heard: () => string[] | undefined) => {
      const get = (path: string) => new Browser().fetch(app.url + path)
      expect(await accountsOf(await get('/services'))).toEqual(['acme'])
      expect(heard()).toEqual([await (await get('/token')).json(), expect.stringMatching(/^127\.0\.0\.1:/)])
    }
    return runHeard({ ...one, code: one.code + show }, use, (relay) => ({ PAGERDUTY_API_URL: relay }))
  })

  /** Subdomains of the accounts that services are of. */
  async function accountsOf(answer: Response): Promise<string[]> {
    const { services } = (await answer.json()) as { services: { html_url: string }[] }
    return [...new Set(services.map(({ html_url: url }) => new URL(url).hostname.split('.')[0] ?? ''))]
  }
})
