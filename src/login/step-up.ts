import type { Request } from 'express'
import type { Client } from '../oauth/client'
import { type HeldLogins, heldIn, sessionMember, sessionOf } from '../sessions/session'
import { namedScopes } from './guarded-scopes'
import { belongsTo, missingScopes } from '../scopes/scope'
import type { UserGrant } from '../grants/user-grant'
import { grantOf } from '../sessions/request-grant'

const rememberedFor = 10 * 60_000

/**
 * The scopes that people may be asked for besides those they granted. Guards and the login path go by the same ones: a
 * browser that was sent for a scope which is not asked for there would come back without it, and be sent again.
 *
 * @param stepUpScope undefined for all that guards of the instance name, and that each login asks for
 */
export function askableScopes(
  client: Client,
  stepUpScope: readonly string[] | undefined,
): ReadonlySet<string> {
  const named = stepUpScope ?? [...client.scope, ...namedScopes(client)]
  return new Set(named.filter((scope) => belongsTo(client.appType, scope)))
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
  if (scope.length > 0) Object.assign(sessionOf(req) ?? {}, refusalData(req, name, scope))
}

/** Whether one of these scopes was asked for in vain in the last ten minutes. */
export function isRefused(req: Request, name: string, scope: readonly string[]): boolean {
  const refusals = refusalsOf(req, name)
  return scope.some((one) => Object.hasOwn(refusals, one))
}

/**
 * What is carried over into the new session of the same person: all but what the login itself writes.
 *
 * @param refused scopes that this login asked for in vain
 */
export function keptData(req: Request, name: string, refused: readonly string[]): Record<string, unknown> {
  const ofLogin = new Set(['cookie', 'passport', sessionMember])
  const kept = Object.entries(sessionOf(req) ?? {}).filter(([member]) => !ofLogin.has(member))
  return { ...Object.fromEntries(kept), ...refusalData(req, name, refused) }
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

function refusalData(req: Request, name: string, scope: readonly string[]): Record<string, HeldLogins> {
  const until = Date.now() + rememberedFor
  const own = { ...refusalsOf(req, name), ...Object.fromEntries(scope.map((one) => [one, until])) }
  if (Object.keys(own).length === 0) return {}
  const held = heldIn(sessionOf(req))
  return { [sessionMember]: { ...held, declined: { ...held.declined, [name]: own } } }
}

/** The refusals that still count. */
function refusalsOf(req: Request, name: string): Readonly<Record<string, number>> {
  const own = Object.entries(heldIn(sessionOf(req)).declined?.[name] ?? {})
  return Object.fromEntries(own.filter(([, until]) => Date.now() < until))
}
