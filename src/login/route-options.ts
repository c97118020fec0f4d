import { ConfigurationError } from '../errors/errors'
import { parseURL, pathOf, sameOriginPath } from '../http/request-url'
import { requireKnown, requireType } from '../errors/known-members'
import type { Client } from '../oauth/client'

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
 * @internal
 */
export function loginPathOf(client: Client, routes: Routes = {}): string {
  requirePaths(routes)
  const { callbackPath } = client
  return (
    routes.login ??
    (/.\/callback$/.test(callbackPath) ? callbackPath.slice(0, -'/callback'.length) : `/auth/${client.name}`)
  )
}

/** @throws {ConfigurationError} a path that no request can have, or that browsers normalize to another one */
function requirePaths(routes: Routes): void {
  requireType('routes', routes, 'object')
  requireKnown('routes', routes, Object.keys(table), insteadOfCallback, 'routes.')
  for (const route of ['login', 'logout'] as const) {
    const path = routes[route] as unknown
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
  const { home = '/' } = routes
  if (!isPathOrURL(home)) {
    throw new ConfigurationError(
      'routes.home',
      'must be a path of the app, such as "/", or a whole URL',
      'Write it as browsers send it: encodeURI() encodes other letters.',
    )
  }
}

function isPathOrURL(home: unknown): boolean {
  // Node puts no other letters into a header.
  if (typeof home !== 'string' || !/^[\x21-\x7e]+$/.test(home)) return false
  const isURL = /^https?:\/\//.test(home) && parseURL(home) !== undefined
  return isURL || sameOriginPath(home) !== undefined
}

/**
 * @throws {ConfigurationError} a path has two meanings, which could also cause a redirect loop
 * @internal
 */
export function requireDistinct({
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
