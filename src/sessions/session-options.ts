import type { IncomingMessage } from 'node:http'
import { ConfigurationError } from '../errors/errors'
import { type OptionType, requireKnown, requireTypes } from '../errors/known-members'
import { type GrantOptions, type SessionLifetimes, longestLife } from '../grants/grant-options'
import type { Logins } from './session'
import type { Client } from '../oauth/client'

const insteadOfRolling = {
  maxAge: '"idle" is how long a login lasts from its last use, "absolute" how long at most.',
  rolling: 'Sessions are always extended by use: "idle" is how long they last from the last one.',
  secret: 'The secret is an option of its own beside "session".',
  store: 'Sessions are stored where grants are: the options "redis" and "tokenStore".',
}
const insteadOfHttpOnly = { httpOnly: 'It always is: no script of a page can read the session cookie.' }

/** The session of `pd.auth()`. */
export interface SessionOptions extends SessionLifetimes {
  /** Name of the session cookie. @default the instance's name, with `__Host-` before it where the app is https */
  name?: string | undefined
  /** Overrides attributes of the session cookie. */
  cookie?: SessionCookie | undefined
  /**
   * Whether a request extends the login. Return false for polling, which would keep an unused login alive; only a new login
   * is extended all the same, by its first request. It is called with each request, before `req.pagerduty` is there;
   * its path is in `url`, below the path that the middleware is mounted at. If it throws, or returns neither true nor false, the request fails.
   *
   * A session middleware of your own extends its session and sends its rolling cookie all the same: the login ends with its grant.
   *
   * @default each request does
   */
  shouldTouch?: ((req: IncomingMessage) => boolean) | undefined
}

/** Options of {@link sessionTokens}: the client's, with the `tokenStore` and `secret` that the strategy has too. */
export interface SessionTokensOptions extends GrantOptions {
  /** How long logins last, and which requests extend them. */
  session?: Pick<SessionOptions, 'idle' | 'absolute' | 'shouldTouch'> | undefined
  /** The strategy that `req.pagerduty.login()` begins a login with. */
  strategy?: Logins | undefined
}

/** Attributes of the session cookie (RFC 6265); what is left out follows from `callbackURL`. */
export interface SessionCookie {
  /** Gives it to subdomains too (RFC 6265 section 4.1.2.3). The name has no `__Host-` then. @default none */
  domain?: string | undefined
  /** Must include `callbackURL`; elsewhere no user is logged in. `__Host-` needs `/`. @default '/' */
  path?: string | undefined
  /** Whether it travels by https only. @default whether `callbackURL` is https */
  secure?: boolean | undefined
  /** `strict` is left out on the way back from PagerDuty; with `none` any site can send it. @default 'lax' */
  sameSite?: 'lax' | 'strict' | 'none' | undefined
  /** Milliseconds. @default the session's absolute lifetime */
  maxAge?: number | undefined
}

/** @internal */
export interface CookieSettings {
  readonly name: string
  readonly path: string
  readonly domain?: string
  readonly secure: boolean
  readonly sameSite: 'lax' | 'strict' | 'none'
  /** Milliseconds. */
  readonly maxAge: number
}

const table: Record<keyof SessionOptions, OptionType> = {
  idle: true,
  absolute: true,
  name: 'string',
  cookie: 'object',
  shouldTouch: true,
}
const cookieTable: Record<keyof SessionCookie, true> = {
  domain: true,
  path: true,
  secure: true,
  sameSite: true,
  maxAge: true,
}

/**
 * The session cookie of `pd.auth()`.
 *
 * @param absolute milliseconds that a login lasts at most
 * @throws {ConfigurationError} browsers would not store it, or not send it to the app
 * @internal
 */
export function cookieSettings(
  options: SessionOptions,
  { name: ofInstance, isSecure, callbackURLs }: Pick<Client, 'name' | 'isSecure' | 'callbackURLs'>,
  absolute: number,
): CookieSettings {
  for (const url of callbackURLs) requireSessionOptions(options, url)
  const { path = '/', domain, secure = isSecure, sameSite = 'lax', maxAge = absolute } = options.cookie ?? {}
  // `__Host-` binds a cookie to this very host; browsers demand https, the path `/` and no domain for it.
  const isForHost = secure && path === '/' && domain === undefined
  const { name = `${isForHost ? '__Host-' : ''}${ofInstance}` } = options
  requireHonoured(name, { secure, sameSite }, isForHost)
  return { name, path, secure, sameSite, maxAge, ...(domain !== undefined && { domain }) }
}

/**
 * Rejects what browsers would ignore (RFC 6265bis sections 4.1.2.7 and 4.1.3).
 *
 * @throws {ConfigurationError}
 */
function requireHonoured(
  name: string,
  { secure, sameSite }: Pick<CookieSettings, 'secure' | 'sameSite'>,
  isForHost: boolean,
): void {
  if (/^__host-/i.test(name) && !isForHost)
    throw new ConfigurationError(
      'session.name',
      'begins with __Host-, which needs https, the path "/" and no domain',
    )
  if (/^__secure-/i.test(name) && !secure)
    throw new ConfigurationError('session.name', 'begins with __Secure-, which needs https')
  if (sameSite === 'none' && !secure) refuse('sameSite', 'is "none", which needs https')
}

/**
 * Rejects a cookie that browsers would not store, or not send to the app: no user could stay logged in.
 *
 * @throws {ConfigurationError}
 */
export function requireSessionOptions(options: SessionOptions, callbackURL: string): void {
  const { name, cookie = {} } = options
  requireKnown('session', options, Object.keys(table), insteadOfRolling, 'session.')
  requireTypes(options, table, 'session.')
  requireKnown('session.cookie', cookie, Object.keys(cookieTable), insteadOfHttpOnly, 'session.cookie.')
  const { hostname, protocol, pathname } = new URL(callbackURL)
  const { domain, path, secure, sameSite, maxAge } = cookie
  // RFC 6265 section 4.1.1.
  if (name !== undefined && !/^[!#$%&'*+.^_`|~\w-]+$/.test(name)) {
    throw new ConfigurationError('session.name', 'must be a cookie name: letters, digits, "-" and "_"')
  }
  const isNumber = typeof maxAge === 'number' && maxAge >= 1000 && maxAge <= longestLife
  if (maxAge !== undefined && !isNumber) refuse('maxAge', 'must be a number of milliseconds, at least 1000')
  if (sameSite !== undefined && !['lax', 'strict', 'none'].includes(sameSite)) {
    refuse('sameSite', 'must be "lax", "strict" or "none"')
  }
  if (secure !== undefined && typeof secure !== 'boolean') refuse('secure', 'must be true or false')
  if (secure && protocol !== 'https:') {
    refuse('secure', 'is true, but callbackURL is http: browsers would not send the cookie there')
  }
  if (path !== undefined && !(typeof path === 'string' && isPathWithin(pathname, path))) {
    refuse('path', `must be a path that "${pathname}" of callbackURL is below`)
  }
  if (domain === undefined) return
  const bare = String(domain).replace(/^\./, '').toLowerCase()
  if (bare === '' || !`.${hostname}`.endsWith(`.${bare}`)) {
    refuse('domain', `must be "${hostname}" of callbackURL, or a domain above it`)
  }
}

/** As browsers match a cookie's path (RFC 6265 section 5.1.4). */
function isPathWithin(pathname: string, path: string): boolean {
  return (
    path.startsWith('/') && (pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`))
  )
}

function refuse(attribute: keyof SessionCookie, why: string): never {
  throw new ConfigurationError(`session.cookie.${attribute}`, why)
}
