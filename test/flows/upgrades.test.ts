import { type EventEmitter, once } from 'node:events'
import { IncomingMessage, type Server, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Request, RequestHandler } from 'express'
import session from 'express-session'
import { Server as SocketServer } from 'socket.io'
import { io } from 'socket.io-client'
import { WebSocket, WebSocketServer } from 'ws'
import { type PagerDuty, pagerduty } from '../../src'
import type { Middleware } from '../../src/sessions/session-tokens'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { type RunningApp, serve } from '../support/app'
import { Browser } from '../support/browser'
import { optionsAt, passportWith, secret } from '../support/passport-app'
import { failOnUnhandledRejections } from '../support/unhandled'
import { WatchedStore } from '../support/watched-store'

let simulator: Simulator
let store: WatchedStore
let app: RunningApp
let pd: PagerDuty
let server: Server

failOnUnhandledRejections()
beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())
beforeEach(() => {
  store = new WatchedStore()
})
afterEach(async () => {
  await pd.close()
  await app.close()
})

/** Mounts the package, and returns the same middleware for what does not go through Express. */
type Mount = (express: import('express').Express) => Middleware[]

const dropIn: Mount = (express) => {
  const auth = pd.auth()
  express.use(auth)
  return [auth]
}

const parts: Mount = (express) => {
  const passport = passportWith(pd.strategy)
  const own = session({ secret, resave: false, saveUninitialized: false }) as unknown as Middleware
  const tokens = pd.sessionTokens()
  express.use(own as RequestHandler, passport.session(), tokens)
  express.get('/auth/pagerduty', passport.authenticate('pagerduty'))
  const done = { successRedirect: '/' }
  express.get('/auth/pagerduty/callback', passport.authenticate('pagerduty', done))
  return [own, tokens]
}

const mounts: [string, Mount][] = [
  ['pd.auth()', dropIn],
  ['the individual middleware', parts],
]

async function start(mount: Mount): Promise<Middleware[]> {
  let middleware: Middleware[] = []
  app = await serve((express, url, made) => {
    server = made
    pd = pagerduty({ ...optionsAt(url, simulator), tokenStore: store })
    middleware = mount(express)
    express.get('/', (req, res) => void res.json(req.pagerduty.user?.id ?? null))
    express.use(pd.errors())
  })
  return middleware
}

async function logIn(): Promise<Browser> {
  const browser = new Browser()
  const begun = await browser.visit(`${app.url}/auth/pagerduty`)
  await browser.visit(await approve(begun.headers.get('location') as string))
  return browser
}

function cookieOf(browser: Browser): string {
  return [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
}

/** Runs one middleware after the other, as `express()` would. */
function run(
  middleware: readonly Middleware[],
  req: IncomingMessage,
  res: ServerResponse,
  over: (error?: unknown) => void,
): void {
  const [first, ...others] = middleware
  if (first === undefined) return over()
  first(req, res, (error) => (error ? over(error) : run(others, req, res, over)))
}

type MakeResponse = (req: IncomingMessage) => ServerResponse

/** Accepts upgrades, and sends each client the ID of its user. */
function takeUpgrades(middleware: readonly Middleware[], responseOf: MakeResponse): WebSocketServer {
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (req: Request, socket: Duplex, head: Buffer) => {
    const refuse = (status: number) => void socket.end(`HTTP/1.1 ${status} No\r\nConnection: close\r\n\r\n`)
    run(middleware, req, responseOf(req), (error) => {
      if (error) return refuse((error as { status?: number }).status ?? 500)
      if (req.pagerduty.user === undefined) return refuse(401)
      sockets.handleUpgrade(req, socket, head, (connection) => connection.send(`${req.pagerduty.user?.id}`))
    })
  })
  return sockets
}

/** The outcome of an upgrade: the first message, or the status that rejects it. */
async function upgrade(browser: Browser, path = '/'): Promise<unknown> {
  const url = app.url.replace('http', 'ws') + path
  const client = new WebSocket(url, { headers: { cookie: cookieOf(browser) } })
  const opened = once(client, 'message').then(([message]) => String(message))
  const refused = once(client, 'unexpected-response').then(
    ([, answer]) => (answer as IncomingMessage).statusCode,
  )
  client.on('error', () => {})
  const outcome = await Promise.race([opened, refused])
  client.terminate()
  return outcome
}

const responses: [string, MakeResponse][] = [
  ['an empty object for a response', () => ({}) as ServerResponse],
  ['a response without a socket', (req) => new ServerResponse(req)],
]

describe.each(mounts)('the upgrade of a WebSocket, through %s', (_how, mount) => {
  describe.each(responses)('with %s', (_what, responseOf) => {
    test('knows who is logged in, and when no one is', async () => {
      takeUpgrades(await start(mount), responseOf)
      const browser = await logIn()
      expect(await upgrade(browser)).toBe('PACME01')
      expect(await upgrade(new Browser())).toBe(401)
      expect(await (await browser.fetch(app.url)).json()).toBe('PACME01')
    })

    test('knows that a grant was revoked', async () => {
      takeUpgrades(await start(mount), responseOf)
      const browser = await logIn()
      await pd.grants.revoke({ accountID: 'PACME00', userID: 'PACME01' })
      expect(await upgrade(browser)).toBe(401)
    })

    test('is handed on with the error of a store that fails', async () => {
      takeUpgrades(await start(mount), responseOf)
      const browser = await logIn()
      store.fault = () => new Error('unreachable')
      expect(await upgrade(browser)).toBeGreaterThanOrEqual(500)
      store.fault = undefined
      expect(await upgrade(browser)).toBe('PACME01')
    })

    test('goes through a guard, which hands on its denial', async () => {
      const middleware = await start(mount)
      takeUpgrades([...middleware, pd.requireScopes('incidents.read') as unknown as Middleware], responseOf)
      expect(await upgrade(new Browser())).toBe(401)
      expect(await upgrade(await logIn())).toBe('PACME01')
    })

    test('begins no login, on whatever path it comes', async () => {
      takeUpgrades(await start(mount), responseOf)
      const browser = await logIn()
      for (const path of ['/auth/pagerduty', '/auth/pagerduty/callback?code=a', '/auth/pagerduty/logout']) {
        expect(await upgrade(browser, path)).toBe('PACME01')
        expect(await upgrade(new Browser(), path)).toBe(401)
      }
    })
  })

  test('ends no process when what comes after it throws', async () => {
    const middleware = await start(mount)
    server.on('upgrade', (req: Request, socket: Duplex) => {
      run(middleware, req, {} as ServerResponse, (error) => {
        if (error) return void socket.end('HTTP/1.1 418 No\r\nConnection: close\r\n\r\n')
        throw new Error('thrown by the app')
      })
    })
    expect(await upgrade(await logIn())).toBe(418)
  })

  test('is not needed: a request that has no response goes through on whatever path', async () => {
    const middleware = await start(mount)
    for (const url of ['/', '/auth/pagerduty', '/auth/pagerduty/logout']) {
      const req = Object.assign(new IncomingMessage(new Socket()), { url, method: 'GET' })
      const error = await new Promise((resolve) => run(middleware, req, {} as ServerResponse, resolve))
      expect([error, (req as Request).pagerduty.user]).toEqual([undefined, undefined])
    }
  })

  test('can log out', async () => {
    const middleware = await start(mount)
    server.on('upgrade', (req: Request, socket: Duplex) => {
      run(middleware, req, {} as ServerResponse, async () => {
        await req.pagerduty.logout()
        socket.end('HTTP/1.1 204 Out\r\nConnection: close\r\n\r\n')
      })
    })
    const browser = await logIn()
    expect(await upgrade(browser)).toBe(204)
    expect(await (await browser.fetch(app.url)).json()).toBeNull()
  })
})

describe.each(mounts)('socket.io, with %s as a middleware of its engine,', (_how, mount) => {
  describe.each(['websocket', 'polling'] as const)('over %s', (transport) => {
    /** A poll that goes on would outlive its test. */
    const closed: Promise<unknown>[] = []
    async function listen(): Promise<SocketServer> {
      const middleware = await start(mount)
      const sockets = new SocketServer(server, { serveClient: false })
      for (const one of middleware) sockets.engine.use(one)
      sockets.engine.on('connection', (connection: EventEmitter) => closed.push(once(connection, 'close')))
      sockets.use((socket, next) => {
        const { pagerduty: grant } = socket.request as Request
        next(grant.user === undefined ? new Error('nobody') : undefined)
      })
      sockets.on('connection', (socket) => {
        socket.emit('hello', (socket.request as Request).pagerduty.user?.id)
      })
      return sockets
    }

    async function connect(browser: Browser): Promise<unknown> {
      const client = io(app.url, {
        transports: [transport],
        reconnection: false,
        extraHeaders: { cookie: cookieOf(browser) },
      })
      const outcome = new Promise((resolve) => {
        client.once('hello', resolve)
        client.once('connect_error', ({ message }) => resolve(message))
      })
      return outcome.finally(async () => {
        client.close()
        await Promise.all(closed)
      })
    }

    test('knows who is logged in, and when no one is', async () => {
      const sockets = await listen()
      const browser = await logIn()
      expect(await connect(browser)).toBe('PACME01')
      expect(await connect(new Browser())).toBe('nobody')
      await sockets.close()
    })

    test('rejects a connection while the store fails, and accepts it again afterwards', async () => {
      const sockets = await listen()
      const browser = await logIn()
      store.fault = () => new Error('unreachable')
      expect(await connect(browser)).toMatch(/error/)
      store.fault = undefined
      expect(await connect(browser)).toBe('PACME01')
      await sockets.close()
    })
  })
})
