// One process of an app: `pd.auth()` over a store. The parent sends orders; SIGTERM ends it as an orchestrator would.
import { Agent, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import express, { type Request } from 'express'
import { SQLiteTokenStore, type TokenStore, pagerduty } from '../../src'

/** What the parent requests. */
export type Order =
  | { kind: 'clock'; offset: number }
  | { kind: 'storm'; cookie: string; requests: number }
  | { kind: 'size' }
  | ({ kind: 'stop' } & Stop)

/** A point of an operation of the store, by its name and the beginning of its key: "replace grant:". */
export interface Stop {
  before?: string
  after?: string
}

/** What comes back for each kind of order. */
export interface Results {
  clock: true
  storm: { statuses: Record<string, number>; tokens: string[]; slowest: number }
  size: { heap: number; handles: number }
  /** It has come there, and gets no further. */
  stop: true
}

/** What a worker says: its URL once, results of orders, and what must never happen. */
export type Message =
  | { url: string }
  | { id: number; result: unknown }
  | { id: number; failure: string }
  | { problem: string }
  | { told: string; grantID: string }

const clock = Date.now.bind(Date)
let offset = Number(process.env['FAULTS_CLOCK'] ?? 0)
Date.now = () => clock() + offset
globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [Date.now()] : args, newTarget) as Date,
})

const say = (message: Message) => void process.send?.(message)
process.on('unhandledRejection', (reason) => say({ problem: `unhandled rejection: ${describe(reason)}` }))
process.on('uncaughtException', (error) => say({ problem: `uncaught exception: ${describe(error)}` }))
process.on('warning', (warning) => {
  // Node 22 says of its SQLite that it is new.
  if (warning.name !== 'ExperimentalWarning') say({ problem: `warning: ${describe(warning)}` })
})

/** Where an operation of the store ends for good, as in a process that dies there; a relay does that for stores with a server. */
let stop: (Stop & { reached: () => void }) | undefined
const stopIf = (isReached: boolean) => {
  if (!isReached) return undefined
  stop?.reached()
  return new Promise<never>(() => {})
}
function stoppable(store: TokenStore): TokenStore {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return async (...args: unknown[]) => {
        const operation = `${String(name)} ${String(args[0])}`
        const isAt = (point: string | undefined) => point !== undefined && operation.startsWith(point)
        await stopIf(isAt(stop?.before))
        const result = (await (member as (...all: unknown[]) => unknown).apply(target, args)) as unknown
        await stopIf(isAt(stop?.after))
        return result
      }
    },
  })
}

const file = process.env['FAULTS_STOPPABLE_SQLITE']
const pd = pagerduty({
  scope: 'incidents.read',
  ...(file === undefined ? {} : { tokenStore: stoppable(new SQLiteTokenStore(file)) }),
})
// So that the log shows how a user was lost.
pd.on('refresh', ({ grantID, version }) => say({ told: `refreshed to version ${version}`, grantID }))
pd.on('refreshFailed', ({ grantID, error }) => say({ told: `not refreshed: ${error.message}`, grantID }))
// Else a store that cannot be reached is a process warning, and so is a login that it makes fail; the crowd tries again.
pd.on('warning', () => {})
pd.on('loginFailed', () => {})
pd.on('logout', ({ grantID }) => say({ told: 'logged out', grantID }))

const app = express()
app.use(pd.auth())
app.get('/token', pd.requireLogin(), async (req, res) => {
  res.json({ user: req.pagerduty.user?.id, token: await req.pagerduty.getAccessToken() })
})
// Holds the grant as it was read for a while, then calls PagerDuty with it.
app.get('/api', pd.requireLogin(), async (req, res) => {
  await pause(Number(req.query['wait'] ?? 0))
  const answer = await req.pagerduty.fetch('/incidents')
  await answer.arrayBuffer()
  res.status(answer.status).json({ user: req.pagerduty.user?.id })
})
// Changes the session and takes its time to end.
app.get('/note', pd.requireLogin(), async (req, res) => {
  sessionOf(req)['note'] = Math.random()
  await pause(Number(req.query['wait'] ?? 0))
  res.json({ user: req.pagerduty.user?.id })
})
app.use(pd.errors())

const server = app.listen(0, '127.0.0.1', () => {
  say({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
})
server.keepAliveTimeout = 300_000

let isEnding = false
process.on('message', ({ id, order }: { id: number; order: Order }) => {
  obey(order).then(
    (result) => say({ id, result }),
    (error: unknown) => say({ id, failure: describe(error) }),
  )
})
process.on('disconnect', () => {
  if (!isEnding) process.exit()
})
process.once('SIGTERM', async () => {
  isEnding = true
  await pd.close()
  server.close()
  agent.destroy()
  process.disconnect()
})

async function obey(order: Order): Promise<Results[Order['kind']]> {
  if (order.kind === 'storm') return storm(order.cookie, order.requests)
  if (order.kind === 'size') return size()
  if (order.kind === 'stop') return stopAt(order)
  offset = order.offset
  return true
}

function stopAt(where: Stop): Promise<true> {
  return new Promise((resolve) => {
    stop = { ...where, reached: () => resolve(true) }
  })
}

// Kept open between storms, as browsers and proxies keep theirs.
const agent = new Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: Infinity })

async function storm(cookie: string, requests: number): Promise<Results['storm']> {
  const { port } = server.address() as AddressInfo
  const outcome: Results['storm'] = { statuses: {}, tokens: [], slowest: 0 }
  const startedAt = performance.now()
  const one = async () => {
    const { status, body } = await fetchToken(port, cookie)
    const { token, code } = JSON.parse(body) as { token?: string; code?: string }
    const seen = code === undefined ? `${status}` : `${status} ${code}`
    outcome.statuses[seen] = (outcome.statuses[seen] ?? 0) + 1
    if (token !== undefined && !outcome.tokens.includes(token)) outcome.tokens.push(token)
    outcome.slowest = Math.max(outcome.slowest, performance.now() - startedAt)
  }
  await Promise.all(Array.from({ length: requests }, one))
  return outcome
}

function fetchToken(port: number, cookie: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path: '/token', agent, headers: { cookie } }
    get(options, (answer) => {
      let body = ''
      answer.on('data', (chunk: Buffer) => (body += chunk.toString()))
      answer.on('end', () => resolve({ status: answer.statusCode as number, body }))
    }).on('error', reject)
  })
}

async function size(): Promise<Results['size']> {
  const { gc } = globalThis as { gc?: () => void }
  for (let i = 0; i < 3; i++) {
    gc?.()
    await pause(20)
  }
  return { heap: process.memoryUsage().heapUsed, handles: process.getActiveResourcesInfo().length }
}

function sessionOf(req: Request): Record<string, unknown> {
  return (req as unknown as { session: Record<string, unknown> }).session
}

function describe(reason: unknown): string {
  return reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)
}
