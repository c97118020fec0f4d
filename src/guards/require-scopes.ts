import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { asError } from '../async/call-app'
import { ConfigurationError } from '../errors/errors'
import type { UserGrant } from '../grants/user-grant'
import { isResponseSent, keepPrivate } from '../http/error-response'
import { registerGuardScopes } from '../login/guarded-scopes'
import { type Client } from '../oauth/client'
import { Events } from '../observability/events'
import type { Operation } from '../scopes/catalogue'
import { grantOf } from '../sessions/request-grant'
import { type DenialOptions, deny } from './denial'
import type { GuardOptions, OperationGuardOptions, ScopeName } from './guard-options'
import {
  requireGranted,
  requireOptions,
  requireScopeNames,
  scopesOfOperations,
  splitArguments,
} from './scope-requirement'

/**
 * Lets a request pass if a user is logged in and the grant is still valid.
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
  const { names, options } = splitArguments<GuardOptions>(scopes)
  return scopeGuard(names, options)
}

/**
 * Lets a request pass if at least one of the scopes is granted, by the grant as it is now.
 *
 * @throws {ConfigurationError} at start-up, for an empty list or something that is no scope
 */
export function requireAnyScope(...scopes: readonly (ScopeName | GuardOptions)[]): RequestHandler {
  const { names, options } = splitArguments<GuardOptions>(scopes)
  return scopeGuard(names, options, { isAny: true })
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
  const { names, options } = splitArguments<OperationGuardOptions>(operations, ['scope'])
  return operationGuard(names, options)
}

/**
 * @internal
 * @param instance whose guard it is, unless the options name another one
 */
export function scopeGuard(
  names: readonly string[],
  options: GuardOptions,
  mode?: { isAny: boolean },
  instance?: Client,
): RequestHandler {
  registerScopes(names, options, instance)
  return guard(options, (grant) => requireGranted(grant, names, mode))
}

/** @internal */
export function operationGuard(
  names: readonly string[],
  options: OperationGuardOptions,
  instance?: Client,
): RequestHandler {
  const needed = scopesOfOperations(names, options.scopes)
  registerScopes([...needed.scoped, ...needed.classic], options, instance)
  return guard(options, (grant) => requireGranted(grant, needed[grant.appType]))
}

function guard(options: GuardOptions, check: (grant: UserGrant) => void): RequestHandler {
  const denial = denialOf(options)

  return function pagerdutyGuard(req: Request, res: Response, next: NextFunction): void {
    keepPrivate(req, res)
    const fail = (error: unknown) => {
      // A response that was sent stays: passing the error on would make Express close the connection.
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
      const wasAnswered = isResponseSent(res)
      /** If a response was sent while the guard waited, no handler runs and no denial is sent. */
      const unlessAnswered = (go: () => void) => {
        if (wasAnswered || !isResponseSent(res)) go()
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
  const { name = 'pagerduty', loginPath = `/auth/${name}`, home = '/' } = options
  const { stepUp = true, stepUpScope, onError, events = new Events(name) } = options
  return { name, loginPath, home, stepUp, stepUpScope, onError, events }
}

function requireGrant(req: Request, name: string): UserGrant {
  const grant = grantOf(req, name)
  if (grant !== undefined) return grant
  throw new ConfigurationError(
    'sessionTokens',
    `or "auth" has not run before this guard, so there is no req.${name}`,
    'Mount app.use(pd.auth()), or with sessions of your own app.use(pd.sessionTokens()), before the routes with guards.',
  )
}

/** Lets a step-up request these scopes. */
function registerScopes(
  scopes: readonly string[],
  { name = 'pagerduty', stepUpScope = [] }: GuardOptions,
  instance: Client | undefined,
): void {
  requireScopeNames(scopes)
  registerGuardScopes(name === instance?.name ? instance : name, [...scopes, ...stepUpScope])
}
