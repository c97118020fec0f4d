import type { Account } from './accounts'
import { type Rule, type Rules, anything, isObject, isURL } from './rules'
import { requireEach, requireOneOf, requireValue, unique } from './rules'

/** An app registered with the simulator. */
export interface SimulatorClient {
  clientID: string
  /** Absent for a public client, which only Classic has. */
  clientSecret?: string | undefined
  /** @default 'scoped' */
  appType?: 'scoped' | 'classic' | undefined
  /** What the app is configured with at PagerDuty; for Classic `read` or `write`. Whatever else is requested is dropped without an error. */
  scope: readonly string[]
  /** Compared exactly. @default any http or https URL of `localhost`, `*.localhost`, `127.*.*.*` or `[::1]` */
  redirectURIs?: readonly string[] | undefined
  /** Subdomain of the account that a Scoped app is registered in; users of others are turned away. @default none, all users may log in */
  account?: string | undefined
}

/** @internal */
export type RegisteredClient = SimulatorClient & { appType: 'scoped' | 'classic' }

/** The client that a simulator has unless it is given others: Scoped and confidential. */
export const defaultClient: SimulatorClient = {
  clientID: 'simulator-client',
  clientSecret: 'simulator-secret',
  appType: 'scoped',
  scope: ['incidents.read', 'incidents.write', 'users.read', 'services.read', 'oncalls.read'],
}

/** @internal */
export function requireClients(clients: readonly SimulatorClient[], accounts: readonly Account[]): void {
  const isList = (value: unknown) => value === undefined || (Array.isArray(value) && value.every(isURL))
  requireEach('clients', clients, {
    clientID: unique(clients, 'clientID'),
    clientSecret: 'a string or undefined',
    appType: "'scoped' or 'classic' or undefined",
    scope: anything,
    redirectURIs: [isList, 'a list of whole URLs'],
    account: [...accounts.map(({ subdomain }) => `'${subdomain}'`), 'undefined'].join(' or '),
  } satisfies Rules<SimulatorClient>)
}

/** @internal The app after `configure()`, which changes the scope alone. The other members may be given as they are. */
export function configured(client: RegisteredClient, change: { scope: readonly string[] }): RegisteredClient {
  requireValue('change', change, [isObject, '{ scope }'])
  for (const [name, value] of Object.entries(change)) {
    const isAsBefore = value === undefined || String(value) === String(client[name as keyof SimulatorClient])
    if (!isAsBefore) requireOneOf(['scope'], name, 'configure()', 'change.')
  }
  return register({ ...client, scope: change.scope }, 'change')
}

/** @internal Rejects an app that could not be registered with PagerDuty. */
export function register(client: SimulatorClient, name: string): RegisteredClient {
  const { appType = 'scoped' } = client
  const isClassic = appType === 'classic'
  const known = isClassic ? /^(read|write)$/ : /^(openid|[a-z_:]+\.(read|write))$/i
  const hasSecret: Rule = [(secret) => isClassic || !!secret, 'one: only Classic apps can be public']
  const isAtHome: Rule = [(account) => !isClassic || account === undefined, 'none to a Classic app']
  requireValue(`${name}.clientSecret`, client.clientSecret, hasSecret)
  requireValue(`${name}.account`, client.account, isAtHome)
  const isKnown = (scope: unknown) => Array.isArray(scope) && scope.every((one) => known.test(one))
  requireValue(`${name}.scope`, client.scope, [
    isKnown,
    `a list such as ['${isClassic ? 'write' : 'incidents.read'}']`,
  ])
  return { ...client, appType }
}

/** @internal */
export function serves({ account }: RegisteredClient, { subdomain }: Account): boolean {
  return account === undefined || account === subdomain
}

/** @internal The part of the requested scope that the app is configured with, in the requested order. */
export function narrowScope(client: RegisteredClient, requested: string): string[] {
  const asked = [...new Set(requested.split(/\s+/))]
  if (client.appType === 'scoped') return asked.filter((scope) => client.scope.includes(scope))
  // Classic `write` contains `read`, and a grant never shows both.
  if (asked.includes('write') && client.scope.includes('write')) return ['write']
  return asked.includes('read') && client.scope.length > 0 ? ['read'] : []
}

/** @internal */
export function acceptsRedirect(client: RegisteredClient, redirectURI: string): boolean {
  if (client.redirectURIs) return client.redirectURIs.includes(redirectURI)
  if (!URL.canParse(redirectURI)) return false
  const { protocol, hostname, hash } = new URL(redirectURI)
  const isLoopback = /^(127(\.\d+){3}|\[::1\]|(.+\.)?localhost)$/.test(hostname)
  return /^https?:$/.test(protocol) && isLoopback && hash === ''
}

/** @internal What may stand in place of a URL that is not accepted. */
export function allowedRedirects({ redirectURIs }: RegisteredClient): string {
  return `allowed ${redirectURIs ? `are ${redirectURIs.join(', ')}` : 'is any http or https URL of localhost, *.localhost, 127.*.*.* or [::1]'}`
}

/** @internal */
export function needsPKCE(client: RegisteredClient): boolean {
  return client.appType === 'scoped' || client.clientSecret === undefined
}
