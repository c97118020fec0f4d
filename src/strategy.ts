import type { Request, Response } from 'express'
import { redirect } from './answers'
import { readAuthorizationResponse } from './authorization-response'
import { beginLogin, stateStore } from './begin-login'
import type { Client } from './client'
import { AuthorizationResponseError, PagerDutyOAuthError, RequestRefusedError, reasonOf } from './errors'
import { type LoginParts, LoginRefusal } from './finish-login'
import { finish, stray } from './login-callback'
import { type AuthenticateOptions, OAuth2Strategy, type PassportActions } from './oauth2-strategy'
import type { PendingLogin } from './pending-login'
import { PendingLogins } from './pending-logins'
import { type StrategyOptions, requirePKCE, requirePolicy, requireStepUpScope } from './strategy-options'
import { unknownScopeWarner } from './unknown-scopes'
import { UserGrants } from './user-grants'
import { type Verify, type VerifyCallback, type VerifyLogin, resolveVerify } from './verify'

/**
 * Logs people in with PagerDuty: the code grant with state and PKCE (RFC 6749 section 4.1, RFC 7636), and a signed
 * id_token that says who it is.
 *
 * @see https://developer.pagerduty.com/docs/oauth-functionality
 */
export class PagerDutyStrategy extends OAuth2Strategy {
  /** @internal */
  readonly _login: Pick<LoginParts, 'grants' | 'pending' | 'verify' | 'headers' | 'partialGrant'> & {
    readonly stepUpScope: readonly string[] | undefined
  }

  /**
   * @param verify decides who a login is to the app; without it `req.user` is who PagerDuty says it is
   * @throws {ConfigurationError} naming the option that is missing or contradictory
   */
  constructor(options: StrategyOptions, verify?: VerifyLogin)
  constructor(options: StrategyOptions, verify: VerifyCallback)
  constructor(options: StrategyOptions, verify?: Verify) {
    const grants = options.grants ?? new UserGrants(options)
    const { client } = grants
    const pending = new PendingLogins(client, grants.store, grants.keys)
    requireStepUpScope(options.stepUpScope, client.appType)
    if (options.grants === undefined) warnOfUnknown(client, options)
    super(
      {
        authorizationURL: client.authorizationURL,
        tokenURL: client.tokenURL,
        clientID: client.clientID,
        callbackURL: client.callbackURL,
        scope: client.scope,
        skipUserProfile: options.skipUserProfile,
        pkce: requirePKCE(options, client) ? 'S256' : false,
        store: stateStore(pending),
      },
      () => {}, // passport-oauth2 insists on one; ours is called by finishLogin().
    )
    this.name = client.name
    this._login = {
      grants,
      pending,
      verify: resolveVerify(verify, options.passReqToCallback ?? false),
      headers: options.customHeaders ?? {},
      partialGrant: requirePolicy(options.partialGrant ?? 'accept'),
      stepUpScope: options.stepUpScope,
    }
  }

  /** Begins a login, or finishes it on the path of `callbackURL`. */
  override authenticate(req: Request, options: AuthenticateOptions = {}): void {
    // Taken at once: Passport puts them on an object that it may share between requests.
    const act: PassportActions = {
      success: this.success.bind(this),
      fail: this.fail.bind(this),
      redirect: this.redirect.bind(this),
      pass: this.pass.bind(this),
      error: this.error.bind(this),
    }
    const res = req.res as Response
    res.setHeader('Cache-Control', 'no-store')
    res.setHeader('Pragma', 'no-cache')
    res.setHeader('Referrer-Policy', 'no-referrer')
    try {
      const response = readAuthorizationResponse(this._login.grants.client, req.originalUrl)
      if (response === undefined) return begin(this, req, res, options)
      if (req.method !== 'GET') throw onlyGET()
      const found = this._login.pending.find(req, response.state)
      if (found?.isExpired && !found.login.isRestarted) return begin(this, req, res, options, found.login)
      if (found === undefined || found.isExpired) return stray(this, req, response.state, found, options, act)
      finish(this, req, res, found.login, response, options, act).catch((error: unknown) =>
        refuse(this, error, act),
      )
    } catch (error) {
      refuse(this, error, act)
    }
  }

  /** Hook of passport-oauth2: extra parameters of the authorization request. */
  override authorizationParams(options: AuthenticateOptions): object {
    return options.nonce === undefined ? {} : { nonce: options.nonce }
  }
}

/** Answers a request with the redirect that begins a login, outside of Passport. */
export function startLogin(strategy: PagerDutyStrategy, req: Request, options: AuthenticateOptions): void {
  const res = req.res as Response
  const attempt = Object.create(strategy) as PagerDutyStrategy
  attempt.redirect = (url) => redirect(res, url)
  attempt.error = (error) => {
    throw error
  }
  begin(attempt, req, res, options)
}

function begin(
  strategy: PagerDutyStrategy,
  req: Request,
  res: Response,
  options: AuthenticateOptions,
  late?: PendingLogin,
): void {
  const { grants, stepUpScope } = strategy._login
  beginLogin(strategy, grants.client, req, res, options, stepUpScope, late)
}

/** Refusals of the browser's request fail the login, as Passport calls it; everything else is an error. */
function refuse(strategy: PagerDutyStrategy, error: unknown, act: PassportActions): void {
  const { events } = strategy._login.grants
  const cause = error instanceof AuthorizationResponseError ? error.stateMismatch : undefined
  if (cause !== undefined) events.tell('stateMismatch', { cause })
  events.tell('loginFailed', { reason: reasonOf(error), error: error as Error })
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

/** Whoever composes by hand has no logger here. */
function warnOfUnknown(client: Client, { extraScopes = [], stepUpScope = [] }: StrategyOptions): void {
  const warn = unknownScopeWarner(client.appType, extraScopes, (message) =>
    process.emitWarning(message, { code: 'PASSPORT_PAGERDUTY' }),
  )
  warn('scope', client.scope)
  warn('stepUpScope', stepUpScope)
}
