import type { Request, Response } from 'express'
import { redirect } from './answers'
import { type AuthorizationResponse, readAuthorizationResponse } from './authorization-response'
import { beginLogin, heldGrant, stateStore } from './begin-login'
import type { Client } from './client'
import {
  AuthorizationResponseError,
  PagerDutyOAuthError,
  RequestRefusedError,
  ScopeNotGrantedError,
} from './errors'
import { type FinishedLogin, type LoginParts, LoginRefusal, finishLogin } from './finish-login'
import { carryGrant } from './grant-session'
import { type AuthenticateOptions, OAuth2Strategy, type PassportActions } from './oauth2-strategy'
import type { PendingLogin } from './pending-login'
import { type FoundLogin, PendingLogins } from './pending-logins'
import { missingScopes } from './scope'
import { isWider, keptData, rememberRefusal } from './step-up'
import { type StrategyOptions, requirePKCE, requirePolicy, requireStepUpScope } from './strategy-options'
import { unknownScopeWarner } from './unknown-scopes'
import { UserGrants } from './user-grants'
import { type Verify, type VerifyCallback, type VerifyLogin, resolveVerify } from './verify'

/** What the strategy hands on besides the user, as `info`. */
export interface LoginInfo {
  readonly grantID: string
  readonly grantedScopes: readonly string[]
  readonly requestedScopes: readonly string[]
  /** Where in the app the login was begun for. */
  readonly returnTo: string | undefined
  /** The app's own `state` object. */
  readonly state: unknown
}

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
      if (found === undefined || found.isExpired) return stray(this, req, found, options, act)
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

/** A callback whose login is not pending in this browser: used, forged, too old, or begun elsewhere. */
function stray(
  strategy: PagerDutyStrategy,
  req: Request,
  found: FoundLogin | undefined,
  options: AuthenticateOptions,
  act: PassportActions,
): void {
  const { grants, pending } = strategy._login
  // Reload or "back" after the login: there is nothing to finish, and nothing wrong.
  if (heldGrant(req, grants.client.name) !== undefined) {
    return options.successRedirect === undefined ? act.pass() : act.redirect(options.successRedirect)
  }
  throw found !== undefined
    ? new AuthorizationResponseError('This login took too long', {
        code: 'ERR_PAGERDUTY_STATE_EXPIRED',
        status: 403,
      })
    : pending.hasAny(req)
      ? new AuthorizationResponseError('This login was not begun here, or is finished already', {
          code: 'ERR_PAGERDUTY_STATE_UNKNOWN',
          status: 403,
          hint: 'The callback was used twice, or belongs to another browser, strategy or client.',
        })
      : new AuthorizationResponseError('This login is over, or this browser does not keep cookies', {
          code: 'ERR_PAGERDUTY_STATE_COOKIE_MISSING',
          status: 403,
          hint:
            'Begin and end a login on the same host: that of callbackURL. Cookies are lost when they differ, when the ' +
            'browser blocks them, or when the login took longer than fifteen minutes.',
        })
}

/** Second leg, and the session that carries its outcome. */
async function finish(
  strategy: PagerDutyStrategy,
  req: Request,
  res: Response,
  login: PendingLogin,
  response: AuthorizationResponse,
  options: AuthenticateOptions,
  act: PassportActions,
): Promise<void> {
  const { grants } = strategy._login
  const parts: LoginParts = {
    ...strategy._login,
    parameters: strategy.tokenParams(options) as Record<string, string>,
    keepsUser: options.keepsUser ?? false,
    loadProfile: (accessToken) =>
      new Promise((resolve, reject) => {
        strategy._loadUserProfile(accessToken, (error, profile) => {
          if (error) reject(error as Error)
          else resolve(profile)
        })
      }),
  }
  const { returnTo } = login
  const { name, appType } = grants.client
  const requested = login.scope ?? grants.client.scope
  const held = login.isStepUp ? heldGrant(req, name) : undefined
  /** Whoever is logged in stays so, with what was granted before. */
  const keep = (refused: readonly string[]) => {
    rememberRefusal(req, name, refused)
    const goOn = returnTo ?? options.successRedirect
    return goOn === undefined ? act.pass() : act.redirect(goOn)
  }
  let finished: FinishedLogin
  try {
    finished = await finishLogin(parts, req, res, login, response)
  } catch (error) {
    if (held === undefined || !isNotGranted(error)) throw error
    return keep(held.missing(...requested))
  }
  const { grant, verdict } = finished
  const { user, tokens } = grant.record
  const isSame = held?.user?.id === user.id && held.user.accountID === user.accountID
  const missing = missingScopes(tokens.scope, requested, appType)
  if (held !== undefined && isSame && !isWider(held, tokens.scope, appType)) {
    // PagerDuty may see both as one authorization, so the new tokens are left to end by themselves.
    await grants.forget(grant.id, { revoke: false })
    // If all that was asked for came, then another tab has got more meanwhile: it is worth asking for both.
    return keep(missing.length > 0 ? held.missing(...requested) : [])
  }
  const kept = isSame ? keptData(req, name, missing) : {}
  const back = options.successReturnToOrRedirect && returnTo ? { returnTo } : {}
  carryGrant(req, grants, grant.id, { ...kept, ...back })
  const info: LoginInfo = {
    ...verdict.info,
    grantID: grant.id,
    grantedScopes: grant.record.tokens.scope,
    requestedScopes: grant.record.requestedScopes,
    returnTo,
    state: login.appState,
  }
  act.success(verdict.user, info)
}

/**
 * Whether it was not to be had: denied, not granted by PagerDuty where the app insists on it, or that came out when the same
 * callback arrived a first time.
 */
function isNotGranted(error: unknown): boolean {
  if (error instanceof ScopeNotGrantedError) return true
  return (
    error instanceof AuthorizationResponseError &&
    ['access_denied', 'ERR_PAGERDUTY_STATE_USED'].includes(error.code)
  )
}

/** Refusals of the browser's request fail the login, as Passport calls it; everything else is an error. */
function refuse(strategy: PagerDutyStrategy, error: unknown, act: PassportActions): void {
  strategy._login.grants.events.tell('loginFailed', { error: error as Error })
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
  const warn = unknownScopeWarner(client, extraScopes, (message) =>
    process.emitWarning(message, { code: 'PASSPORT_PAGERDUTY' }),
  )
  warn('scope', client.scope)
  warn('stepUpScope', stepUpScope)
}
