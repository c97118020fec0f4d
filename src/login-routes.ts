import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { Passport } from 'passport'
import { type OnError, answer, isNavigation, redirect } from './answers'
import type { Client } from './client'
import { AuthorizationResponseError, ConfigurationError, RequestRefusedError } from './errors'
import { sessionOf } from './grant-session'
import { pathOf } from './request-target'
import type { RequestGrant } from './session-tokens'
import type { LoginInfo } from './login-callback'
import type { PagerDutyStrategy } from './strategy'

/** Paths of the drop-in's routes, as the browser sees them. */
export interface Routes {
  /** `GET` begins a login. @default the path of `callbackURL` without its end `/callback`, else `/auth/pagerduty` */
  login?: string | undefined
  /** `POST` ends the login. @default the login path and `/logout` */
  logout?: string | undefined
  /** Where to go on when a login was begun without `returnTo`, and after a logout. @default '/' */
  home?: string | undefined
}

/**
 * Where the drop-in begins a login.
 *
 * @throws {ConfigurationError}
 */
export function loginPathOf(client: Client, routes: Routes = {}): string {
  requireRoutes(routes)
  const { pathname } = new URL(client.callbackURL)
  return (
    routes.login ??
    (/.\/callback$/.test(pathname) ? pathname.slice(0, -'/callback'.length) : `/auth/${client.name}`)
  )
}

/** The drop-in's routes: login, callback and logout. They are matched against the original URL, wherever mounted. */
export function loginRoutes(
  strategy: PagerDutyStrategy,
  client: Client,
  routes: Routes,
  onError: OnError | undefined,
): RequestHandler {
  const home = routes.home ?? '/'
  const login = loginPathOf(client, routes)
  const logout = routes.logout ?? `${login}/logout`
  const { pathname: callback, origin } = new URL(client.callbackURL)
  const passport = new Passport().use(strategy as never)
  const links = { login, onError }

  const authenticate: RequestHandler = (req, res, next) => {
    const options = { session: false, keepsUser: true, successRedirect: home }
    const finished = (error: unknown, user: unknown, info: LoginInfo | undefined): void => {
      if (error) return answer(error, req, res, next, links)
      if (!user) return answer(asRefusal(info), req, res, next, links)
      establish(req).then(
        () => redirect(res, info?.returnTo ?? home),
        (failure: unknown) => {
          // express-session would try again at the end of the answer, and have the connection cut when that fails too.
          delete (req as { session?: unknown }).session
          answer(failure, req, res, next, links)
        },
      )
    }
    const handler = passport.authenticate(client.name, options, finished) as RequestHandler
    void handler(req, res, next)
  }

  return function pagerdutyLoginRoutes(req: Request, res: Response, next: NextFunction): void {
    const path = pathOf(req.originalUrl)
    if (path === callback) return void authenticate(req, res, next)
    if (path !== login && path !== logout) return next()
    const method = path === login ? 'GET' : 'POST'
    if (req.method !== method) return answer(wrongMethod(method), req, res, next, links)
    if (path === login) return void authenticate(req, res, next)
    if (!isOwnPage(req, origin)) return answer(foreignPage(), req, res, next, links)
    const grant = (req as unknown as Record<string, RequestGrant>)[client.name]
    Promise.resolve(grant?.logout()).then(
      () => (isNavigation(req) ? redirect(res, home, 303) : res.status(204).end()),
      (error: unknown) => answer(error, req, res, next, links),
    )
  }
}

/** Gives the login a session of its own id; the strategy has arranged for the grant's id to be in it. */
async function establish(req: Request): Promise<void> {
  const session = sessionOf(req)
  if (session === undefined)
    throw new ConfigurationError('session', 'is missing: no session middleware ran before')
  await promised((callback) => session.regenerate(callback))
  await promised((callback) => sessionOf(req)?.save(callback))
}

function promised(call: (callback: (error?: unknown) => void) => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => (error ? reject(error as Error) : resolve()))
  })
}

/** What a strategy fails with may come from the app's verify: then it is the app's word for "no". */
function asRefusal(info: unknown): Error {
  if (info instanceof Error) return info
  return new AuthorizationResponseError('This app does not let you in', {
    code: 'ERR_PAGERDUTY_LOGIN_REFUSED',
    status: 403,
  })
}

/** Only a page of this app may log its user out. */
function isOwnPage(req: Request, ownOrigin: string): boolean {
  const { origin, 'sec-fetch-site': site } = req.headers
  return site === 'same-origin' || origin === ownOrigin || (site === undefined && origin === undefined)
}

function foreignPage(): RequestRefusedError {
  return new RequestRefusedError('Another site asked to log you out; this was not done', {
    code: 'ERR_PAGERDUTY_FOREIGN_ORIGIN',
    status: 403,
    hint: 'Send the logout form from a page of the origin of callbackURL.',
  })
}

function wrongMethod(method: string): RequestRefusedError {
  return new RequestRefusedError(`Only ${method} is possible here`, {
    code: 'ERR_PAGERDUTY_METHOD',
    status: 405,
    headers: { Allow: method },
  })
}

/** A path that is none would never be matched, or be sent to browsers as something else. */
function requireRoutes(routes: unknown): void {
  if (typeof routes !== 'object' || routes === null) {
    throw new ConfigurationError('routes', 'must be an object with the paths "login", "logout" and "home"')
  }
  for (const route of ['login', 'logout'] as const) {
    const path = (routes as Routes)[route] as unknown
    if (path === undefined || (typeof path === 'string' && path.startsWith('/'))) continue
    throw new ConfigurationError(`routes.${route}`, 'must be a path, such as "/login"')
  }
}
