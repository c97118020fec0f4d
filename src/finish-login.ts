import type { Request, Response } from 'express'
import { type AuthorizationResponse, refusedLogin } from './authorization-response'
import { AuthorizationResponseError, ConfigurationError } from './errors'
import { type PendingLogin, nonceOf } from './pending-login'
import type { PendingLogins } from './pending-logins'
import { type PartialGrantPolicy, diagnose, requireAcceptable } from './partial-grant'
import { missingScopes } from './scope'
import { requestToken } from './token-endpoint'
import { TokenSet } from './token-set'
import type { Grant, UserGrants } from './user-grants'
import type { Login, Profile, Verdict, Verifier } from './verify'

/** What finishing a login takes from the strategy. */
export interface LoginParts {
  readonly grants: UserGrants
  readonly pending: PendingLogins
  readonly verify: Verifier
  /** Extra headers and parameters of the access token request. */
  readonly headers: Readonly<Record<string, string>>
  readonly parameters: Readonly<Record<string, string>>
  /** What the hook `userProfile` adds to the profile. */
  loadProfile(accessToken: string): Promise<object | undefined>
  readonly partialGrant: PartialGrantPolicy
  /** Keep what `verify` returned with the grant. */
  readonly keepsUser: boolean
}

/** A login that came about. */
export interface FinishedLogin {
  readonly grant: Grant
  readonly verdict: Verdict
}

const exchangeTimeout = 10_000
const mostUserBytes = 4096

/**
 * Second leg of the login: the code becomes tokens, the id_token a user, and both a grant. A pending login is redeemed
 * once; the same callback arriving again meanwhile, as at a double click, gets the grant that the first one makes.
 *
 * @throws {PagerDutyOAuthError} or what `verify` threw
 */
export async function finishLogin(
  parts: LoginParts,
  req: Request,
  res: Response,
  login: PendingLogin,
  response: AuthorizationResponse,
): Promise<FinishedLogin> {
  const { pending } = parts
  const isFirst = await pending.claim(login)
  pending.end(req, res, login)
  if (!isFirst) return join(parts, req, login)
  try {
    return await redeem(parts, req, login, response)
  } finally {
    await pending.settle(login)
  }
}

async function redeem(
  parts: LoginParts,
  req: Request,
  pendingLogin: PendingLogin,
  { code, error }: AuthorizationResponse,
): Promise<FinishedLogin> {
  const { grants, headers } = parts
  const { client } = grants
  if (code === undefined) throw refusedLogin(error ?? 'unknown_error')
  const { codeVerifier } = pendingLogin
  const parameters = {
    ...parts.parameters,
    grant_type: 'authorization_code',
    code,
    redirect_uri: client.callbackURL,
    ...(codeVerifier === undefined ? {} : { code_verifier: codeVerifier }),
  }
  const response = await requestToken(client, parameters, exchangeTimeout, headers)
  const requestedScopes = pendingLogin.scope ?? client.scope
  const tokens = TokenSet.from(response, { scope: requestedScopes })
  try {
    const context = { accessToken: tokens.accessToken, nonce: nonceOf(pendingLogin) }
    const user = await grants.idTokens.verify(response.id_token, context)
    await judgeScopes(parts, req, { user, tokens, grantedScopes: tokens.scope, requestedScopes })
    const verdict = await decide(parts, req, { user, tokens, grantedScopes: tokens.scope, requestedScopes })
    const appUser = parts.keepsUser ? appUserOf(verdict.user, user) : undefined
    const grant = await grants.create(pendingLogin.grantID, { user, tokens, requestedScopes, appUser })
    grants.events.tell('login', { user, grantID: grant.id, grantedScopes: tokens.scope, requestedScopes })
    return { grant, verdict }
  } catch (failure) {
    grants.revoke(tokens) // Nobody will ever use them.
    throw failure
  }
}

async function join(parts: LoginParts, req: Request, pendingLogin: PendingLogin): Promise<FinishedLogin> {
  const { grants, pending } = parts
  await pending.settled(pendingLogin)
  const grant = await grants.read(pendingLogin.grantID)
  if (grant === undefined) {
    throw new AuthorizationResponseError('This login is finished already', {
      code: 'ERR_PAGERDUTY_STATE_USED',
      status: 403,
      stateMismatch: 'used',
      hint: 'The same callback arrived before and came to nothing, or its login has been ended since.',
    })
  }
  const { tokens, requestedScopes } = grant.record
  const user = { ...grant.record.user }
  const verdict = await decide(parts, req, { user, tokens, grantedScopes: tokens.scope, requestedScopes })
  return { grant, verdict }
}

/** Sees to it that a grant smaller than what was asked for does not go unnoticed. */
async function judgeScopes(parts: LoginParts, req: Request, login: Login): Promise<void> {
  const { client, events } = parts.grants
  const { user, grantedScopes, requestedScopes } = login
  const missing = missingScopes(grantedScopes, requestedScopes, client.appType)
  if (missing.length === 0) return
  const difference = {
    user,
    requestedScopes,
    grantedScopes,
    missing,
    diagnosis: diagnose(grantedScopes, missing),
  }
  events.tell('partialGrant', { when: 'login', ...difference })
  await requireAcceptable(parts.partialGrant, difference, req)
}

/** Asks `verify`, and takes a false user for a refusal. */
async function decide(parts: LoginParts, req: Request, login: Login): Promise<Verdict> {
  const provider = parts.grants.client.name
  const { id, accountID } = login.user
  const loadProfile = async (): Promise<Profile> => ({
    provider,
    ...login.user,
    ...(await parts.loadProfile(login.tokens.accessToken)),
    // Signed, unlike what a profile says.
    id,
    accountID,
  })
  const verdict = await parts.verify(login, req, loadProfile)
  if (verdict.user) return verdict
  throw new LoginRefusal(verdict.info)
}

/** The app's own refusal, with what it said about it. */
export class LoginRefusal extends AuthorizationResponseError {
  override name = 'LoginRefusal'
  readonly info: object | undefined

  constructor(info: object | undefined) {
    super('This app does not let you in', { code: 'ERR_PAGERDUTY_LOGIN_REFUSED', status: 403 })
    this.info = info
  }
}

/** The app's user as it will come back from the store with each request. */
function appUserOf(user: unknown, identity: unknown): unknown {
  if (user === identity) return undefined
  const text = JSON.stringify(user) as string | undefined
  if (text !== undefined && text.length <= mostUserBytes) return JSON.parse(text) as unknown
  throw new ConfigurationError(
    'verify',
    `must return a user of at most ${mostUserBytes} bytes as JSON`,
    'Return just what identifies the user, such as { id }, and load the rest where it is needed.',
  )
}
