import type { Request, Response } from 'express'
import { isAnswered } from '../http/error-response'
import { type AuthorizationResponse, refusedLogin } from '../oauth/authorization-response'
import { loginEnded, settleLogin, whenEnded } from './concurrent-logins'
import { AuthorizationResponseError, ConfigurationError, PagerDutyOAuthError } from '../errors'
import { type LoginClaims, type LoginEnd, isRecent } from './login-claims'
import { type PartialGrantPolicy, diagnose, requireAcceptable } from './partial-grant'
import { type PagerDutyUser, isSameUser } from '../user'
import { arrivalOf } from '../sessions/session'
import { type OtherLogin, type PendingLogin, isLater, nonceOf } from './login-transaction'
import type { PendingLogins } from './state-store'
import { missingScopes } from '../scopes/scope'
import { heldGrant, isWider } from './step-up'
import { requestToken } from '../oauth/token-endpoint'
import { type TokenResponse, TokenSet } from '../oauth/token-set'
import type { UserGrant } from '../grants/user-grant'
import { type Grant, type UserGrants, revocable } from '../grants/grants'
import type { Login, Profile, Verdict, Verifier } from './verify'

/** What finishing a login takes from the strategy. */
export interface LoginParts {
  readonly grants: UserGrants
  readonly pending: PendingLogins
  readonly claims: LoginClaims
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

/** What came of a callback. `refused` are the scopes that its login asked for and that PagerDuty did not grant. */
export type LoginOutcome =
  /** A login came about, and its session is to present the grant. */
  | {
      readonly kind: 'loggedIn'
      readonly grant: Grant
      readonly verdict: Verdict
      readonly refused: readonly string[]
      /** Whether this callback made the grant, and not another one of the browser. */
      readonly isNew: boolean
    }
  /** The browser's session stays as it is. */
  | { readonly kind: 'unchanged'; readonly refused: readonly string[] }

/** A callback that is being finished. */
interface Attempt {
  readonly parts: LoginParts
  readonly req: Request
  readonly res: Response
  readonly login: PendingLogin
  /** When the callback arrived, in milliseconds since the epoch. */
  readonly arrivedAt: number
  /** The grant that the browser's session held then. */
  readonly held: UserGrant | undefined
  /** The other logins of its browser, the latest first. */
  readonly others: readonly OtherLogin[]
  readonly requestedScopes: readonly string[]
}

/** What PagerDuty has sent for a login so far. */
interface Brought {
  tokens?: TokenSet
  user?: PagerDutyUser
}

const unchanged: LoginOutcome = { kind: 'unchanged', refused: [] }
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
): Promise<LoginOutcome> {
  const { pending, claims, grants } = parts
  const arrivedAt = arrivalOf(req)
  const held = heldGrant(req, grants.client.name)
  const requestedScopes = login.scope ?? grants.client.scope
  const announced = await claims.claim(login)
  const others = othersOf(login, [...pending.all(req), ...(announced ?? [])])
  const attempt: Attempt = { parts, req, res, login, arrivedAt, held, others, requestedScopes }
  pending.end(req, res, login)
  if (announced === undefined) return join(attempt)
  const brought: Brought = {}
  try {
    return await redeem(attempt, response, brought)
  } catch (error) {
    await giveUp(attempt, brought)
    throw error
  }
}

async function redeem(
  attempt: Attempt,
  { code, error }: AuthorizationResponse,
  brought: Brought,
): Promise<LoginOutcome> {
  const { parts, req, res, login, requestedScopes } = attempt
  const { grants } = parts
  if (code === undefined) throw refusedLogin(error ?? 'unknown_error')
  if (isAnswered(res)) throw responseSent()
  const response = await exchange(attempt, code)
  const tokens = TokenSet.from(response, { scope: requestedScopes })
  brought.tokens = tokens
  const context = { accessToken: tokens.accessToken, nonce: nonceOf(login) }
  const user = await grants.idTokens.verify(response.id_token, context)
  brought.user = user
  const made: Login = { user, tokens, grantedScopes: tokens.scope, requestedScopes }
  await judgeScopes(parts, req, made)
  const verdict = await decide(parts, req, made)
  if (isAnswered(res)) throw responseSent()
  return (await stay(attempt, made)) ?? (await logIn(attempt, made, verdict))
}

/** Each of them once, the latest first. */
function othersOf({ grantID }: PendingLogin, logins: readonly OtherLogin[]): readonly OtherLogin[] {
  const byID = new Map(logins.map((other) => [other.grantID, other]))
  byID.delete(grantID)
  return [...byID.values()].toSorted((one, other) => (isLater(one, other) ? -1 : 1))
}

/** Says that a login failed, and takes back what it brought. */
async function giveUp({ parts, login, held, others }: Attempt, { tokens, user }: Brought): Promise<void> {
  const { grants, claims } = parts
  // First, as other callbacks wait for it. If the store fails, they wait as long as they can.
  let end: LoginEnd | undefined
  let isAll = true
  try {
    end = await claims.settle(login, { how: 'failed', at: Date.now() })
  } catch {
    // One whose cookie has not come with this callback may have overruled it.
    isAll = false
  }
  if (tokens === undefined) return
  const overruler = end?.how === 'replaced' ? end.by : undefined
  const heirs = whenEnded(claims, others).then((ids) => ({ ids: [overruler, held?.grantID, ...ids], isAll }))
  // Nobody waits for it: the others may take their time.
  void grants.withdraw(login.grantID, [revocable(tokens)], user, heirs)
}

function exchange({ parts, login }: Attempt, code: string): Promise<TokenResponse> {
  const { client } = parts.grants
  const { codeVerifier } = login
  const parameters = {
    ...parts.parameters,
    grant_type: 'authorization_code',
    code,
    redirect_uri: client.callbackURL,
    ...(codeVerifier === undefined ? {} : { code_verifier: codeVerifier }),
  }
  return requestToken(client, parameters, exchangeTimeout, parts.headers)
}

/** A step-up that does not cover what its user has already changes nothing. */
async function stay(
  { parts, login, held, requestedScopes }: Attempt,
  { user, tokens }: Login,
): Promise<LoginOutcome | undefined> {
  const { grants, claims } = parts
  const { appType } = grants.client
  if (!login.isStepUp || held?.grantID === undefined || held.user === undefined) return undefined
  if (!isSameUser(held.user, user) || isWider(held, tokens.scope, appType)) return undefined
  const holder = await grants.attach(held.grantID, [revocable(tokens)], user)
  if (holder === undefined) throw loginEnded()
  const isMissing = missingScopes(tokens.scope, requestedScopes, appType).length > 0
  const at = Date.now()
  await claims.settle(login, isMissing ? { how: 'failed', at } : { how: 'replaced', at, by: holder.id })
  // If all that was asked for came, then another tab has got more meanwhile: it is worth asking for both.
  return { kind: 'unchanged', refused: isMissing ? held.missing(...requestedScopes) : [] }
}

/** Makes the grant, unless another login of this browser, or a logout, has decided otherwise. */
async function logIn(
  { parts, login, arrivedAt, held, others, requestedScopes }: Attempt,
  { user, tokens }: Login,
  verdict: Verdict,
): Promise<LoginOutcome> {
  const { grants } = parts
  const appUser = parts.keepsUser ? appUserOf(verdict.user, user) : undefined
  const grant = await grants.create(login.grantID, { user, tokens, requestedScopes, appUser }, arrivedAt)
  const { end, grant: presented } = await settleLogin(parts, { login, grant, heldID: held?.grantID }, others)
  const refused = missingScopes(tokens.scope, requestedScopes, grants.client.appType)
  if (end?.how === 'replaced') {
    const ids = [presented?.id ?? end.by, ...others.map((other) => other.grantID)]
    await grants.withdraw(grant.id, [revocable(tokens)], user, { ids, isAll: true })
    // A later login may have taken its place meanwhile. A session with the old one would log the browser out.
    const newest = presented && (await grants.latest(presented.id))
    return newest && isSameUser(newest.record.user, user)
      ? { kind: 'loggedIn', grant: newest, verdict, refused, isNew: false }
      : unchanged
  }
  if (end?.how !== 'done') throw loginEnded()
  grants.events.tell('login', { user, grantID: grant.id, grantedScopes: tokens.scope, requestedScopes })
  return { kind: 'loggedIn', grant, verdict, refused, isNew: true }
}

/** A callback that came before: it gets what that one made, if that has just been. */
async function join({ parts, req, login, held, requestedScopes }: Attempt): Promise<LoginOutcome> {
  const { grants, claims } = parts
  const end = await claims.ended(login.grantID)
  if (held?.grantID === login.grantID) return unchanged
  if (!isRecent(end) || end.how === 'failed') throw used()
  if (end.how === 'loggedOut') throw loginEnded()
  const grant = await grants.latest(login.grantID)
  const isOwn = grant?.id === login.grantID
  // Of a login that another one replaced, the grant itself is being taken back.
  if (end.how === 'replaced' && (grant === undefined || isOwn)) return unchanged
  if (grant === undefined) throw used()
  const { user, tokens } = grant.record
  const made = {
    user: { ...user },
    tokens,
    grantedScopes: tokens.scope,
    requestedScopes: grant.record.requestedScopes,
  }
  const verdict = await decide(parts, req, made)
  const missing = missingScopes(tokens.scope, requestedScopes, grants.client.appType)
  return { kind: 'loggedIn', grant, verdict, refused: isOwn ? missing : [], isNew: false }
}

function used(): AuthorizationResponseError {
  return new AuthorizationResponseError('This login is finished already', {
    code: 'ERR_PAGERDUTY_STATE_USED',
    status: 403,
    stateMismatch: 'used',
    hint: 'The same callback arrived before: more than ten seconds ago, or it failed, or its login has been ended since.',
  })
}

/** Sees to it that a grant smaller than what was asked for does not go unnoticed. */
async function judgeScopes(parts: LoginParts, req: Request, login: Login): Promise<void> {
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
  events.tell('partialGrant', { when: 'login', ...difference })
  await requireAcceptable(parts.partialGrant, difference, req)
}

/** Asks `verify`, and takes a false user for a refusal. The app gets a copy of the user: it may write on it. */
async function decide(parts: LoginParts, req: Request, finished: Login): Promise<Verdict> {
  const provider = parts.grants.client.name
  const login = { ...finished, user: { ...finished.user } }
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

/** A login whose response was sent before it was finished: no browser could get its session. */
export function responseSent(): PagerDutyOAuthError {
  return new PagerDutyOAuthError('The login was not finished: its response had been sent before', {
    code: 'ERR_PAGERDUTY_RESPONSE_SENT',
    status: 500,
    hint: 'A request timeout of the app, or "verify", sent it. "verify" refuses a login by returning false.',
  })
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

/** The app's user as it will come back from the store with each request; undefined where it is just who PagerDuty says. */
function appUserOf(user: unknown, identity: unknown): unknown {
  const text = JSON.stringify(user) as string | undefined
  if (text === JSON.stringify(identity)) return undefined
  if (text !== undefined && text.length <= mostUserBytes) return JSON.parse(text) as unknown
  throw new ConfigurationError(
    'verify',
    `must return a user of at most ${mostUserBytes} bytes as JSON`,
    'Return just what identifies the user, such as { id }, and load the rest where it is needed.',
  )
}
