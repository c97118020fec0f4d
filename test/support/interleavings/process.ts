import { once } from 'node:events'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type Express } from 'express'
import type { PagerDuty, PagerDutyOptions } from '../../../src'
import type { Who } from './ledger'
import type { Operation, Traffic } from './traffic'
import { operationHeader } from './visitor'

export type Library = typeof import('../../../src')

/** Loads the library once more, as another process has it. */
function loadLibrary(): Library {
  let loaded: Library | undefined
  jest.isolateModules(() => {
    loaded = require('../../../src') as Library
  })
  return loaded as Library
}

/** One process: a copy of the library, and a server that gets a new app for each history. */
export class AppProcess {
  readonly library: Library
  readonly port: number
  readonly #server: Server
  #app: Express | undefined
  pd!: PagerDuty

  private constructor(library: Library, server: Server) {
    this.library = library
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.keepAliveTimeout = 0
    server.on('request', (req, res) => this.#app?.(req, res))
  }

  static async start(): Promise<AppProcess> {
    const library = loadLibrary()
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new AppProcess(library, server)
  }

  /** Replaces the app. */
  serve(options: PagerDutyOptions, traffic: Traffic, operations: ReadonlyMap<string, Operation>): void {
    this.pd = this.library.pagerduty(options)
    const { pd } = this
    const app = express()
    app.disable('etag')
    app.use((req, res, next) => {
      traffic.arrive()
      let isFinished = false
      const left = () => {
        if (!isFinished) traffic.depart()
        isFinished = true
      }
      res.once('finish', left)
      res.once('close', left)
      const operation = operations.get(String(req.headers[operationHeader]))
      if (operation === undefined) next()
      else traffic.running.run(operation, next)
    })
    app.use(pd.auth())
    const who = (req: express.Request): Who => ({
      user: req.pagerduty.user?.id ?? null,
      ...(req.pagerduty.grantID !== undefined && { grantID: req.pagerduty.grantID }),
      ...(req.pagerduty.user?.delegationID !== undefined && {
        delegationID: req.pagerduty.user.delegationID,
      }),
    })
    app.get('/', (req, res) => void res.json(who(req)))
    app.get('/me', pd.requireLogin(), (req, res) => void res.json(who(req)))
    for (const [path, scope] of Object.entries(guarded))
      app.get(path, pd.requireScopes(scope), (req, res) => void res.json(who(req)))
    app.get('/api', pd.requireLogin(), async (req, res) => {
      const { status } = await req.pagerduty.fetch('/incidents')
      res.status(status).json(who(req))
    })
    app.get('/refresh', pd.requireLogin(), async (req, res) => {
      await req.pagerduty.getAccessToken({ forceRefresh: true })
      res.json(who(req))
    })
    app.post('/keep', pd.requireLogin(), async (req, res) => {
      const isKept = await pd.grants.keep(req.pagerduty.grantID ?? '')
      res.json({ ...who(req), isKept })
    })
    app.use(pd.errors())
    this.#app = app
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

/** Pages that need more than a login, and their scopes; PagerDuty never grants the last one. */
export const guarded = {
  '/write': 'incidents.write',
  '/users': 'users.read',
  '/oncalls': 'oncalls.read',
} as const
