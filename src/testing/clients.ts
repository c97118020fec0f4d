import type { Account } from './accounts'

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

/** @internal Rejects an app that could not be registered with PagerDuty. */
export function register(client: SimulatorClient): RegisteredClient {
  const { clientID, clientSecret, appType = 'scoped' } = client
  if (appType === 'scoped' && !clientSecret) {
    throw new TypeError(
      `"clients": the Scoped app ${clientID} has no "clientSecret"; only Classic apps can be public`,
    )
  }
  if (appType === 'classic' && client.account !== undefined) {
    throw new TypeError(
      `"clients": the Classic app ${clientID} has an "account"; Classic apps belong to none`,
    )
  }
  const unknown = appType === 'classic' && client.scope.find((scope) => scope !== 'read' && scope !== 'write')
  if (unknown) {
    throw new TypeError(
      `"clients": the Classic app ${clientID} has the scope "${unknown}"; Classic knows "read" and "write"`,
    )
  }
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
