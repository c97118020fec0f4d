import { type EventEmitter, once } from 'node:events'
import { type IncomingMessage, type ServerResponse, createServer, request } from 'node:http'
import { type Http2Server, connect, createServer as createHTTP2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { Express, RequestHandler } from 'express'
import session from 'express-session'
import { Redis } from 'ioredis'
import { WebSocket } from 'ws'
import { type PagerDuty, type PagerDutyOAuthError, type PagerDutyOptions, pagerduty } from '../../src'
import type { Middleware } from '../../src/sessions/session-tokens'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { type RunningApp, serve } from '../support/app'
import { Browser } from '../support/browser'
import { clocks } from '../support/clocks'
import { optionsAt, passportWith, secret } from '../support/passport-app'
import { describeWithRedis, startRedis } from '../support/redis'
import { WatchedStore } from '../support/watched-store'

const idle = 60 * 60_000

let simulator: Simulator
let store: WatchedStore
let app: RunningApp
let pd: PagerDuty
let closing: (() => unknown)[]

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())
beforeEach(() => {
  store = new WatchedStore()
  closing = []
})
afterEach(async () => {
  jest.restoreAllMocks()
  for (const close of closing.toReversed()) await close()
})

/** Who a request comes from, as its server finds out. */
type Reader = (req: IncomingMessage) => Promise<string | null>

/** Mounts the package, and returns what has to be done with a request before `fromRequest()`. */
type Mount = (express: Express) => (req: IncomingMessage) => Promise<unknown>

const dropIn: Mount = (express) => {
  express.use(pd.auth())
  return () => Promise.resolve()
}

const parts: Mount = (express) => {
  const passport = passportWith(pd.strategy)
  const own = session({ secret, resave: false, saveUninitialized: false })
  express.use(own, passport.session(), pd.sessionTokens() as RequestHandler)
  express.get('/auth/pagerduty', passport.authenticate('pagerduty'))
  const done = { successRedirect: '/' }
  express.get('/auth/pagerduty/callback', passport.authenticate('pagerduty', done))
  express.post('/auth/pagerduty/logout', (req, res, next) =>
    req.logout((error) => (error ? next(error) : res.end())),
  )
  return (req) => through(own as unknown as Middleware, req)
}

/** Lets a request go through a middleware without a response. */
function through(middleware: Middleware, req: IncomingMessage): Promise<unknown> {
  return new Promise((resolve, reject) =>
    middleware(req, {} as ServerResponse, (error) => (error ? reject(error as Error) : resolve(undefined))),
  )
}

const mounts: [string, Mount][] = [
  ['pd.auth()', dropIn],
  ['the individual middleware', parts],
]

async function start(mount: Mount, options: PagerDutyOptions = {}): Promise<Reader> {
  const prepared: ReturnType<Mount>[] = []
  app = await serve((express, url) => {
    pd = pagerduty({
      ...simulator.options(),
      scope: 'incidents.read',
      callbackURL: `${url}/auth/pagerduty/callback`,
      ...(options.redis === undefined && { tokenStore: store }),
      secret,
      session: { idle },
      ...options,
    })
    prepared.push(mount(express))
    express.get('/', (req, res) => void res.json(req.pagerduty.user?.id ?? null))
    express.use(pd.errors())
  })
  closing.push(
    () => app.close(),
    () => pd.close(),
  )
  return async (req) => {
    for (const prepare of prepared) await prepare(req)
    return (await pd.grants.fromRequest(req))?.user?.id ?? null
  }
}

async function logIn(): Promise<Browser> {
  const browser = new Browser()
  const begun = await browser.visit(`${app.url}/auth/pagerduty`)
  await browser.visit(await approve(begun.headers.get('location') as string))
  // The first request of the new session extends it, in the background.
  expect(await (await browser.fetch(app.url)).json()).toBe('PACME01')
  return browser
}

function cookieOf(browser: Browser): Record<string, string> {
  return { cookie: [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ') }
}

/** What a server says about a request: who sent it, or the code of the error. */
async function outcomeOf(read: Reader, req: IncomingMessage): Promise<string> {
  try {
    return JSON.stringify(await read(req))
  } catch (error) {
    return JSON.stringify((error as PagerDutyOAuthError).code ?? String(error))
  }
}

/** Starts a server beside the app, and returns how to ask it. */
type Transport = (read: Reader) => Promise<(headers: Record<string, string>) => Promise<unknown>>

async function listen(
  server: EventEmitter & { listen(port: number, host: string): unknown },
): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return ((server as unknown as Http2Server).address() as AddressInfo).port
}

const plain: Transport = async (read) => {
  const server = createServer((req, res) => void outcomeOf(read, req).then((text) => res.end(text)))
  closing.push(() => server.close())
  const port = await listen(server)
  return async (headers) => {
    const sent = request({ port, host: '127.0.0.1', headers, agent: false }).end()
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    return JSON.parse(String(await answer.toArray()))
  }
}

const overHTTP2: Transport = async (read) => {
  const server = createHTTP2Server((req, res) => {
    void outcomeOf(read, req as never).then((text) => res.end(text))
  })
  const client = connect(`http://127.0.0.1:${await listen(server)}`)
  closing.push(() => {
    client.destroy()
    server.close()
  })
  return async (headers) =>
    JSON.parse(String(await client.request({ ':path': '/events', ...headers }).toArray()))
}

/** A WebSocket by HTTP/2, which has no header `Upgrade` (RFC 8441). */
const extendedConnect: Transport = async (read) => {
  // Without a listener for requests, Node makes no request of a stream.
  const server = createHTTP2Server({ settings: { enableConnectProtocol: true } }, () => {})
  server.on('connect', (req: IncomingMessage, res: ServerResponse) => {
    void outcomeOf(read, req).then((text) => res.end(text))
  })
  const client = connect(`http://127.0.0.1:${await listen(server)}`)
  await once(client, 'remoteSettings')
  closing.push(() => {
    client.destroy()
    server.close()
  })
  const opening = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/events' }
  return async (headers) => {
    const stream = client.request({ ...opening, ...headers })
    const [text] = (await once(stream, 'data')) as [Buffer]
    stream.destroy()
    return JSON.parse(String(text))
  }
}

const webSocket: Transport = async (read) => {
  const server = createServer()
  server.on('upgrade', (req, socket) => {
    // Nothing else reads it to its end.
    socket.resume()
    void outcomeOf(read, req).then((text) =>
      socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${text}`),
    )
  })
  closing.push(() => server.close())
  const port = await listen(server)
  return async (headers) => {
    const client = new WebSocket(`ws://127.0.0.1:${port}/events`, { headers })
    client.on('error', () => {})
    const [, answer] = (await once(client, 'unexpected-response')) as [unknown, IncomingMessage]
    return JSON.parse(String(await answer.toArray()))
  }
}

/** Lets time pass for both clocks. */
function pass(milliseconds: number): void {
  clocks()(milliseconds)
}

const transports: [string, Transport][] = [
  ['a plain server', plain],
  ['HTTP/2', overHTTP2],
  ['the upgrade of a WebSocket', webSocket],
  ['a WebSocket by HTTP/2', extendedConnect],
]

describe.each(mounts)('grants.fromRequest(), with %s,', (_how, mount) => {
  describe.each(transports)('of %s', (_what, transport) => {
    test('knows who is logged in, and when no one is', async () => {
      const ask = await transport(await start(mount))
      expect(await ask(cookieOf(await logIn()))).toBe('PACME01')
      expect(await ask({})).toBeNull()
    })

    test('knows that a login was logged out, revoked, or has expired', async () => {
      const ask = await transport(await start(mount))
      const [out, revoked, idling] = [await logIn(), await logIn(), await logIn()]
      const headers = { 'Sec-Fetch-Site': 'same-origin' }
      const before = cookieOf(out)
      await out.fetch(`${app.url}/auth/pagerduty/logout`, { method: 'POST', headers })
      expect(await ask(before)).toBeNull()
      const found = await grantIDs()
      await pd.grants.revoke(found[0] as string)
      const asked = [await ask(cookieOf(revoked)), await ask(cookieOf(idling))]
      expect(asked.filter((one) => one === null)).toHaveLength(1)
      pass(idle + 60_000)
      expect([await ask(cookieOf(revoked)), await ask(cookieOf(idling))]).toEqual([null, null])
    })

    test('rejects while the store fails', async () => {
      const ask = await transport(await start(mount))
      const browser = await logIn()
      store.fault = () => new Error('unreachable')
      expect(await ask(cookieOf(browser))).toBe('ERR_PAGERDUTY_TOKEN_STORE')
      store.fault = undefined
      expect(await ask(cookieOf(browser))).toBe('PACME01')
    })
  })

  async function grantIDs(): Promise<(string | undefined)[]> {
    const grants = await pd.grants.list({ accountID: 'PACME00', userID: 'PACME01' })
    return grants.map(({ grantID }) => grantID)
  }

  describe.each([
    ['the upgrade of a WebSocket', webSocket],
    ['a WebSocket by HTTP/2', extendedConnect],
  ] as [string, Transport][])('of %s', (_what, transport) => {
    test('rejects one that a page of another origin opens', async () => {
      const ask = await transport(await start(mount))
      const cookie = cookieOf(await logIn())
      const { port } = new URL(app.url)
      const others = [
        'https://evil.example',
        `${app.url}.evil.example`,
        `http://127.0.0.1:${Number(port) + 1}`,
        app.url.replace('http:', 'https:'),
        app.url.toUpperCase(),
        `${app.url}/`,
        'null',
        '',
      ]
      for (const origin of others) {
        expect([origin, await ask({ ...cookie, origin })]).toEqual([origin, 'ERR_PAGERDUTY_FOREIGN_ORIGIN'])
      }
      const sibling = { ...cookie, origin: 'http://sibling.example', 'sec-fetch-site': 'same-site' }
      expect(await ask(sibling)).toBe('ERR_PAGERDUTY_FOREIGN_ORIGIN')
    })

    test('takes one of a page at a trusted origin, and none of an origin in neither list', async () => {
      const trustedOrigins = ['https://www.example.com', 'https://admin.example.com']
      const ask = await transport(await start(mount, { trustedOrigins }))
      const cookie = cookieOf(await logIn())
      for (const origin of [...trustedOrigins, app.url]) {
        expect([origin, await ask({ ...cookie, origin })]).toEqual([origin, 'PACME01'])
      }
      const other = { ...cookie, origin: 'https://other.example.com' }
      expect(await ask(other)).toBe('ERR_PAGERDUTY_FOREIGN_ORIGIN')
    })

    test('takes one of the app’s own pages, and one of no browser', async () => {
      const ask = await transport(await start(mount))
      const cookie = cookieOf(await logIn())
      expect(await ask({ ...cookie, origin: app.url })).toBe('PACME01')
      expect(await ask(cookie)).toBe('PACME01')
    })
  })

  test('does not look where a request that is no upgrade comes from', async () => {
    const ask = await plain(await start(mount))
    expect(await ask({ ...cookieOf(await logIn()), origin: 'https://other.example' })).toBe('PACME01')
  })

  test('extends nothing and writes nothing', async () => {
    const ask = await plain(await start(mount))
    const cookie = cookieOf(await logIn())
    pass(idle / 2)
    const before = store.commands.length
    expect(await ask(cookie)).toBe('PACME01')
    const kinds = store.commands.slice(before).map((command) => command.replace(/:.*/, ''))
    expect(kinds.toSorted()).toEqual(mount === dropIn ? ['get grant', 'get sess'] : ['get grant'])
    jest.restoreAllMocks()
    pass(idle + 60_000)
    expect(await ask(cookie)).toBeNull()
  })

  test('knows a login that a step-up has replaced no more', async () => {
    const ask = await plain(await start(mount))
    const browser = await logIn()
    const before = cookieOf(browser)
    const begun = await browser.visit(`${app.url}/auth/pagerduty`)
    await browser.visit(await approve(begun.headers.get('location') as string))
    expect(await ask(cookieOf(browser))).toBe('PACME01')
    expect(await ask(before)).toBeNull()
  })

  test('knows no user once a login has reached its absolute end, even if its grant is kept', async () => {
    const ask = await plain(await start(mount, { session: { idle, absolute: idle } }))
    const cookie = cookieOf(await logIn())
    const [grant] = await pd.grants.list({ accountID: 'PACME00', userID: 'PACME01' })
    await pd.grants.keep(grant?.grantID as string)
    expect(await ask(cookie)).toBe('PACME01')
    pass(idle - 1000)
    jest.restoreAllMocks()
    pass(idle + 1000)
    expect(await ask(cookie)).toBeNull()
  })

  test('rejects a session that express-session has not made', async () => {
    const ask = await plain((req) => {
      Object.assign(req, { session: { pagerduty: { grants: { pagerduty: 'an id' } } } })
      return read(req)
    })
    const read = await start(mount)
    expect(await ask({})).toBe('ERR_PAGERDUTY_CONFIGURATION')
  })
})

describe('the session cookie', () => {
  test('counts only with its signature', async () => {
    const ask = await plain(await start(dropIn))
    const browser = await logIn()
    const [[name, value]] = [...browser.cookies] as [[string, string]]
    const [id, signature] = decodeURIComponent(value)
      .slice(2)
      .split(/\.(?=[^.]*$)/) as [string, string]
    const forged = [
      `s:${id}`,
      `s:${id}.`,
      id,
      `s:${id}.${signature.slice(0, -1)}`,
      `s:${id.slice(0, -1)}.${signature}`,
      `s:${id}.${'A'.repeat(signature.length)}`,
    ]
    const before = store.commands.length
    for (const one of forged) {
      expect([one, await ask({ cookie: `${name}=${encodeURIComponent(one)}` })]).toEqual([one, null])
    }
    expect(store.commands.slice(before)).toEqual([])
    expect(await ask({ cookie: `other=1; ${name}=${value}` })).toBe('PACME01')
  })

  test('is read while secrets rotate, and not afterwards', async () => {
    await start(dropIn)
    const cookie = cookieOf(await logIn())
    const asks = async (secrets: string[]) => {
      const callbackURL = `${app.url}/auth/pagerduty/callback`
      const another = pagerduty({
        ...simulator.options(),
        scope: 'incidents.read',
        callbackURL,
        tokenStore: store,
        secret: secrets,
      })
      closing.push(() => another.close())
      const ask = await plain(async (req) => (await another.grants.fromRequest(req))?.user?.id ?? null)
      return ask(cookie)
    }
    const fresh = 'another secret, also of thirty-two characters or more'
    expect(await asks([fresh, secret])).toBe('PACME01')
    expect(await asks([fresh])).toBeNull()
  })

  test('is needed: one that does not come to a path is an explained failure', async () => {
    const read = await start(dropIn, { session: { cookie: { path: '/auth' } } })
    const ask = await plain(read)
    expect(await ask({})).toBe('ERR_PAGERDUTY_CONFIGURATION')
  })
})

describe('a request given to grants.fromRequest()', () => {
  test('can still go through pd.auth()', async () => {
    let seen: string | undefined
    app = await serve((express, url, server) => {
      pd = pagerduty({ ...optionsAt(url, simulator), tokenStore: store })
      express.use(pd.auth())
      express.get('/', (req, res) => void res.json(req.pagerduty.user?.id ?? null))
      const [handle] = server.listeners('request') as ((req: IncomingMessage, res: ServerResponse) => void)[]
      server.removeAllListeners('request')
      server.on('request', async (req: IncomingMessage, res: ServerResponse) => {
        seen = (await pd.grants.fromRequest(req))?.user?.id
        handle?.(req, res)
      })
    })
    closing.push(
      () => app.close(),
      () => pd.close(),
    )
    await logIn()
    expect(seen).toBe('PACME01')
  })

  test('needs the session middleware of an app that has its own', async () => {
    await start(parts)
    const ask = await plain(async (req) => (await pd.grants.fromRequest(req))?.user?.id ?? null)
    expect(await ask({})).toBe('ERR_PAGERDUTY_CONFIGURATION')
  })
})

describe('two instances in one app', () => {
  const own = (url: string, name: string) =>
    pagerduty({
      ...optionsAt(url, simulator),
      name,
      callbackURL: `${url}/auth/${name}/callback`,
      tokenStore: store,
    })
  let first: PagerDuty
  let second: PagerDuty
  let auth: Middleware

  beforeEach(async () => {
    simulator.settings.autoApprove = 'PACME01'
    app = await serve((express, url) => {
      first = own(url, 'pagerduty')
      second = own(url, 'second')
      auth = first.auth()
      express.use(auth, second.auth())
      express.get('/', (req, res) => void res.json(req.pagerduty.user?.id ?? null))
    })
    closing.push(
      () => app.close(),
      () => first.close(),
      () => second.close(),
    )
  })
  afterEach(() => {
    simulator.settings.autoApprove = undefined
  })
  const reader = (instance: () => PagerDuty, prepare?: (req: IncomingMessage) => Promise<unknown>) =>
    plain(async (req) => {
      await prepare?.(req)
      return (await instance().grants.fromRequest(req))?.user?.id ?? null
    })

  test('know only their own logins', async () => {
    const browser = new Browser()
    await browser.follow(`${app.url}/auth/pagerduty`)
    const prepare = (req: IncomingMessage) => through(auth, req)
    const askSecond = await reader(() => second, prepare)
    expect(await (await reader(() => first))(cookieOf(browser))).toBe('PACME01')
    expect(await askSecond(cookieOf(browser))).toBeNull()
    await browser.follow(`${app.url}/auth/second`)
    expect(await askSecond(cookieOf(browser))).toBe('PACME01')
  })

  test('say that a login is in the session of the other', async () => {
    const browser = new Browser()
    await browser.follow(`${app.url}/auth/second`)
    expect(await (await reader(() => second))(cookieOf(browser))).toBe('ERR_PAGERDUTY_CONFIGURATION')
  })
})

describeWithRedis('with Redis', () => {
  test('session and grant are read by one command', async () => {
    const server = await startRedis()
    closing.push(() => server.stop())
    const redis = new Redis(server.url)
    closing.push(() => redis.disconnect())
    const ask = await webSocket(await start(dropIn, { redis: server.url }))
    const cookie = cookieOf(await logIn())
    await redis.config('RESETSTAT')
    expect(await ask({ ...cookie, origin: app.url })).toBe('PACME01')
    const calls = [...(await redis.info('commandstats')).matchAll(/^cmdstat_([\w|]+):calls=(\d+)/gm)]
    expect(
      calls.map(([, name, count]) => `${name} ${count}`).filter((one) => !/^(config|info)/.test(one)),
    ).toEqual(['mget 1'])
    server.freeze()
    expect(await ask({ ...cookie, origin: app.url })).toBe('ERR_PAGERDUTY_TOKEN_STORE')
    server.thaw()
  })
})
