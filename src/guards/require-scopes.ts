import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { type OnError, isAnswered, keepPrivate } from '../http/error-response'
import { asError } from '../async/call-app'
import { type Client } from '../oauth/client'
import { type DenialOptions, deny } from './denial'
import { ConfigurationError, InsufficientScopeError } from '../errors'
import { nameScopes } from '../login/guarded-scopes'
import { type AppType, belongsTo, isScopeToken, requireScope } from '../scopes/scope'
import { type Operation, type Scope, operationScopes } from '../scopes/catalogue'
import { operationOf } from '../scopes/operations'
import type { UserGrant } from '../grants/user-grant'
import { grantOf } from '../sessions/request-grant'

/** What a guard can name: the scopes of Scoped OAuth, and the two of Classic User OAuth. */
export type ScopeName = Scope | 'read' | 'write' | 'openid'

/** Options of a guard; they may stand as its last argument. */
export interface GuardOptions {
  /** Name of the instance whose login is asked for. @default 'pagerduty' */
  name?: string | undefined
  /** Where a browser is sent to log in. @default `/auth/` and the name */
  loginPath?: string | undefined
  /** Send a browser to PagerDuty to ask for scopes that are missing. @default true */
  stepUp?: boolean | undefined
  /** Scopes that may be asked for so. @default all that guards name */
  stepUpScope?: readonly (Scope | (string & {}))[] | undefined
  /** Takes over the answers. */
  onError?: OnError | undefined
}

/** Options of {@link requireScopesFor}. */
export interface OperationGuardOptions extends GuardOptions {
  /** Scopes of operations that declare none, or instead of what they declare. In a Classic app `read` or `write`. */
  scopes?: { readonly [Name in Operation]?: ScopeName | undefined } | undefined
}

/**
 * Lets a request pass if somebody is logged in and PagerDuty still stands behind the login.
 *
 * @throws {ConfigurationError} at start-up, for scopes: they are for `requireScopes`
 */
export function requireLogin(options: GuardOptions = {}): RequestHandler {
  requireOptions(options)
  return guard(options, () => {})
}

/**
 * Lets a request pass if all of the scopes are granted, by the grant as it is now.
 *
 * @throws {ConfigurationError} at start-up, for an empty list or something that is no scope
 */
export function requireScopes(...scopes: readonly (ScopeName | GuardOptions)[]): RequestHandler {
  const { names, options } = splitGuard<GuardOptions>(scopes)
  return scopeGuard('all', names, options)
}

/**
 * Lets a request pass if at least one of the scopes is granted, by the grant as it is now.
 *
 * @throws {ConfigurationError} at start-up, for an empty list or something that is no scope
 */
export function requireAnyScope(...scopes: readonly (ScopeName | GuardOptions)[]): RequestHandler {
  const { names, options } = splitGuard<GuardOptions>(scopes)
  return scopeGuard('any', names, options)
}

/**
 * Lets a request pass if the scopes that operations of PagerDuty's REST API declare are granted. In a Classic app that is
 * `read` for a GET, else `write`.
 *
 * @param operations method and path, such as `GET /incidents/{id}`
 * @throws {ConfigurationError} at start-up, for an operation that is not known, or that declares no scope and is given none
 * by the option `scopes`
 */
export function requireScopesFor(
  ...operations: readonly (Operation | OperationGuardOptions)[]
): RequestHandler {
  const { names, options } = splitGuard<OperationGuardOptions>(operations, ['scope'])
  return operationGuard(names, options)
}

/**
 * @internal
 * @param instance whose guard it is, unless the options name another one
 */
export function scopeGuard(
  mode: 'all' | 'any',
  names: readonly string[],
  options: GuardOptions,
  instance?: Client,
): RequestHandler {
  nameRequired(names, options, instance)
  return guard(options, (grant) => checkScopes(mode, names, grant))
}

/** @internal */
export function operationGuard(
  names: readonly string[],
  options: OperationGuardOptions,
  instance?: Client,
): RequestHandler {
  const needed = scopesOfOperations(names, options)
  nameRequired([...needed.scoped, ...needed.classic], options, instance)
  return guard(options, (grant) => checkScopes('all', needed[grant.appType], grant))
}

/**
 * What operations need, in each kind of app.
 *
 * @internal
 * @throws {ConfigurationError} see {@link requireScopesFor}
 */
export function scopesOfOperations(
  names: readonly string[],
  { scopes }: OperationGuardOptions,
): Record<AppType, readonly string[]> {
  if (names.length === 0)
    throw new ConfigurationError('operations', 'of a guard must be one or more, such as "GET /incidents"')
  const needs = names.map((name) => {
    const operation = operationOf(name)
    const named = operation && scopes?.[operation]
    const scope = named ?? (operation && operationScopes[operation])
    if (scope !== undefined)
      return { scope, classic: named ?? (operation?.startsWith('GET ') ? 'read' : 'write') }
    throw new ConfigurationError(
      'operations',
      operation === undefined
        ? `of a guard: "${name}" is no operation of PagerDuty’s REST API that this package knows`
        : `of a guard: "${name}" declares no scope, which does not mean that it needs none`,
      `Name one: requireScopesFor('${name}', { scopes: { '${operation ?? name}': 'incidents.read' } }), or use requireScopes().`,
    )
  })
  return {
    scoped: [...new Set(needs.map(({ scope }) => scope))],
    classic: [...new Set(needs.map(({ classic }) => classic))],
  }
}

function guard(options: GuardOptions, check: (grant: UserGrant) => void): RequestHandler {
  const denial = denialOf(options)

  return function pagerdutyGuard(req: Request, res: Response, next: NextFunction): void {
    keepPrivate(req, res)
    const fail = (error: unknown) => {
      // Whatever was sent before is left as it is: Express would cut it off.
      if (!res.writableEnded) deny(error, req, res, next, denial)
    }
    const decide = (grant: UserGrant) => {
      try {
        check(grant)
      } catch (error) {
        return fail(error)
      }
      next()
    }
    try {
      const grant = requireGrant(req, denial.name)
      const confirmed = grant.confirm()
      if (confirmed === undefined) return decide(grant)
      const wasAnswered = isAnswered(res)
      /** What was sent while the guard waited is the response: no handler runs for it, and no denial follows. */
      const unlessAnswered = (go: () => void) => {
        if (wasAnswered || !isAnswered(res)) go()
      }
      confirmed
        .then(
          () => unlessAnswered(() => decide(grant)),
          (error: unknown) => unlessAnswered(() => fail(error)),
        )
        .catch((reason: unknown) => next(asError(reason)))
    } catch (error) {
      fail(error)
    }
  }
}

/** @internal */
export function denialOf(options: GuardOptions): DenialOptions {
  const { name = 'pagerduty', loginPath = `/auth/${name}`, stepUp = true, stepUpScope, onError } = options
  return { name, loginPath, stepUp, stepUpScope, onError }
}

function requireGrant(req: Request, name: string): UserGrant {
  const grant = grantOf(req, name)
  if (grant !== undefined) return grant
  throw new ConfigurationError('sessionTokens', `has not run before a guard: there is no req.${name}`)
}

/**
 * Tells the names from the options, which may stand last. Anything else is refused: left out, it would open a route.
 *
 * @internal
 * @throws {ConfigurationError}
 */
export function splitGuard<Options extends object>(
  args: readonly (string | Options)[],
  overlooked?: readonly string[],
): { names: readonly string[]; options: Partial<Options> } {
  const last = args.at(-1)
  const hasOptions = typeof last === 'object' && last !== null && !Array.isArray(last)
  const names = hasOptions ? args.slice(0, -1) : args
  if (!names.every((name) => typeof name === 'string' && name !== '')) throw notNames()
  if (hasOptions) requireOptions(last, overlooked)
  return { names: names as string[], options: hasOptions ? last : {} }
}

/**
 * Refuses scopes where they would be overlooked, and so open a route.
 *
 * @internal
 * @throws {ConfigurationError}
 */
export function requireOptions(options: unknown, overlooked: readonly string[] = ['scope', 'scopes']): void {
  const hint = "Name the scopes as arguments of another guard: requireScopes('incidents.read')."
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new ConfigurationError('options', 'of a guard must be an object', hint)
  for (const [member, value] of Object.entries(options)) {
    if (value !== undefined && overlooked.includes(member))
      throw new ConfigurationError(member, 'is no option of this guard', hint)
  }
}

function nameRequired(
  names: readonly string[],
  { name = 'pagerduty', stepUpScope = [] }: GuardOptions,
  instance: Client | undefined,
): void {
  if (names.length === 0 || !names.every(isScopeToken)) throw notNames()
  nameScopes(name === instance?.name ? instance : name, [...names, ...stepUpScope])
}

function notNames(): ConfigurationError {
  return new ConfigurationError('scopes', 'of a guard must be one or more scopes, such as "incidents.read"')
}

function checkScopes(mode: 'all' | 'any', required: readonly string[], grant: UserGrant): void {
  const { appType } = grant
  // No user can grant scopes of the other kind of app. A guard without an instance learns the kind with the first request.
  if (!required.every((scope) => belongsTo(appType, scope))) requireScope(required, appType, 'scopes')
  const missing = grant.missing(...required)
  const isAny = mode === 'any'
  if (missing.length > 0 && !(isAny && missing.length < required.length))
    throw new InsufficientScopeError(required, missing, { isAny })
}
