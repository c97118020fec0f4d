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
import { type PagerDutyOAuthError, RequestRefusedError } from '../errors/errors'
import { AuthorizationResponseError } from '../errors/pagerduty-errors'
import { requireOwnPage } from '../http/same-origin'
import { establishSession } from './login-placement'
import { pathOf, targetOf } from '../http/request-url'
import { grantOf } from '../sessions/request-grant'
import type { LoginInfo } from './verify'
import { type Routes, loginPathOf, requireDistinct } from './route-options'
import type { PagerDutyStrategy } from './strategy'

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
  const { callbackPath: callback } = client
  requireDistinct({ login, logout, callback, home })
  const { grants } = strategy._login
  const { events } = grants
  const passport = new Passport().use(strategy as never)

  const report = (error: PagerDutyOAuthError) => events.report(error)

  /** After a response was sent, passing the error on would make Express close the connection. */
  const fail = (error: unknown, req: Request, res: Response, next: NextFunction): void => {
    if (isResponseSent(res)) events.emit('warning', { error: asError(error) })
    else sendError(error, req, res, next, { login, callback, home, onError, report })
  }

  const authenticate: RequestHandler = (req, res, next) => {
    const options = { session: false, keepsUser: true, successRedirect: home }
    const finished = (error: unknown, user: unknown, info: LoginInfo | undefined): void => {
      if (error) return fail(error, req, res, next)
      if (!user) return fail(asRefusal(info), req, res, next)
      establishSession(req, res, grants)
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
    logOut(req, client)
      .then(
        () => sendLoggedOut(req, res, home),
        (error: unknown) => fail(error, req, res, next),
      )
      .catch(next)
  }
}

/** @throws {RequestRefusedError} a page of another origin sent the request */
async function logOut(req: Request, { name, origins }: Client): Promise<void> {
  requireOwnPage(req, origins)
  await grantOf(req, name)?.logout()
}

function sendLoggedOut(req: Request, res: Response, home: string): void {
  if (isNavigation(req)) redirect(res, home, 303)
  else if (!isResponseSent(res)) res.status(204).end()
}

/** `info` may come from the app's `verify`, and need not be an error. */
function asRefusal(info: unknown): Error {
  if (info instanceof Error) return info
  return new AuthorizationResponseError('This app does not let you in', {
    code: 'ERR_PAGERDUTY_LOGIN_REFUSED',
    status: 403,
    hint: 'The option "verify" denied the login.',
  })
}

function wrongMethod(method: string): RequestRefusedError {
  return new RequestRefusedError(`Only ${method} is possible here`, {
    code: 'ERR_PAGERDUTY_METHOD',
    status: 405,
    headers: { Allow: method },
  })
}
