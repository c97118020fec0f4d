import { once } from 'node:events'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type PagerDuty, pagerduty } from '../src'
import type { Simulator } from '../src/testing'
import { type ExampleSetup, createExampleApp } from './app'
import { appUser } from './pagerduty-api'
import { isUse } from './session-warning'
import { browserLabel } from './sessions'
import { storePlace, storeURL } from './store'
import { configurationOf, deliverer, simulatorOptions, startSimulator } from './simulator'

export interface ExampleOptions {
  /** 0 is any free port. */
  port: number
  /** Where logins are kept: a URL, as the option `tokenStore` takes it. @default the environment's, else memory */
  store?: string
  /** Milliseconds until a login ends that is not used. @default 8 hours */
  idle?: number
}

export interface RunningExample {
  /** What to open in a browser. */
  url: string
  callbackURL: string
  /** Where logins are kept, in a few words. */
  place: string
  pd: PagerDuty
  /** The PagerDuty simulator, where no PAGERDUTY_CLIENT_ID points to the real one. */
  simulator?: Simulator
  /** @param patience milliseconds after which connections are cut @default 2000 */
  close(patience?: number): Promise<void>
}

/** Starts the example, with the environment's PagerDuty app or, without one, with a simulator of its own. */
export async function startExampleApp({ port, store, idle }: ExampleOptions): Promise<RunningExample> {
  const server = createServer()
  await listen(server, port)
  const simulator = process.env['PAGERDUTY_CLIENT_ID'] ? undefined : await startSimulator()
  try {
    const here = `http://localhost:${(server.address() as AddressInfo).port}`
    const callbackURL = process.env['PAGERDUTY_CALLBACK_URL'] || `${here}/auth/pagerduty/callback`
    const isClassic = simulator === undefined && process.env['PAGERDUTY_APP_TYPE'] === 'classic'
    const given = simulator && simulatorOptions(simulator)
    const pd = pagerduty({
      ...(given ?? { scope: process.env['PAGERDUTY_SCOPE'] || scopeOf(isClassic) }),
      appScope: 'incidents.write',
      verify: appUser,
      label: browserLabel,
      session: { idle, shouldTouch: isUse },
      tokenStore: store,
      callbackURL,
      routes: { login: '/auth/pagerduty' },
    })
    const needs: ExampleSetup['needs'] = isClassic
      ? { incidents: 'read', services: 'write' }
      : { incidents: 'incidents.read', services: 'services.read' }
    const send = given && deliverer(given.webhookSecret)
    const hasWebhooks = !isClassic && (send !== undefined || Boolean(process.env['PAGERDUTY_WEBHOOK_SECRET']))
    const configuration = simulator && configurationOf(simulator)
    const place = storePlace(storeURL(store))
    const setup = { pd, callbackURL, configuration, needs, hasWebhooks, send, place }
    server.on('request', createExampleApp(setup))
    let closed: Promise<void> | undefined
    const close = (patience = 2_000) => (closed ??= shut(server, patience, pd, simulator))
    return {
      url: new URL(callbackURL).origin,
      callbackURL,
      place,
      pd,
      ...(simulator && { simulator }),
      close,
    }
  } catch (error) {
    server.close()
    await simulator?.close()
    throw error
  }
}

function scopeOf(isClassic: boolean): string[] {
  return isClassic ? ['read'] : ['incidents.read', 'users.read']
}

/** Browsers may resolve `localhost` to ::1, so a port that is in use there will not do either. */
async function listen(server: Server, port: number): Promise<void> {
  const other = createServer().listen(port, '::1')
  const failure = await once(other, 'listening').then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error,
  )
  other.close()
  if (failure?.code === 'EADDRINUSE') throw failure
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
}

async function shut(
  server: Server,
  patience: number,
  pd: PagerDuty,
  simulator: Simulator | undefined,
): Promise<void> {
  const ended = once(server, 'close')
  // Requests that run may finish; connections that a browser opened in advance would never end by themselves.
  server.maxRequestsPerSocket = 1
  server.close()
  const cut = setTimeout(() => server.closeAllConnections(), patience)
  await ended
  clearTimeout(cut)
  await pd.close()
  await simulator?.close()
}
