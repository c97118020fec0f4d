import type { RequestHandler } from 'express'
import { defaultAccounts, requireAccounts } from './accounts'
import type { Account } from './accounts'
import { noCalls } from './calls'
import type { Calls } from './calls'
import { selfSigned } from './certificate'
import { configured, defaultClient, register, requireClients } from './clients'
import type { SimulatorClient } from './clients'
import { type SimulatorConnection, connectionOf, environmentOf, registered } from './connection'
import { FaultQueue } from './faults'
import type { Fault, Target } from './faults'
import { Grants } from './grants'
import type { LiveGrant } from './tokens'
import { IDTokenSigner } from './id-token-signer'
import type { Parts } from './parts'
import { routes } from './routes'
import { isObject, requireValue } from './rules'
import { sampleData } from './sample-data'
import type { AccountData } from './sample-data'
import { deliver, eventOf } from './send-webhook'
import type { SendWebhookOptions, WebhookAnswer } from './send-webhook'
import { listen, shut } from './server'
import { resolveSettings } from './settings'
import type { GivenSettings, Settings } from './settings'
import { readState, saveState } from './state'
import { webhookEvent } from './webhook-event'
import type { WebhookEventInit } from './webhook-event'

/** How to start a simulator; everything is optional. Of {@link Settings} each may be given, and changed later. */
export interface SimulatorOptions extends GivenSettings {
  /** @default 0, any free port */
  port?: number | undefined
  /** Whether it speaks https, with a certificate that it makes for itself; see {@link Simulator.certificate}. @default false */
  tls?: boolean | undefined
  /** The registered apps; the first is the one meant where no `clientID` is given. @default [defaultClient] */
  clients?: readonly SimulatorClient[] | undefined
  /** Accounts and their users. @default defaultAccounts */
  accounts?: readonly Account[] | undefined
  /** @internal Serves what is below `/__simulator/`. */
  control?: ((simulator: Simulator) => RequestHandler) | undefined
  /** @internal What `saveState` returned, of one that was stopped. */
  state?: Uint8Array | undefined
}

/** A running PagerDuty simulator. */
export interface Simulator {
  /** Its only origin, `http://127.0.0.1:<port>`, or https: identity server, REST API and, at `/mcp`, MCP server. */
  readonly url: string
  /** What clients have to trust where it speaks https, as PEM: for 127.0.0.1, ::1 and localhost. Undefined without `tls`. */
  readonly certificate: string | undefined
  /** Lifetimes, latencies and habits; assign to change them. */
  readonly settings: Settings
  /** Calls since the start or the last `resetCalls()`; other processes read them at `/__simulator/calls`. */
  readonly calls: Readonly<Calls>
  /** How often a refresh token came back that was already used, since the start or the last `resetCalls()`. */
  readonly reuses: number
  /** Sets `calls` and `reuses` to zero. */
  resetCalls(): void
  /** Options for the library: `pagerduty({ ...simulator.options(), scope: ['incidents.read'] })`. */
  options(clientID?: string): SimulatorConnection
  /** The same as environment variables, for a child process, with a secret for `sendWebhook`: `PAGERDUTY_WEBHOOK_SECRET`. */
  env(clientID?: string): Record<string, string>
  /** Changes what the app is configured with; tokens already issued keep their scope. */
  configure(clientID: string, change: { scope: readonly string[] }): void
  /**
   * Makes the next calls of that kind fail, `times` of them (1 if not given), after those already waiting.
   *
   * @throws {TypeError} target or fault is unknown, or cannot work
   */
  failNext(target: Target, fault: Fault, times?: number): void
  /** Forgets the failures that have not happened yet. */
  clearFaults(): void
  /** Publishes and uses a new signing key; the one before stays published. */
  rotateKeys(): Promise<void>
  /** Ends every access token, as time would; refresh tokens stay good. */
  expireTokens(): void
  /** Ends every code and token, as the button "Revoke All Tokens" does. */
  revokeAll(): void
  /** The logins and app tokens that still serve, the newest last: also logins whose tokens are carried along with a later grant. */
  liveGrants(): LiveGrant[]
  /** The newest access token of a user that would still be accepted. */
  newestAccessToken(userID: string): string | undefined
  /** The newest refresh token of a user that would still be accepted. */
  newestRefreshToken(userID: string): string | undefined
  /**
   * Sends a webhook delivery about data that its REST API has, such as the first incident of an account, so that a handler
   * can work on it; see {@link sendWebhook}.
   */
  sendWebhook(
    url: string | URL,
    event: string | WebhookEventInit,
    options: SendWebhookOptions & {
      /** Subdomain of the account that it happened in. @default that of the first account */
      subdomain?: string | undefined
    },
  ): Promise<WebhookAnswer>
  /** @internal Tokens, data and certificate, for the option `state`. */
  saveState(): Uint8Array
  /** Closes the server and every connection at once; may be called again. */
  close(): Promise<void>
}

/**
 * Starts a local imitation of PagerDuty's identity server and of a bit of its REST API, on 127.0.0.1. It is strict
 * where PagerDuty is or may be: codes and refresh tokens work once, PKCE is required, scopes narrow without an error.
 *
 * @throws {TypeError} an option is not known, or its value cannot work
 * @example
 * const simulator = await startPagerDuty()
 * const pd = pagerduty({ ...simulator.options(), scope: ['incidents.read'], callbackURL })
 * // …
 * await simulator.close()
 */
export async function startPagerDuty(options: SimulatorOptions = {}): Promise<Simulator> {
  const { port, registrations, accounts } = checked(options)
  const [first] = registrations as readonly [SimulatorClient]
  const settings = resolveSettings(options, accounts)
  const clients = new Map(
    registrations.map((client, index) => [client.clientID, register(client, `clients[${index}]`)]),
  )
  const kept = options.state && readState(options.state)
  const grants = new Grants(settings, kept?.records)
  const faults = new FaultQueue()
  const signer = new IDTokenSigner()
  let calls = noCalls()

  const identity = kept?.identity ?? (options.tls ? selfSigned() : undefined)
  const { server, url, certificate } = await listen(port, options.tls ? identity : undefined)
  const dataOf = (account: Account) => kept?.data.get(account.id) ?? sampleData(account, settings.now())
  const data = new Map(accounts.map((account) => [account.id, dataOf(account)]))
  const parts: Parts = { origin: url, settings, accounts, data, clients, grants, signer }
  let closed: Promise<void> | undefined

  const connection = (clientID = first.clientID) => connectionOf(registered(clients, clientID), url)

  const simulator: Simulator = {
    url,
    certificate,
    settings,
    get calls() {
      return calls
    },
    get reuses() {
      return grants.reuses
    },
    resetCalls() {
      calls = noCalls()
      grants.reuses = 0
    },
    options: connection,
    env: (clientID) => environmentOf(connection(clientID)),
    configure(clientID, change) {
      clients.set(clientID, configured(registered(clients, clientID), change))
    },
    failNext: (target, fault, times = 1) => faults.add(target, fault, times),
    clearFaults: () => faults.clear(),
    rotateKeys: () => signer.rotate(),
    expireTokens: () => grants.expireAccessTokens(),
    revokeAll: () => grants.revokeAll(),
    liveGrants: () => grants.live(),
    newestAccessToken: (userID) => grants.newestAccessToken(userID),
    newestRefreshToken: (userID) => grants.newestRefreshToken(userID),
    sendWebhook: async (target, event, how) => sendAbout(parts, target, event, how),
    saveState: () => saveState(parts, identity),
    close: () => (closed ??= shut(server)),
  }
  server.on('request', routes(parts, { calls: () => calls, faults, control: options.control?.(simulator) }))
  return simulator
}

function checked(options: SimulatorOptions) {
  requireValue('options', options, [isObject, 'an object'])
  const { port = 0, tls, clients: registrations = [defaultClient], accounts = defaultAccounts } = options
  // A string of digits works too.
  const number = /^\d+$/.test(String(port)) ? Number(port) : port
  requireValue('port', number, 'a whole number from 0 to 65535')
  requireValue('tls', tls, 'a boolean or undefined')
  requireAccounts(accounts)
  requireClients(registrations, accounts)
  return { port, registrations, accounts }
}

function sendAbout(
  { accounts, data, settings }: Parts,
  ...[target, event, options]: Parameters<Simulator['sendWebhook']>
): Promise<WebhookAnswer> {
  const { subdomain = accounts[0]?.subdomain, ...how } = options ?? {}
  const account = accounts.find((one) => one.subdomain === subdomain)
  if (!account) throw new TypeError(`"${subdomain}" is no account of this simulator`)
  const init = eventOf(event, how)
  return deliver(target, webhookEvent(init, data.get(account.id) as AccountData, settings.now()), how)
}
