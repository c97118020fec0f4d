import type { Request, Response } from 'express'
import type { AuthorizationResponse } from '../oauth/authorization-response'
import { AuthorizationResponseError, ScopeNotGrantedError } from '../errors/pagerduty-errors'
import type { LoginOutcome, LoginParts, LoginStrategy } from './login-attempt'
import { finishLogin, responseSent } from './code-exchange'
import { isResponseSent } from '../http/error-response'
import { isSameUser } from '../user'
import { sessionOf } from '../sessions/session'
import { carryGrant, carryGrantAtLogin, guardCallback } from '../sessions/login-session'
import { link } from './link'
import { loginEnded } from './concurrent-logins'
import { placementOf } from './login-placement'
import { type AuthenticateOptions, type PassportActions, loadUserProfile } from './passport-oauth2'
import type { PendingLogin } from './login-transaction'
import { rememberData } from '../sessions/latest-data'
import type { FoundLogin } from './state-store'
import { heldGrant, sessionDataToKeep, rememberDeclined } from './step-up'
import type { Grant, UserGrants } from '../grants/grants'
import type { LoginInfo } from './verify'

/** A callback whose login is not pending in this browser: used, forged, expired, or begun elsewhere. */
export function handleUnknownState(
  strategy: LoginStrategy,
  req: Request,
  state: string,
  found: FoundLogin | undefined,
  options: AuthenticateOptions,
  act: PassportActions,
): void {
  const { grants, stateStore } = strategy._login
  // A reload or "back" after the login: the user is logged in already.
  if (heldGrant(req, grants.client.name) !== undefined) {
    return redirectAfterLogin(options, act)
  }
  const stateMismatch = found === undefined ? stateStore.mismatch(req, state) : 'expired'
  throw found !== undefined
    ? new AuthorizationResponseError('This login took too long', {
        code: 'ERR_PAGERDUTY_STATE_EXPIRED',
        status: 403,
        stateMismatch,
      })
    : stateStore.hasAny(req)
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
            'Begin and end a login on the same host: one of callbackURL. Cookies are lost when they differ, when the ' +
            'browser blocks them, or when the login took longer than fifteen minutes.',
        })
}

/** Second leg, and the session that carries its outcome. */
export async function handleCallback(
  strategy: LoginStrategy,
  req: Request,
  res: Response,
  login: PendingLogin,
  response: AuthorizationResponse,
  options: AuthenticateOptions,
  act: PassportActions,
): Promise<void> {
  const { grants } = strategy._login
  const parts = partsOf(strategy, options)
  const { returnTo } = login
  const { name } = grants.client
  const requested = login.scope ?? grants.client.scope
  const held = heldGrant(req, name)
  const latestData = rememberData(req)
  guardCallback(req, grants, strategy)
  const widened = login.isStepUp ? held : undefined
  let outcome: LoginOutcome
  try {
    outcome = await finishLogin(parts, req, res, login, response)
  } catch (error) {
    if (widened === undefined || !isNotGranted(error)) throw error
    outcome = { kind: 'unchanged', declined: widened.missing(...requested) }
  }
  if (outcome.kind === 'unchanged') {
    rememberDeclined(req, name, outcome.declined)
    return redirectAfterLogin(options, act, returnTo)
  }
  const { grant, verified, declined, isNew } = outcome
  // Nothing has to be undone: here the grant is that of another callback.
  if (isResponseSent(res)) throw responseSent()
  const isSame = widened?.user !== undefined && isSameUser(widened.user, grant.record.user)
  const stored = async () => {
    // Passport responds as soon as the session is stored. `pd.auth()` and a link check for a response that was sent themselves.
    const isPassport = options.assignProperty === undefined && options.keepsUser !== true
    if (isPassport && isResponseSent(res)) throw responseSent()
    // After `pd.auth()` redirects, the next request extends the grant together with its session.
    if (!parts.keepsUser) await present(grants, grant, req)
  }
  const placement = placementOf(req, grants, grant, held?.grantID, isNew, stored)
  if (options.assignProperty !== undefined) {
    if (isSame) rememberDeclined(req, name, declined)
    await link(strategy, req, login, outcome, { latestData, placement })
  } else {
    const kept = isSame
      ? sessionDataToKeep(
          req,
          name,
          (await latestData().catch(() => undefined)) ?? sessionOf(req) ?? {},
          declined,
        )
      : {}
    const back = options.successReturnToOrRedirect && returnTo ? { returnTo } : {}
    const carry = options.keepsUser === true ? carryGrant : carryGrantAtLogin
    carry(req, grants, grant.id, { ...kept, ...back }, placement, strategy)
  }
  act.success(verified.user, { ...verified.info, ...infoOf(grant, login) })
}

/** What the app finds in `req.authInfo`. */
function infoOf({ id, record }: Grant, { returnTo, appState }: PendingLogin): LoginInfo {
  const { tokens, requestedScopes } = record
  return { grantID: id, grantedScopes: tokens.scope, requestedScopes, returnTo, state: appState }
}

function partsOf(strategy: LoginStrategy, options: AuthenticateOptions): LoginParts {
  return {
    ...strategy._login,
    parameters: strategy.tokenParams(options) as Record<string, string>,
    keepsUser: options.keepsUser ?? false,
    loadProfile: (accessToken) => loadUserProfile(strategy, accessToken),
  }
}

/**
 * Extends a new grant to the lifetime of its session. It would end within a minute if the next request came late.
 *
 * @throws {AuthorizationResponseError} it was ended or replaced while the session was stored
 */
async function present(grants: UserGrants, grant: Grant, req: Request): Promise<void> {
  const { givenIdle, idle: usual } = grants.lifetimes
  const idle = givenIdle ?? sessionOf(req)?.cookie.originalMaxAge ?? usual
  const extended = await grants.extend(grant, idle).catch((error: Error) => {
    grants.events.emit('warning', { error })
  })
  if (extended === false) throw loginEnded()
}

/** Redirects as Passport does after a login, for one that changed nothing. Without a redirect, the app's handler responds. */
function redirectAfterLogin(options: AuthenticateOptions, act: PassportActions, returnTo?: string): void {
  const location = returnTo ?? options.successReturnToOrRedirect ?? options.successRedirect
  if (location === undefined) act.pass()
  else act.redirect(location)
}

/** Whether the scopes were declined: by the user, by PagerDuty where the app insists on them, or in a first callback of this login. */
function isNotGranted(error: unknown): boolean {
  if (error instanceof ScopeNotGrantedError) return true
  return (
    error instanceof AuthorizationResponseError &&
    ['access_denied', 'ERR_PAGERDUTY_STATE_USED'].includes(error.code)
  )
}
