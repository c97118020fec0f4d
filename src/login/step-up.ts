import type { Request } from 'express'
import type { Client } from '../oauth/client'
import { type HeldLogins, heldIn, sessionMember, sessionOf } from '../sessions/session'
import { guardScopes } from './guarded-scopes'
import { belongsTo, missingScopes } from '../scopes/scope'
import type { UserGrant } from '../grants/user-grant'
import { grantOf } from '../sessions/request-grant'

const rememberedFor = 10 * 60_000

/**
 * The scopes that a step-up may request. Guards and the login path share this list: a browser that a guard sends for a scope
 * which the login path does not request would come back without it, and be sent again.
 *
 * @param stepUpScope undefined for all that guards of the instance name, and that each login requests
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

/** Remembers for ten minutes that these scopes were not granted, so that guards do not send the browser in a loop. */
export function rememberDeclined(req: Request, name: string, scope: readonly string[]): void {
  if (scope.length > 0) Object.assign(sessionOf(req) ?? {}, declinedData(req, name, scope))
}

/** Whether one of these scopes was requested and not granted in the last ten minutes. */
export function wasDeclined(req: Request, name: string, scope: readonly string[]): boolean {
  const declined = declinedOf(req, name)
  return scope.some((one) => Object.hasOwn(declined, one))
}

/**
 * Session data to keep when the same user logs in again: all but what the login itself writes.
 *
 * @param data of the session
 * @param declined scopes that this login requested and that were not granted
 */
export function sessionDataToKeep(
  req: Request,
  name: string,
  data: Readonly<Record<string, unknown>>,
  declined: readonly string[],
): Record<string, unknown> {
  const ofLogin = new Set(['cookie', 'passport', sessionMember])
  const kept = Object.entries(data).filter(([member]) => !ofLogin.has(member))
  return { ...Object.fromEntries(kept), ...declinedData(req, name, declined) }
}

/** The grant of the user who is logged in. */
export function heldGrant(req: Request, name: string): UserGrant | undefined {
  const held = grantOf(req, name)
  return held?.user === undefined ? undefined : held
}

/** Whether the granted scopes cover all that is held. */
export function isWider(held: UserGrant, granted: readonly string[], appType: 'scoped' | 'classic'): boolean {
  return missingScopes(granted, held.grantedScopes, appType).length === 0
}

function declinedData(req: Request, name: string, scope: readonly string[]): Record<string, HeldLogins> {
  const until = Date.now() + rememberedFor
  const own = { ...declinedOf(req, name), ...Object.fromEntries(scope.map((one) => [one, until])) }
  if (Object.keys(own).length === 0) return {}
  const held = heldIn(sessionOf(req))
  return { [sessionMember]: { ...held, declined: { ...held.declined, [name]: own } } }
}

/** Without those that are to be forgotten by now. */
function declinedOf(req: Request, name: string): Readonly<Record<string, number>> {
  const own = Object.entries(heldIn(sessionOf(req)).declined?.[name] ?? {})
  return Object.fromEntries(own.filter(([, until]) => Date.now() < until))
}
