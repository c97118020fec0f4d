import type { NextFunction, Request, Response } from 'express'
import { type OnError, sendError, isNavigation, redirect, wasPassedOn } from '../http/error-response'
import {
  InsufficientScopeError,
  LoginRequiredError,
  PagerDutyOAuthError,
  UnauthorizedError,
  reasonOf,
} from '../errors/errors'
import type { Denial } from '../observability/event-types'
import type { Events } from '../observability/events'
import { ownURL, parseURL, sameOriginPath } from '../http/request-url'
import { allowedStepUpScopes, wasDeclined, loginURL } from '../login/step-up'
import { grantOf } from '../sessions/request-grant'

/** How one instance responds to denials. */
export interface DenialOptions {
  name: string
  /** Where a browser is sent to log in, or to grant more scopes. */
  loginPath: string
  /** The start page: where a login returns to by itself, and where error pages link to. */
  home: string
  /** Whether a browser is sent to PagerDuty for scopes that are missing. */
  stepUp: boolean
  /** The scopes that may be requested so; undefined for all that guards name. */
  stepUpScope: readonly string[] | undefined
  onError: OnError | undefined
  /** Where an error is reported that no grant has events for: the guard runs before `pd.auth()`. */
  events: Events
}

/**
 * Responds to the error of a guard or a handler. A navigation is redirected to the login, or to the consent to the missing scopes;
 * any other request gets status, challenge and JSON, with the URL of the login or the consent.
 */
export function deny(
  error: unknown,
  req: Request,
  res: Response,
  next: NextFunction,
  options: DenialOptions,
): void {
  const { loginPath, name, home, events } = options
  const onError = wasPassedOn(req, error) ? undefined : options.onError
  const isLoggedOut = error instanceof UnauthorizedError || error instanceof LoginRequiredError
  const more = error instanceof InsufficientScopeError ? askable(error, req, options) : []
  const back = returnURL(req, home, grantOf(req, name)?.grants.client.origins ?? [])
  if (onError === undefined && !res.headersSent && isNavigation(req) && back !== undefined) {
    if (isLoggedOut && req.method === 'GET') {
      report(error, req, name, 'login')
      return redirect(res, loginURL(loginPath, { returnTo: back === home ? undefined : back }))
    }
    if (more.length > 0 && !wasDeclined(req, name, more)) {
      report(error, req, name, 'stepUp')
      return redirect(
        res,
        loginURL(loginPath, { scope: more, returnTo: back }),
        req.method === 'GET' ? 302 : 303,
      )
    }
  }
  report(error, req, name, 'error')
  const returnTo = isNavigation(req) ? back : undefined
  sendError(error, req, res, next, {
    login: isLoggedOut
      ? loginURL(loginPath, { returnTo: returnTo === home ? undefined : returnTo })
      : undefined,
    stepUp: more.length > 0 ? loginURL(loginPath, { scope: more, returnTo }) : undefined,
    home,
    onError,
    report: (failure) => (grantOf(req, name)?.grants.events ?? events).report(failure),
  })
}

/** Emits a denial. It names the route, not the URL, which may hold secrets of the visitor. */
function report(error: unknown, req: Request, name: string, action: Denial['action']): void {
  const grant = grantOf(req, name)
  if (grant === undefined || !(error instanceof PagerDutyOAuthError)) return
  const { path } = Object(req.route) as { path?: unknown }
  const { required = [], missing = [] } = error instanceof InsufficientScopeError ? error : {}
  grant.grants.events.emit('denied', {
    reason: reasonOf(error),
    status: error.status,
    action,
    method: req.method,
    route: typeof path === 'string' ? path : undefined,
    required,
    missing,
    user: grant.user,
    grantID: grant.grantID,
  })
}

/** The missing scopes that a step-up can get. */
function askable(error: InsufficientScopeError, req: Request, options: DenialOptions): readonly string[] {
  const grant = grantOf(req, options.name)
  if (!options.stepUp || grant?.user === undefined) return []
  const allowed = allowedStepUpScopes(grant.grants.client, options.stepUpScope)
  // A scope that is granted, and that PagerDuty's API denied all the same, would be denied again.
  const wanted = error.missing.filter((scope) => allowed.has(scope) && grant.missing(scope).length > 0)
  if (error.isAny) return wanted.slice(0, 1)
  return wanted.length === error.missing.length ? wanted : []
}

/** Where to return to: this page, or the page of a form; undefined where a browser cannot repeat the request. */
function returnURL(req: Request, home: string, origins: readonly string[]): string | undefined {
  if (req.method === 'GET') return sameOriginPath(req.originalUrl) ?? home
  if (req.method !== 'POST') return undefined
  const { referer, host } = req.headers
  const from = parseURL(referer ?? '')
  if (from === undefined) return home
  // Browsers may send just the origin of a page elsewhere, which leads to the start page there.
  return (
    (from.host === host ? sameOriginPath(from.pathname + from.search) : ownURL(from.href, origins)) ?? home
  )
}
