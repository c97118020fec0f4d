import type { Request } from 'express'
import { sessionOf } from './grant-session'
import { missingScopes } from './scope'
import type { UserGrant } from './user-grant'

const rememberedFor = 10 * 60_000

/** What the session remembers of a consent that was not given. */
interface Refusal {
  readonly scope: readonly string[]
  /** Milliseconds since the epoch. */
  readonly until: number
}

/**
 * Where a browser goes to ask for more: the login path, with the scopes to add to those that are granted. Also what an API
 * client is told, for its user interface to go to.
 */
export function stepUpURL(loginPath: string, scope: readonly string[], returnTo: string | undefined): string {
  const query = new URLSearchParams({ scope: scope.join(' '), ...(returnTo !== undefined && { returnTo }) })
  return `${loginPath}${loginPath.includes('?') ? '&' : '?'}${query.toString()}`
}

/** Remembers for ten minutes that these scopes were asked for in vain, so that nobody is sent round and round. */
export function rememberRefusal(req: Request, name: string, scope: readonly string[]): void {
  Object.assign(sessionOf(req) ?? {}, refusalOf(name, scope))
}

/** The same as session data. */
export function refusalOf(name: string, scope: readonly string[]): Record<string, unknown> {
  if (scope.length === 0) return {}
  return { [memberOf(name)]: { scope, until: Date.now() + rememberedFor } satisfies Refusal }
}

/** Whether one of these scopes was asked for in vain in the last ten minutes. */
export function isRefused(req: Request, name: string, scope: readonly string[]): boolean {
  const refusal = sessionOf(req)?.[memberOf(name)] as Refusal | undefined
  return (
    refusal !== undefined && Date.now() < refusal.until && scope.some((one) => refusal.scope.includes(one))
  )
}

/** What is carried over into the new session of the same person: all but what the login itself writes. */
export function keptData(req: Request, name: string): Record<string, unknown> {
  const ofLogin = new Set(['cookie', 'passport', name, memberOf(name)])
  return Object.fromEntries(Object.entries(sessionOf(req) ?? {}).filter(([member]) => !ofLogin.has(member)))
}

/** Whether a wider grant of the same person came back: all that was held, and perhaps more. */
export function isWider(held: UserGrant, granted: readonly string[], appType: 'scoped' | 'classic'): boolean {
  return missingScopes(granted, held.grantedScopes, appType).length === 0
}

function memberOf(name: string): string {
  return `${name}Refused`
}
