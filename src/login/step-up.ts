import type { Request } from 'express'
import type { Client } from '../oauth/client'
import { sessionOf } from '../sessions/session'
import { guardScopes } from './guarded-scopes'
import { belongsTo, missingScopes } from '../scopes/scope'
import type { UserGrant } from '../grants/user-grant'
import { grantOf } from '../sessions/request-grant'

const rememberedFor = 10 * 60_000

/** Scopes that were asked for in vain, each until when that is remembered, in milliseconds since the epoch. */
type Declined = Readonly<Record<string, number>>

/**
 * The scopes that people may be asked for besides those they granted. Guards and the login path go by the same ones: a
 * browser that was sent for a scope which is not asked for there would come back without it, and be sent again.
 *
 * @param stepUpScope undefined for all that guards of the instance name, and that each login asks for
 */
export function allowedStepUpScopes(
  client: Client,
  stepUpScope: readonly string[] | undefined,
): ReadonlySet<string> {
  const named = stepUpScope ?? [...client.scope, ...guardScopes(client)]
  return new Set(named.filter((scope) => belongsTo(client.appType, scope)))
}

/**
 * Where a browser begins a login. A page or an API client that lacks scopes gets this URL as well, to show it to its user.
 *
 * @param scope scopes to request besides those that are granted
 */
export function loginURL(
  loginPath: string,
  { scope = [], returnTo }: { scope?: readonly string[]; returnTo?: string | undefined },
): string {
  const query = new URLSearchParams({
    ...(scope.length > 0 && { scope: scope.join(' ') }),
    ...(returnTo !== undefined && { returnTo }),
  })
  if (query.size === 0) return loginPath
  return `${loginPath}${loginPath.includes('?') ? '&' : '?'}${query.toString()}`
}

/** Remembers for ten minutes that these scopes were asked for in vain, so that nobody is sent round and round. */
export function rememberDeclined(req: Request, name: string, scope: readonly string[]): void {
  if (scope.length > 0) Object.assign(sessionOf(req) ?? {}, declinedData(req, name, scope))
}

/** Whether one of these scopes was asked for in vain in the last ten minutes. */
export function wasDeclined(req: Request, name: string, scope: readonly string[]): boolean {
  const declined = declinedOf(req, name)
  return scope.some((one) => Object.hasOwn(declined, one))
}

/**
 * What is carried over into the new session of the same person: all but what the login itself writes.
 *
 * @param refused scopes that this login asked for in vain
 */
export function sessionDataToKeep(
  req: Request,
  name: string,
  refused: readonly string[],
): Record<string, unknown> {
  const ofLogin = new Set(['cookie', 'passport', name])
  const kept = Object.entries(sessionOf(req) ?? {}).filter(([member]) => !ofLogin.has(member))
  return { ...Object.fromEntries(kept), ...declinedData(req, name, refused) }
}

/** The grant of the user who is logged in. */
export function heldGrant(req: Request, name: string): UserGrant | undefined {
  const held = grantOf(req, name)
  return held?.user === undefined ? undefined : held
}

/** Whether a wider grant of the same person came back: all that was held, and perhaps more. */
export function isWider(held: UserGrant, granted: readonly string[], appType: 'scoped' | 'classic'): boolean {
  return missingScopes(granted, held.grantedScopes, appType).length === 0
}

function declinedData(req: Request, name: string, scope: readonly string[]): Record<string, Declined> {
  const until = Date.now() + rememberedFor
  const declined = { ...declinedOf(req, name), ...Object.fromEntries(scope.map((one) => [one, until])) }
  return Object.keys(declined).length === 0 ? {} : { [memberOf(name)]: declined }
}

/** The declined that still count. */
function declinedOf(req: Request, name: string): Declined {
  const held = Object.entries(Object(sessionOf(req)?.[memberOf(name)]) as object)
  return Object.fromEntries(held.filter(([, until]) => Date.now() < Number(until)))
}

function memberOf(name: string): string {
  return `${name}Declined`
}
