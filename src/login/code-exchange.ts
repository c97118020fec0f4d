import type { Request, Response } from 'express'
import { PagerDutyOAuthError } from '../errors/errors'
import { revocable } from '../grants/grants'
import { isResponseSent } from '../http/error-response'
import { type AuthorizationResponse, refusedLogin } from '../oauth/authorization-response'
import { requestToken } from '../oauth/token-endpoint'
import { type TokenResponse, TokenSet } from '../oauth/token-set'
import { missingScopes } from '../scopes/scope'
import { grantOf } from '../sessions/request-grant'
import { arrivalOf, sessionOf } from '../sessions/session'
import { isSameUser } from '../user'
import { requireAllowedAccount } from './allowed-accounts'
import { appUserOf, callVerify } from './call-verify'
import { joinConcurrentCallback } from './concurrent-callback'
import { loginEnded, resolveConcurrentLogins } from './concurrent-logins'
import { type Received, failLogin } from './failed-login'
import { labelOf } from './login-label'
import { type Attempt, type LoginOutcome, type LoginParts, unchanged } from './login-attempt'
import { type OtherLogin, type PendingLogin, isLater, localUserIn, nonceOf } from './login-transaction'
import { diagnose, requireAcceptable } from './partial-grant'
import { heldGrant, isWider } from './step-up'
import type { FinishedLogin, VerifyResult } from './verify'

const exchangeTimeout = 10_000

/**
 * Second leg of the login: exchanges the code, verifies the id_token and creates the grant. A login is redeemed once; a second
 * callback of the same login, as at a double click, gets the grant that the first one creates.
 *
 * @throws {PagerDutyOAuthError} or what `verify` threw
 */
export async function finishLogin(
  parts: LoginParts,
  req: Request,
  res: Response,
  login: PendingLogin,
  response: AuthorizationResponse,
): Promise<LoginOutcome> {
  const { stateStore, records, grants } = parts
  const arrivedAt = arrivalOf(req)
  const held = heldGrant(req, grants.client.name)
  const requestedScopes = login.scope ?? grants.client.scope
  const announced = await records.redeemOnce(login)
  const others = othersOf(login, [...stateStore.all(req), ...(announced ?? [])])
  const attempt: Attempt = { parts, req, res, login, arrivedAt, held, others, requestedScopes }
  if (announced === undefined) return joinConcurrentCallback(attempt)
  stateStore.remove(req, res, login)
  const received: Received = {}
  try {
    return await exchangeCode(attempt, response, received)
  } catch (error) {
    await failLogin(attempt, received)
    throw error
  }
}

async function exchangeCode(
  attempt: Attempt,
  { code, error }: AuthorizationResponse,
  received: Received,
): Promise<LoginOutcome> {
  const { parts, req, res, login, requestedScopes } = attempt
  requireSameLocalUser(attempt)
  if (code === undefined) throw refusedLogin(error ?? 'unknown_error')
  if (isResponseSent(res)) throw responseSent()
  const response = await requestTokens(attempt, code)
  const tokens = TokenSet.from(response, { scope: requestedScopes })
  received.tokens = tokens
  const context = { accessToken: tokens.accessToken, nonce: nonceOf(login) }
  const user = await parts.idTokens.verify(response.id_token, context)
  received.user = user
  requireAllowedAccount(parts.accounts, user)
  const made: FinishedLogin = { user, tokens, grantedScopes: tokens.scope, requestedScopes }
  await checkGrantedScope(parts, req, made)
  const hadSession = sessionOf(req) !== undefined
  const verified = await callVerify(parts, req, made)
  // The app ended it: no session could have the grant.
  if (hadSession && sessionOf(req) === undefined) throw loginEnded()
  if (isResponseSent(res)) throw responseSent()
  return (await keepHeldGrant(attempt, made)) ?? (await createGrant(attempt, made, verified))
}

/**
 * What began as a link must not log in a browser whose local user has logged out since.
 *
 * @throws {AuthorizationResponseError}
 */
function requireSameLocalUser({ parts, req, login, held }: Attempt): void {
  if (login.localUser === undefined || held !== undefined) return
  const { name } = parts.grants.client
  if (localUserIn(sessionOf(req) ?? {}, name) !== login.localUser) throw loginEnded()
}

/** Each login once, the latest first. */
function othersOf({ grantID }: PendingLogin, logins: readonly OtherLogin[]): readonly OtherLogin[] {
  const byID = new Map(logins.map((other) => [other.grantID, other]))
  byID.delete(grantID)
  return [...byID.values()].toSorted((one, other) => (isLater(one, other) ? -1 : 1))
}

function requestTokens({ parts, login }: Attempt, code: string): Promise<TokenResponse> {
  const { client } = parts.grants
  const { codeVerifier, callbackURL } = login
  const parameters = {
    ...parts.parameters,
    grant_type: 'authorization_code',
    code,
    redirect_uri: callbackURL,
    ...(codeVerifier === undefined ? {} : { code_verifier: codeVerifier }),
  }
  return requestToken(client, parameters, exchangeTimeout, parts.headers())
}

/** Keeps the held grant where a step-up came back without some of the scopes that it has. */
async function keepHeldGrant(
  { parts, login, held, requestedScopes }: Attempt,
  { user, tokens }: FinishedLogin,
): Promise<LoginOutcome | undefined> {
  const { grants, records } = parts
  const { appType } = grants.client
  if (!login.isStepUp || held?.grantID === undefined || held.user === undefined) return undefined
  if (!isSameUser(held.user, user) || isWider(held, tokens.scope, appType)) return undefined
  const holder = await grants.attach(held.grantID, [revocable(tokens)], user)
  if (holder === undefined) throw loginEnded()
  const isMissing = missingScopes(tokens.scope, requestedScopes, appType).length > 0
  const at = Date.now()
  await records.markEnded(login, isMissing ? { how: 'failed', at } : { how: 'replaced', at, by: holder.id })
  // If nothing requested is missing, another tab has got more meanwhile. Then nothing was declined, and a step-up for both helps.
  return { kind: 'unchanged', declined: isMissing ? held.missing(...requestedScopes) : [] }
}

/** Creates the grant, unless another login of this browser, or a logout, has replaced or ended this one. */
async function createGrant(
  { parts, req, res, login, arrivedAt, held, others, requestedScopes }: Attempt,
  { user, tokens }: FinishedLogin,
  verified: VerifyResult,
): Promise<LoginOutcome> {
  const { grants } = parts
  const appUser = parts.keepsUser ? appUserOf(verified.user, user) : undefined
  const label = await labelOf(parts, req)
  const made = { user, tokens, requestedScopes, appUser, label }
  const grant = await grants.create(login.grantID, made, arrivedAt)
  // Before other callbacks see it as done.
  if (isResponseSent(res)) throw responseSent()
  // Its id is in no response before the outcome is stored.
  if (parts.keepsUser && others.length === 0) grantOf(req, grants.client.name)?.prepareSession(grant.id)
  const { end, grant: presented } = await resolveConcurrentLogins(
    parts,
    { login, grant, heldID: held?.grantID },
    others,
  )
  const declined = missingScopes(tokens.scope, requestedScopes, grants.client.appType)
  if (end?.how === 'replaced') {
    const ids = [presented?.id ?? end.by, ...others.map((other) => other.grantID)]
    const heirs = { ids, replaced: [presented?.id] }
    await grants.withdraw(
      grant.id,
      () => [revocable(tokens)],
      user,
      async () => heirs,
    )
    // A later login may have replaced that grant too. A session with the replaced one would log the browser out.
    const newest = presented && (await grants.latest(presented.id))
    return newest && isSameUser(newest.record.user, user)
      ? { kind: 'loggedIn', grant: newest, verified, declined, isNew: false }
      : unchanged
  }
  if (end?.how !== 'done') throw loginEnded()
  if (isResponseSent(res)) throw responseSent()
  grants.events.emit('login', { user, grantID: grant.id, grantedScopes: tokens.scope, requestedScopes })
  return { kind: 'loggedIn', grant, verified, declined, isNew: true }
}

/** Emits `partialGrant` where PagerDuty granted less than was requested, and applies the app's policy. */
async function checkGrantedScope(parts: LoginParts, req: Request, login: FinishedLogin): Promise<void> {
  const { client, events } = parts.grants
  const { user, grantedScopes, requestedScopes } = login
  const missing = missingScopes(grantedScopes, requestedScopes, client.appType)
  if (missing.length === 0) return
  const difference = {
    user: { ...user },
    requestedScopes,
    grantedScopes,
    missing,
    diagnosis: diagnose(grantedScopes, missing),
  }
  events.emit('partialGrant', { when: 'login', ...difference })
  await requireAcceptable(parts.partialGrant, difference, req)
}

/** The response was sent before the login was finished, so no browser could get its session. */
export function responseSent(): PagerDutyOAuthError {
  return new PagerDutyOAuthError('The login was not finished: its response had been sent before', {
    code: 'ERR_PAGERDUTY_RESPONSE_SENT',
    status: 500,
    hint: 'A request timeout of the app, or "verify", sent it. "verify" denies a login by returning false.',
  })
}
