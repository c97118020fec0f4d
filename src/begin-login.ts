import type { Request, Response } from 'express'
import { type Client, requireScope } from './client'
import { ConfigurationError } from './errors'
import {
  type AuthenticateOptions,
  OAuth2Strategy,
  type OAuth2StrategyInstance,
  type StateStore,
} from './oauth2-strategy'
import { type PendingLogin, newPendingValues, nonceOf } from './pending-login'
import type { PendingLogins } from './pending-logins'
import { splitTarget } from './request-target'
import { sameOriginPath } from './same-origin-path'

/**
 * First leg of the login: passport-oauth2 makes the redirect, with the state from {@link stateStore} and the verifier for
 * it.
 *
 * @param late the login that came back too late and is begun anew
 */
export function beginLogin(
  strategy: OAuth2StrategyInstance,
  client: Client,
  req: Request,
  res: Response,
  options: AuthenticateOptions,
  late?: PendingLogin,
): void {
  requireHTTPS(client, req)
  if (options.state !== undefined && typeof options.state !== 'object') {
    throw new ConfigurationError(
      'state',
      'must be an object: the state parameter itself is made here, for each login',
    )
  }
  const scope =
    options.scope === undefined ? (late?.scope ?? client.scope) : requireScope(options.scope, client.appType)
  const login: PendingLogin = {
    ...newPendingValues(),
    codeVerifier: undefined,
    returnTo: late
      ? late.returnTo
      : sameOriginPath(options.returnTo ?? splitTarget(req.originalUrl).query.get('returnTo')),
    scope: scope.join(' ') === client.scope.join(' ') ? undefined : scope,
    isRestarted: late !== undefined,
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
      callback(null, login.state)
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
