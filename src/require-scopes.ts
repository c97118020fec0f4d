import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { type OnError, answer, isNavigation, redirect } from './answers'
import { ConfigurationError, InsufficientScopeError, LoginRequiredError, UnauthorizedError } from './errors'
import { sameOriginPath } from './same-origin-path'
import { isScopeToken } from './scope'
import { UserGrant } from './user-grant'

/** Options of a guard; they may stand as its last argument. */
export interface GuardOptions {
  /** Name of the instance whose login is asked for. @default 'pagerduty' */
  name?: string | undefined
  /** Where a browser is sent to log in. @default `/auth/` and the name */
  loginPath?: string | undefined
  /** Takes over the answers. */
  onError?: OnError | undefined
}

type Arguments = readonly (string | GuardOptions)[]

/** Lets a request pass if somebody is logged in and PagerDuty still stands behind the login. */
export function requireLogin(options: GuardOptions = {}): RequestHandler {
  return guard(options, () => {})
}

/**
 * Lets a request pass if all of the scopes are granted, by the grant as it is now.
 *
 * @throws {ConfigurationError} at start-up, for an empty list or something that is no scope
 */
export function requireScopes(...scopes: Arguments): RequestHandler {
  const { required, options } = split(scopes)
  return guard(options, (grant) => {
    const missing = grant.missing(...required)
    if (missing.length > 0) throw new InsufficientScopeError(required, missing)
  })
}

/**
 * Lets a request pass if at least one of the scopes is granted, by the grant as it is now.
 *
 * @throws {ConfigurationError} at start-up, for an empty list or something that is no scope
 */
export function requireAnyScope(...scopes: Arguments): RequestHandler {
  const { required, options } = split(scopes)
  return guard(options, (grant) => {
    const missing = grant.missing(...required)
    if (missing.length === required.length) throw new InsufficientScopeError(required, missing)
  })
}

function guard(options: GuardOptions, check: (grant: UserGrant) => void): RequestHandler {
  const name = options.name ?? 'pagerduty'
  const loginPath = options.loginPath ?? `/auth/${name}`

  return function pagerdutyGuard(req: Request, res: Response, next: NextFunction): void {
    const deny = (error: unknown) => {
      const isLoggedOut = error instanceof UnauthorizedError || error instanceof LoginRequiredError
      if (isLoggedOut && options.onError === undefined && req.method === 'GET' && isNavigation(req)) {
        return redirect(res, withReturnTo(loginPath, req.originalUrl))
      }
      answer(error, req, res, next, { login: isLoggedOut ? loginPath : undefined, onError: options.onError })
    }
    const decide = (grant: UserGrant) => {
      try {
        check(grant)
      } catch (error) {
        return deny(error)
      }
      next()
    }
    try {
      const grant = grantOf(req, name)
      const confirmed = grant.confirm()
      if (confirmed === undefined) return decide(grant)
      confirmed.then(() => decide(grant), deny)
    } catch (error) {
      deny(error)
    }
  }
}

/** Only what sessionTokens made counts; an object that merely looks like it does not. */
function grantOf(req: Request, name: string): UserGrant {
  const grant = (req as unknown as Record<string, unknown>)[name]
  if (UserGrant.is(grant)) return grant
  throw new ConfigurationError('sessionTokens', `has not run before a guard: there is no req.${name}`)
}

function split(args: Arguments): { required: readonly string[]; options: GuardOptions } {
  const last = args.at(-1)
  const options = typeof last === 'object' && !Array.isArray(last) ? last : {}
  const required = args.filter((argument) => argument !== options)
  if (required.length === 0 || !required.every(isScopeToken)) {
    throw new ConfigurationError('scopes', 'of a guard must be one or more scopes, such as "incidents.read"')
  }
  return { required, options }
}

function withReturnTo(loginPath: string, url: string): string {
  const returnTo = sameOriginPath(url)
  if (returnTo === undefined || returnTo === '/') return loginPath
  return `${loginPath}${loginPath.includes('?') ? '&' : '?'}returnTo=${encodeURIComponent(returnTo)}`
}
