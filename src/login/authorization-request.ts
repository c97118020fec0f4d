import type { Request, Response } from 'express'
import type { Client } from '../oauth/client'
import { ConfigurationError, RequestRefusedError } from '../errors'
import {
  type AuthenticateOptions,
  OAuth2Strategy,
  type OAuth2StrategyInstance,
  type StateStore,
} from './passport-oauth2'
import { type PendingLogin, newPendingValues, nonceOf, stateOf } from './login-transaction'
import type { PendingLogins } from './state-store'
import { queryOf, sameOriginPath } from '../http/request-url'
import { parseScopeOption, requireScope } from '../scopes/scope'
import { askableScopes, heldGrant } from './step-up'

/**
 * First leg of the login: passport-oauth2 makes the redirect, with the state from {@link stateStore} and the verifier for
 * it.
 *
 * @param stepUpScope scopes that the query may add; undefined for all that guards name
 * @param late the login that came back too late and is begun anew
 */
export function beginLogin(
  strategy: OAuth2StrategyInstance,
  client: Client,
  req: Request,
  res: Response,
  options: AuthenticateOptions,
  stepUpScope: readonly string[] | undefined,
  late?: PendingLogin,
): void {
  requireHTTPS(client, req)
  if (options.state !== undefined && typeof options.state !== 'object') {
    throw new ConfigurationError(
      'state',
      'must be an object: the state parameter itself is made here, for each login',
    )
  }
  const query = queryOf(req.originalUrl)
  const held = heldGrant(req, client.name)
  const isAsked = late === undefined && options.stepUp !== true
  const more = isAsked ? askedFor(query.get('scope'), client, stepUpScope, held !== undefined) : []
  const usual = options.scope === undefined ? client.scope : requireScope(options.scope, client.appType)
  const isStepUp = held !== undefined && (options.stepUp === true || more.length > 0)
  const scope = late
    ? (late.scope ?? client.scope)
    : // Asking for less than is granted would take it away.
      [...new Set([...(isStepUp ? held.grantedScopes : usual), ...(options.stepUp ? usual : more)])]
  const login: PendingLogin = {
    ...newPendingValues(),
    codeVerifier: undefined,
    returnTo: late ? late.returnTo : sameOriginPath(options.returnTo ?? query.get('returnTo')),
    scope: scope.join(' ') === client.scope.join(' ') ? undefined : scope,
    isRestarted: late !== undefined,
    isStepUp: late ? late.isStepUp : isStepUp,
    appState: late ? late.appState : options.state,
  }
  // Without query and body: what the visitor sent must not make passport-oauth2 take this for a callback.
  const bare = Object.create(req, { query: { value: {} }, body: { value: {} } }) as Request
  OAuth2Strategy.prototype.authenticate.call(strategy, bare, {
    ...options,
    callbackURL: client.callbackURL,
    scope,
    state: { login, req, res },
    nonce: nonceOf(login),
  })
}

/**
 * Scopes that the query asks for besides: only such as this instance has use for, since anybody can make such a link.
 *
 * @throws {RequestRefusedError} none of them is: whoever is logged in would come back as before, and be sent here again
 */
function askedFor(
  text: string | null,
  client: Client,
  stepUpScope: readonly string[] | undefined,
  isLoggedIn: boolean,
): readonly string[] {
  const wanted = parseScopeOption(text ?? '')
  const askable = askableScopes(client, stepUpScope)
  const more = wanted.filter((scope) => askable.has(scope))
  if (more.length > 0 || wanted.length === 0 || !isLoggedIn) return more
  throw new RequestRefusedError('This app does not ask PagerDuty for that permission', {
    code: 'ERR_PAGERDUTY_SCOPE_NOT_ASKED_FOR',
    status: 403,
    hint: `People are asked for what guards name, or for what "stepUpScope" lists: ${[...askable].join(' ')}`,
  })
}

/** passport-oauth2's view of the pending logins. It tells the forms apart by how many parameters they declare. */
export function stateStore(pending: PendingLogins): StateStore {
  return {
    store(_req, codeVerifier, state, _meta, callback) {
      const { login, req, res } = state as { login: PendingLogin; req: Request; res: Response }
      try {
        pending.begin(req, res, { ...login, codeVerifier })
      } catch (error) {
        return callback(error)
      }
      callback(null, stateOf(login))
    },
    verify(_req, _state, _meta, callback) {
      callback(null, false) // Never asked: callbacks are finished by finishLogin().
    },
  }
}

/** A `Secure` cookie set over plain http never comes back, and the login would fail at its end without a reason. */
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
