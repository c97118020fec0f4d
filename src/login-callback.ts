import type { Request, Response } from 'express'
import type { AuthorizationResponse } from './authorization-response'
import { loginEnded } from './concurrent-logins'
import { AuthorizationResponseError, ScopeNotGrantedError } from './errors'
import { type LoginOutcome, type LoginParts, finishLogin } from './finish-login'
import { isSameUser } from './grant-record'
import { type LoginsInProgress, carryGrant, isLoginBy, linkGrant, sessionOf } from './grant-session'
import {
  type AuthenticateOptions,
  type OAuth2StrategyInstance,
  type PassportActions,
  loadUserProfile,
} from './oauth2-strategy'
import type { PendingLogin } from './pending-login'
import type { FoundLogin } from './pending-logins'
import { heldGrant, keptData, rememberRefusal } from './step-up'
import { UserGrant } from './user-grant'
import type { Grant } from './user-grants'

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
export interface LoginStrategy extends OAuth2StrategyInstance, LoginsInProgress {
  /** @internal */
  readonly _login: Pick<LoginParts, 'grants' | 'pending' | 'claims' | 'verify' | 'headers' | 'partialGrant'>
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
    loadProfile: (accessToken) => loadUserProfile(strategy, accessToken),
  }
  const { returnTo } = login
  const { name } = grants.client
  const requested = login.scope ?? grants.client.scope
  const held = heldGrant(req, name)
  const widened = login.isStepUp ? held : undefined
  let outcome: LoginOutcome
  try {
    outcome = await finishLogin(parts, req, res, login, response)
  } catch (error) {
    if (widened === undefined || !isNotGranted(error)) throw error
    outcome = { kind: 'unchanged', refused: widened.missing(...requested) }
  }
  if (outcome.kind === 'unchanged') {
    rememberRefusal(req, name, outcome.refused)
    return goOn(options, act, returnTo)
  }
  const { grant, verdict, refused } = outcome
  const isSame = widened?.user !== undefined && isSameUser(widened.user, grant.record.user)
  const replace = (previous: string) => takePlace(strategy, grant, previous, previous === held?.grantID)
  if (options.assignProperty !== undefined) {
    if (isSame) rememberRefusal(req, name, refused)
    await link(strategy, req, grant, replace)
  } else {
    const kept = isSame ? keptData(req, name, refused) : {}
    const back = options.successReturnToOrRedirect && returnTo ? { returnTo } : {}
    carryGrant(req, grants, grant.id, { ...kept, ...back }, replace, strategy)
  }
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
 * Puts the grant of a login in the place of the one that the session holds.
 *
 * @param wasLive whether that one was live when the callback arrived. If it is gone by now, it was logged out or revoked, and
 * so is the login that began with it
 */
async function takePlace(
  { _login: { grants } }: LoginStrategy,
  grant: Grant,
  previous: string,
  wasLive: boolean,
): Promise<void> {
  if ((await grants.replace(previous, grant)) || !wasLive) return
  // If it is gone itself, its tokens are the business of whatever ended it.
  await grants.withdraw(grant.id, [], grant.record.user, { ids: [], isAll: true })
  const error = loginEnded()
  grants.events.tell('loginFailed', { reason: error.code, error })
  throw error
}

/** `passport.authorize`: the grant joins the session of a user who is logged in otherwise, and stays logged in. */
async function link(
  strategy: LoginStrategy,
  req: Request,
  grant: Grant,
  replace: (previous: string) => Promise<void>,
): Promise<void> {
  const { grants } = strategy._login
  const { name } = grants.client
  const { user } = grant.record
  const current = heldGrant(req, name)?.user
  const isSame = current !== undefined && isSameUser(current, user)
  // The login that this strategy made ends with its grant, and this grant would take that one's place.
  if (isLoginBy(sessionOf(req), name) && !isSame) {
    await grants.forget(grant.id)
    throw new AuthorizationResponseError('You are logged in as another PagerDuty user; log out first', {
      code: 'ERR_PAGERDUTY_OTHER_USER',
      status: 403,
      hint: 'The login of this session was made with PagerDuty. To link a second user to it, use a second instance with a name of its own.',
    })
  }
  await linkGrant(req, grants, grant.id, replace, strategy)
  // It is presented by that, even where the next request comes late.
  await grants
    .extend(grant, sessionOf(req)?.cookie.originalMaxAge ?? grants.lifetimes.idle)
    .catch((error: Error) => grants.events.tell('warning', { error }))
  const held = (req as unknown as Record<string, unknown>)[name]
  if (UserGrant.is(held)) held.adopt(grant)
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
