import type { IncomingMessage } from 'node:http'
import type { Request, Response } from 'express'
import { isResponseSent, redirect } from '../http/error-response'
import { readAuthorizationResponse } from '../oauth/authorization-response'
import { requireAccounts } from './allowed-accounts'
import { beginLogin, passportStateStore } from './authorization-request'
import { asError, callApp, warnOf } from '../async/call-app'
import { type Context, createContext } from '../context'
import type { Client } from '../oauth/client'
import { endLogins } from './concurrent-logins'
import { PagerDutyOAuthError, RequestRefusedError, reasonOf } from '../errors/errors'
import { AuthorizationResponseError } from '../errors/pagerduty-errors'
import type { StrategyParts } from './login-attempt'
import { LoginRefusal } from './call-verify'
import type { LoginOptions, Logins } from '../sessions/session'
import { handleCallback, handleUnknownState } from './callback'
import { IDTokenVerifier } from '../oauth/id-token'
import { LoginRecords } from './login-records'
import { type AuthenticateOptions, OAuth2Strategy, type PassportActions } from './passport-oauth2'
import { StateStore } from './state-store'
import {
  type StrategyOptions,
  requireAuthenticateOptions,
  requireHeaders,
  requirePKCE,
  requirePolicy,
  requireStepUpScope,
  requireStrategyOptions,
  requireStrategyTypes,
} from './strategy-options'
import { unknownScopeWarner } from '../scopes/unknown-scopes'
import { UserGrants } from '../grants/grants'
import { type Verify, type VerifyCallback, type VerifyLogin, resolveVerify } from './verify'

/**
 * Logs users in with PagerDuty: the code grant with state and PKCE (RFC 6749 section 4.1, RFC 7636), and a signed
 * id_token that says who it is.
 *
 * @see https://developer.pagerduty.com/docs/oauth-functionality
 */
export class PagerDutyStrategy extends OAuth2Strategy implements Logins {
  /** @internal */
  readonly _login: StrategyParts

  /**
   * @param verify decides who a login is to the app; without it `req.user` is who PagerDuty says it is
   * @throws {ConfigurationError} naming the option that is missing or contradictory
   */
  constructor(options: StrategyOptions, verify?: VerifyLogin)
  constructor(options: StrategyOptions, verify: VerifyCallback)
  /** @internal */
  constructor(options: StrategyOptions, verify: VerifyLogin | undefined, context: Context, grants: UserGrants)
  constructor(
    options: StrategyOptions,
    verify?: Verify,
    context = createContext(options),
    grants?: UserGrants,
  ) {
    const { client } = context
    const shared = grants ?? new UserGrants(context, options)
    requireStrategyTypes(options)
    const stateStore = new StateStore(client, context.keys)
    const headers = requireHeaders(options.customHeaders)
    requireStepUpScope(options.stepUpScope, client.appType)
    if (grants === undefined) {
      requireStrategyOptions(options)
      warnOfUnknown(client, options)
    }
    super(
      {
        authorizationURL: client.authorizationURL,
        tokenURL: client.tokenURL,
        clientID: client.clientID,
        callbackURL: client.callbackURLs[0],
        scope: client.scope,
        skipUserProfile: options.skipUserProfile,
        pkce: requirePKCE(options, client) ? 'S256' : false,
        store: passportStateStore(stateStore),
      },
      () => {}, // passport-oauth2 insists on one; ours is called by finishLogin().
    )
    this.name = client.name
    this._login = {
      grants: shared,
      idTokens: new IDTokenVerifier(client),
      stateStore,
      records: new LoginRecords(context.store),
      verify: resolveVerify(verify, options.passReqToCallback ?? false),
      headers: () => headers,
      partialGrant: requirePolicy(options.partialGrant ?? 'accept'),
      label: options.label,
      accounts: requireAccounts(options.accounts),
      stepUpScope: options.stepUpScope,
    }
  }

  /** Begins a login, or finishes it on the path of `callbackURL`. */
  override authenticate(req: Request, options: AuthenticateOptions = {}): void {
    const res = req.res as Response
    if (isResponseSent(res)) return
    const act = actionsOf(this, req, res)
    // passport-oauth2 calls these itself when a login begins.
    const attempt = Object.create(this) as PagerDutyStrategy
    attempt.redirect = (url, status) => act.redirect(url, status)
    attempt.error = (error) => refuse(this, error, act)
    res.setHeader('Cache-Control', 'no-store')
    res.setHeader('Pragma', 'no-cache')
    res.setHeader('Referrer-Policy', 'no-referrer')
    try {
      const hasOwnParams = this.authorizationParams !== PagerDutyStrategy.prototype.authorizationParams
      requireAuthenticateOptions(options, hasOwnParams)
      const response = readAuthorizationResponse(this._login.grants.client, req.originalUrl)
      if (response === undefined) return beginLogin(attempt, req, res, options)
      if (req.method !== 'GET') throw onlyGET()
      const found = this._login.stateStore.find(req, response.state)
      if (found?.isExpired && !found.login.isRestarted)
        return beginLogin(attempt, req, res, options, found.login)
      if (found === undefined || found.isExpired)
        return handleUnknownState(this, req, response.state, found, options, act)
      handleCallback(this, req, res, found.login, response, options, act).catch((error: unknown) =>
        refuse(this, error, act),
      )
    } catch (error) {
      refuse(this, error, act)
    }
  }

  /** Responds with the redirect that begins a login, outside of Passport; `req.pagerduty.login()` calls it. */
  startLogin(req: IncomingMessage, options: LoginOptions = {}): void {
    const { res } = req as Request
    const attempt = Object.create(this) as PagerDutyStrategy
    attempt.redirect = (url) => redirect(res as Response, url)
    attempt.error = (error) => {
      throw error
    }
    beginLogin(attempt, req as Request, res as Response, { ...options, stepUp: options.scope !== undefined })
  }

  /** Ends the logins of this browser that are in progress; `req.pagerduty.logout()` calls it. */
  endLogins(req: IncomingMessage): Promise<void> | undefined {
    const pending = this._login.stateStore.all(req)
    return pending.length === 0 ? undefined : endLogins(this._login, pending)
  }

  /** Hook of passport-oauth2: extra parameters of the authorization request. */
  override authorizationParams(options: AuthenticateOptions): object {
    return { ...options.authorizationParams, ...(options.nonce !== undefined && { nonce: options.nonce }) }
  }
}

/**
 * How the strategy reports to Passport. Nothing is reported once the response was sent, and what a callback of the app throws
 * goes to Express: Passport would give it to the same callback again.
 */
function actionsOf(strategy: PagerDutyStrategy, req: Request, res: Response): PassportActions {
  const safely =
    <Args extends unknown[]>(act: (...args: Args) => unknown) =>
    (...args: Args) => {
      if (!isResponseSent(res)) callApp(() => act(...args), req.next ?? warnOf)
    }
  // Bound at once: Passport puts them on an object that it may share between requests.
  return {
    success: safely(strategy.success.bind(strategy)),
    fail: safely(strategy.fail.bind(strategy)),
    redirect: safely(strategy.redirect.bind(strategy)),
    pass: safely(strategy.pass.bind(strategy)),
    error: safely(strategy.error.bind(strategy)),
  }
}

/** What is wrong with the browser's request fails the login, in Passport's sense; everything else is an error. */
function refuse(strategy: PagerDutyStrategy, reason: unknown, act: PassportActions): void {
  const { events } = strategy._login.grants
  const error = asError(reason)
  const cause = error instanceof AuthorizationResponseError ? error.stateMismatch : undefined
  if (cause !== undefined) events.emit('stateMismatch', { cause })
  events.emit('loginFailed', { reason: reasonOf(error), error })
  if (error instanceof LoginRefusal) act.fail(error.info ?? error, error.status)
  else if (error instanceof PagerDutyOAuthError && error.status < 500) act.fail(error, error.status)
  else act.error(error)
}

function onlyGET(): RequestRefusedError {
  return new RequestRefusedError('A login is finished by GET only', {
    code: 'ERR_PAGERDUTY_METHOD',
    status: 405,
    headers: { Allow: 'GET' },
  })
}

/** Without `pagerduty()` there is no logger: warnings are process warnings. */
function warnOfUnknown(client: Client, { extraScopes = [], stepUpScope = [] }: StrategyOptions): void {
  const warn = unknownScopeWarner(client.appType, extraScopes, (message) =>
    process.emitWarning(message, { code: 'PASSPORT_PAGERDUTY' }),
  )
  warn('scope', client.scope)
  warn('stepUpScope', stepUpScope)
}
