import type { Request, Response } from 'express'
import type { AuthorizationResponse } from './authorization-response'
import { heldGrant } from './begin-login'
import { AuthorizationResponseError, ScopeNotGrantedError } from './errors'
import { type FinishedLogin, type LoginParts, finishLogin } from './finish-login'
import { carryGrant } from './grant-session'
import type { AuthenticateOptions, OAuth2StrategyInstance, PassportActions } from './oauth2-strategy'
import type { PendingLogin } from './pending-login'
import type { FoundLogin } from './pending-logins'
import { missingScopes } from './scope'
import { isWider, keptData, rememberRefusal } from './step-up'

/** What the strategy hands on besides the user, as `info`. */
export interface LoginInfo {
  /** For `pd.grants`, which finds, keeps and ends the grant without a request. */
  readonly grantID: string
  /** What PagerDuty granted, and guards go by. It may be less than `requestedScopes`. */
  readonly grantedScopes: readonly string[]
  /** What this login asked for: at a step-up, what was granted before and what it adds. */
  readonly requestedScopes: readonly string[]
  /** Where in the app the login was begun for. */
  readonly returnTo: string | undefined
  /** The app's own `state` object. */
  readonly state: unknown
}

/** As much of the strategy as a callback needs. */
export interface LoginStrategy extends OAuth2StrategyInstance {
  /** @internal */
  readonly _login: Pick<LoginParts, 'grants' | 'pending' | 'verify' | 'headers' | 'partialGrant'>
}

/** A callback whose login is not pending in this browser: used, forged, too old, or begun elsewhere. */
export function stray(
  strategy: LoginStrategy,
  req: Request,
  state: string,
  found: FoundLogin | undefined,
  options: AuthenticateOptions,
  act: PassportActions,
): void {
  const { grants, pending } = strategy._login
  // Reload or "back" after the login: there is nothing to finish, and nothing wrong.
  if (heldGrant(req, grants.client.name) !== undefined) {
    return goOn(options, act)
  }
  const stateMismatch = found === undefined ? pending.mismatch(req, state) : 'expired'
  throw found !== undefined
    ? new AuthorizationResponseError('This login took too long', {
        code: 'ERR_PAGERDUTY_STATE_EXPIRED',
        status: 403,
        stateMismatch,
      })
    : pending.hasAny(req)
      ? new AuthorizationResponseError('This login was not begun here, or is finished already', {
          code: 'ERR_PAGERDUTY_STATE_UNKNOWN',
          status: 403,
          stateMismatch,
          hint: 'The callback was used twice, or belongs to another browser, strategy or client.',
        })
      : new AuthorizationResponseError('This login is over, or this browser does not keep cookies', {
          code: 'ERR_PAGERDUTY_STATE_COOKIE_MISSING',
          status: 403,
          stateMismatch,
          hint:
            'Begin and end a login on the same host: that of callbackURL. Cookies are lost when they differ, when the ' +
            'browser blocks them, or when the login took longer than fifteen minutes.',
        })
}

/** Second leg, and the session that carries its outcome. */
export async function finish(
  strategy: LoginStrategy,
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
    return goOn(options, act, returnTo)
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

/** Where a login ends that changes nothing, as Passport does it for one that does; without redirects the app's handler answers. */
function goOn(options: AuthenticateOptions, act: PassportActions, returnTo?: string): void {
  const location = returnTo ?? options.successReturnToOrRedirect ?? options.successRedirect
  if (location === undefined) act.pass()
  else act.redirect(location)
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
