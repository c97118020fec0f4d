import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { Passport } from 'passport'
import {
  type OnError,
  sendError,
  canRespond,
  isResponseSent,
  isNavigation,
  redirect,
} from '../http/error-response'
import { asError } from '../async/call-app'
import type { Client } from '../oauth/client'
import { ConfigurationError, RequestRefusedError } from '../errors'
import { AuthorizationResponseError } from '../pagerduty-errors'
import { requireKnown } from '../known-members'
import { requireOwnPage } from '../http/same-origin'
import { establishSession } from './login-placement'
import { parseURL, pathOf, sameOriginPath, targetOf } from '../http/request-url'
import { grantOf } from '../sessions/request-grant'
import type { LoginInfo } from './callback'
import type { PagerDutyStrategy } from './strategy'

/** Paths of the routes of `pd.auth()`, as the browser sees them. They and `callbackURL` must all differ. */
export interface Routes {
  /** `GET` begins a login. @default the path of `callbackURL` without its end `/callback`, else `/auth/pagerduty` */
  login?: string | undefined
  /** `POST` ends the login. @default the login path and `/logout` */
  logout?: string | undefined
  /**
   * Where to redirect after a login that was begun without `returnTo`, and after a logout; error pages link to it. After a logout
   * it has to be a page that needs no login: a guarded one sends the user to PagerDuty, which may log them in again at once.
   * @default '/'
   */
  home?: string | undefined
}

const insteadOfCallback = { callback: 'The path of the callback is that of callbackURL.' }
const table: Record<keyof Routes, true> = { login: true, logout: true, home: true }

/**
 * Where `pd.auth()` begins a login.
 *
 * @throws {ConfigurationError}
 */
export function loginPathOf(client: Client, routes: Routes = {}): string {
  requirePaths(routes)
  const { callbackPath } = client
  return (
    routes.login ??
    (/.\/callback$/.test(callbackPath) ? callbackPath.slice(0, -'/callback'.length) : `/auth/${client.name}`)
  )
}

/**
 * The routes of `pd.auth()`: login, callback and logout. They are matched against the original URL, wherever mounted.
 *
 * @throws {ConfigurationError} two of them are one, or the home page is one of them
 */
export function loginRoutes(
  strategy: PagerDutyStrategy,
  client: Client,
  routes: Routes,
  onError: OnError | undefined,
): RequestHandler {
  const { home = '/' } = routes
  const login = loginPathOf(client, routes)
  const logout = routes.logout ?? `${login}/logout`
  const { callbackPath: callback, origins } = client
  requireDistinct({ login, logout, callback, home })
  const { events } = strategy._login.grants
  const passport = new Passport().use(strategy as never)

  /** After a response was sent, passing the error on would make Express close the connection. */
  const fail = (error: unknown, req: Request, res: Response, next: NextFunction): void => {
    if (isResponseSent(res)) events.emit('warning', { error: asError(error) })
    else sendError(error, req, res, next, { login, callback, home, onError })
  }

  const authenticate: RequestHandler = (req, res, next) => {
    const options = { session: false, keepsUser: true, successRedirect: home }
    const finished = (error: unknown, user: unknown, info: LoginInfo | undefined): void => {
      if (error) return fail(error, req, res, next)
      if (!user) return fail(asRefusal(info), req, res, next)
      establishSession(req, res)
        .then(
          () => redirect(res, info?.returnTo ?? home),
          (failure: unknown) => {
            // express-session would save it again at the end of the response, and a second failure closes the connection.
            delete (req as { session?: unknown }).session
            fail(failure, req, res, next)
          },
        )
        .catch(next)
    }
    const handler = passport.authenticate(client.name, options, finished) as RequestHandler
    void handler(req, res, next)
  }

  return function pagerdutyLoginRoutes(req: Request, res: Response, next: NextFunction): void {
    const path = pathOf(targetOf(req))
    if (![login, callback, logout].includes(path) || !canRespond(req, res)) return next()
    if (path === callback) return void authenticate(req, res, next)
    const method = path === login ? 'GET' : 'POST'
    if (req.method !== method) return fail(wrongMethod(method), req, res, next)
    if (path === login) return void authenticate(req, res, next)
    try {
      requireOwnPage(req, origins)
    } catch (error) {
      return fail(error, req, res, next)
    }
    const loggedOut = () => {
      if (isNavigation(req)) redirect(res, home, 303)
      else if (!isResponseSent(res)) res.status(204).end()
    }
    Promise.resolve(grantOf(req, client.name)?.logout())
      .then(loggedOut, (error: unknown) => fail(error, req, res, next))
      .catch(next)
  }
}

/** `info` may come from the app's `verify`, and need not be an error. */
function asRefusal(info: unknown): Error {
  if (info instanceof Error) return info
  return new AuthorizationResponseError('This app does not let you in', {
    code: 'ERR_PAGERDUTY_LOGIN_REFUSED',
    status: 403,
  })
}

function wrongMethod(method: string): RequestRefusedError {
  return new RequestRefusedError(`Only ${method} is possible here`, {
    code: 'ERR_PAGERDUTY_METHOD',
    status: 405,
    headers: { Allow: method },
  })
}

/** @throws {ConfigurationError} a path that no request can have, or that browsers normalize to another one */
function requirePaths(routes: unknown): void {
  if (typeof routes !== 'object' || routes === null) {
    throw new ConfigurationError('routes', 'must be an object with the paths "login", "logout" and "home"')
  }
  requireKnown('routes', routes, Object.keys(table), insteadOfCallback, 'routes.')
  for (const route of ['login', 'logout'] as const) {
    const path = (routes as Routes)[route] as unknown
    if (
      path === undefined ||
      (typeof path === 'string' && sameOriginPath(path) === path && !/[?#]/.test(path))
    )
      continue
    throw new ConfigurationError(
      `routes.${route}`,
      'must be a path as browsers send it, such as "/login", without a query or a fragment',
    )
  }
  if (!isPathOrURL((routes as Routes).home ?? '/')) {
    throw new ConfigurationError('routes.home', 'must be a path of the app, such as "/", or a whole URL')
  }
}

function isPathOrURL(home: unknown): boolean {
  const isURL = typeof home === 'string' && /^https?:\/\/\S+$/.test(home) && parseURL(home) !== undefined
  return isURL || sameOriginPath(home) !== undefined
}

/** @throws {ConfigurationError} a path has two meanings, which could also cause a redirect loop */
function requireDistinct({
  login,
  logout,
  callback,
  home,
}: Required<Record<keyof Routes | 'callback', string>>): void {
  if (callback === '/') {
    throw new ConfigurationError(
      'callbackURL',
      'has no path: each visit of the home page would be taken for the end of a login',
      'Register a URL such as https://app.example.com/auth/pagerduty/callback at PagerDuty, and use the same here.',
    )
  }
  const taken = [callback]
  for (const [route, path] of Object.entries({ login, logout, home: pathOf(home) })) {
    if (taken.includes(path))
      throw new ConfigurationError(
        `routes.${route}`,
        `is "${path}", which is the path of callbackURL or of another route already`,
      )
    taken.push(path)
  }
}
