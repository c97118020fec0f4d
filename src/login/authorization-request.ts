import type { Request, Response } from 'express'
import type { Client } from '../oauth/client'
import { ConfigurationError, RequestRefusedError } from '../errors/errors'
import { type AuthenticateOptions, OAuth2Strategy } from './passport-oauth2'
import type { LoginStrategy, StrategyParts } from './login-attempt'
import { type PendingLogin, localUserIn, newPendingValues, nonceOf, stateOf } from './login-transaction'
import type { StateStore } from './state-store'
import { hostOf, ownURL, queryOf } from '../http/request-url'
import { parseScopeOption, requireScope } from '../scopes/scope'
import { sessionOf } from '../sessions/session'
import { allowedStepUpScopes, heldGrant } from './step-up'

/** Parameters of the protocol (RFC 6749, RFC 7636, RFC 9101, OpenID Connect Core), none of which an app may replace. */
const protocolParams = new Set([
  ...['client_id', 'client_secret', 'redirect_uri', 'response_type', 'response_mode', 'scope', 'state'],
  ...['nonce', 'code_challenge', 'code_challenge_method', 'code_verifier', 'request', 'request_uri'],
])

/**
 * First leg of the login: passport-oauth2 makes the redirect, with the state and the PKCE verifier that
 * {@link passportStateStore} saves.
 *
 * @param late the login that came back too late and is restarted
 */
export function beginLogin(
  strategy: LoginStrategy,
  req: Request,
  res: Response,
  options: AuthenticateOptions,
  late?: PendingLogin,
): void {
  const { client } = strategy._login.grants
  requireHTTPS(client, req)
  if (options.state !== undefined && typeof options.state !== 'object') {
    throw new ConfigurationError(
      'state',
      'must be an object: the state parameter itself is made here, for each login',
    )
  }
  const extra = extraParams(options.authorizationParams)
  const wanted = late ?? requestOf(strategy._login, req, options)
  const scope = wanted.scope ?? client.scope
  const login: PendingLogin = {
    ...wanted,
    ...newPendingValues(),
    codeVerifier: undefined,
    callbackURL: client.callbackURLFor(hostOf(req)),
    scope: scope.join(' ') === client.scope.join(' ') ? undefined : scope,
    isRestarted: late !== undefined,
  }
  // Not the request itself: passport-oauth2 would take a "code" or "error" in its query or body for a callback.
  OAuth2Strategy.prototype.authenticate.call(strategy, {} as Request, {
    ...options,
    authorizationParams: extra,
    callbackURL: login.callbackURL,
    scope,
    state: { login, req, res },
    nonce: nonceOf(login),
  })
}

/**
 * The extra parameters of an authorization request, without those that are undefined.
 *
 * @throws {ConfigurationError} a parameter is one that the login itself sends, has no name that one can have, or is no string
 */
function extraParams(params: unknown): Readonly<Record<string, string>> {
  if (typeof params !== 'object' || params === null || Array.isArray(params)) {
    if (params === undefined) return {}
    throw new ConfigurationError('authorizationParams', 'must be an object of parameters and their values')
  }
  const given = Object.entries(params).filter(([, value]) => value !== undefined)
  for (const [name, value] of given) {
    if (!/^[\w.-]+$/.test(name)) {
      throw new ConfigurationError(
        'authorizationParams',
        `has ${JSON.stringify(name)}, which is no name of a parameter`,
        'Names are letters, digits, "-", "." and "_" (RFC 6749, appendix A), without white space around them.',
      )
    }
    if (protocolParams.has(name.toLowerCase())) {
      throw new ConfigurationError(
        'authorizationParams',
        `has "${name}", which the login itself decides`,
        'Scopes are the option "scope", the page to return to is "returnTo", and data of the app is "state".',
      )
    }
    if (typeof value !== 'string') {
      throw new ConfigurationError('authorizationParams', `has a "${name}" that is not a string`)
    }
  }
  return Object.fromEntries(given) as Record<string, string>
}

/** @throws {ConfigurationError} it would be ignored */
function requireReturnTo(returnTo: unknown): string | undefined {
  if (returnTo === undefined || typeof returnTo === 'string') return returnTo
  throw new ConfigurationError(
    'returnTo',
    'must be a string: a path of the app, or a URL of one of its origins',
    'A query such as ?returnTo=/a&returnTo=/b gives Express a list.',
  )
}

/** What a request asks a login for. A step-up requests what is granted as well, or the new grant would lack it. */
function requestOf(
  { grants: { client }, stepUpScope }: StrategyParts,
  req: Request,
  options: AuthenticateOptions,
): Pick<PendingLogin, 'scope' | 'returnTo' | 'isStepUp' | 'appState' | 'localUser'> {
  const query = queryOf(req.originalUrl)
  const held = heldGrant(req, client.name)
  const usual = options.scope === undefined ? client.scope : requireScope(options.scope, client.appType)
  const more = options.stepUp
    ? usual
    : requestedExtraScopes(query.get('scope'), client, stepUpScope, held !== undefined)
  const isStepUp = held !== undefined && (options.stepUp === true || more.length > 0)
  return {
    scope: [...new Set([...(isStepUp ? held.grantedScopes : usual), ...more])],
    returnTo: ownURL(requireReturnTo(options.returnTo) ?? query.get('returnTo'), client.origins),
    isStepUp,
    appState: options.state,
    localUser: localUserIn(sessionOf(req) ?? {}, client.name),
  }
}

/**
 * Extra scopes that the query requests. Only scopes that this instance uses are allowed, since anyone can craft such a link.
 *
 * @throws {RequestRefusedError} none is allowed, and the user is logged in: the login would change nothing, and a guard would
 * send the user here again
 */
function requestedExtraScopes(
  text: string | null,
  client: Client,
  stepUpScope: readonly string[] | undefined,
  isLoggedIn: boolean,
): readonly string[] {
  const wanted = parseScopeOption(text ?? '')
  const allowed = allowedStepUpScopes(client, stepUpScope)
  const more = wanted.filter((scope) => allowed.has(scope))
  if (more.length > 0 || wanted.length === 0 || !isLoggedIn) return more
  throw new RequestRefusedError('This app does not request that permission from PagerDuty', {
    code: 'ERR_PAGERDUTY_SCOPE_NOT_ASKED_FOR',
    status: 403,
    hint: `A login may request what "scope" and the guards name, or what "stepUpScope" lists: ${[...allowed].join(' ')}`,
  })
}

/** The state store as passport-oauth2 calls it, by the number of parameters. Its `verify` is left out: it never finishes a login. */
export function passportStateStore(stateStore: StateStore) {
  return {
    store(
      _req: Request,
      codeVerifier: string | undefined,
      { login, req, res }: { login: PendingLogin; req: Request; res: Response },
      _meta: unknown,
      callback: (error: unknown, state?: string) => void,
    ): void {
      try {
        stateStore.save(req, res, { ...login, codeVerifier })
      } catch (error) {
        return callback(error)
      }
      callback(null, stateOf(login))
    },
  }
}

/** Browsers do not send a `Secure` cookie back that was set over plain http, and the callback would fail for no visible reason. */
function requireHTTPS(client: Client, req: Request): void {
  const forwarded = String(req.headers['x-forwarded-proto'] ?? '')
    .split(',')[0]
    ?.trim()
  if (!client.isSecure || req.secure || forwarded === 'https') return
  throw new ConfigurationError(
    'callbackURL',
    'is https, but this request arrived as plain http',
    'Let the proxy that terminates TLS send "X-Forwarded-Proto: https", or open the app by https.',
  )
}
