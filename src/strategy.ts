import type { Request, Response } from 'express'
import { redirect } from './answers'
import { type AuthorizationResponse, readAuthorizationResponse, refusedLogin } from './authorization-response'
import { type Client, requireScope } from './client'
import { AuthorizationResponseError, ConfigurationError, PagerDutyOAuthError, RequestRefusedError } from './errors'
import { carryGrant } from './grant-session'
import {
  type AuthenticateOptions,
  OAuth2Strategy,
  type PassportActions,
  type StateStore,
} from './oauth2-strategy'
import { type FoundLogin, type PendingLogin, PendingLogins, nonceOf } from './pending-logins'
import { sameOriginPath } from './same-origin-path'
import { requestToken } from './token-endpoint'
import { TokenSet } from './token-set'
import { UserGrant } from './user-grant'
import { type Grant, type GrantOptions, UserGrants } from './user-grants'
import { type Login, type Profile, type Verdict, type Verifier, type Verify, resolveVerify } from './verify'

/** Options of the strategy: the client's, and those of passport-oauth2 that apply. */
export interface StrategyOptions extends GrantOptions {
  /** Give the request to the callback forms of `verify`, as their first argument. */
  passReqToCallback?: boolean
  /** Do not call the hook `userProfile`. */
  skipUserProfile?: boolean | ((accessToken: string, done: (error: unknown, skip?: boolean) => void) => void) | (() => boolean)
  /** Extra headers of the access token request. */
  customHeaders?: Readonly<Record<string, string>>
  /** Always `S256`. */
  pkce?: true | 'S256'
  /** Always on. */
  state?: true
  /** Leave out PKCE (RFC 7636). For a Classic app with a secret only, where something in between cannot carry it. */
  unsafelyWithoutPKCE?: boolean
  /** @internal */
  grants?: UserGrants
}

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

const exchangeTimeout = 10_000
const mostUserBytes = 4096

/**
 * Logs people in with PagerDuty: the code grant with state and PKCE (RFC 6749 section 4.1, RFC 7636), and a signed
 * id_token that says who it is.
 *
 * @see https://developer.pagerduty.com/docs/oauth-functionality
 */
export class PagerDutyStrategy extends OAuth2Strategy {
  /** @internal */
  readonly _login: { grants: UserGrants; pending: PendingLogins; verify: Verifier; headers: Readonly<Record<string, string>> }

  /** @throws {ConfigurationError} naming the option that is missing or contradictory */
  constructor(options: StrategyOptions, verify?: Verify) {
    const grants = options.grants ?? new UserGrants(options)
    const { client } = grants
    const pending = new PendingLogins(client, grants.store, grants.keys)
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
      () => {}, // passport-oauth2 insists on one; ours is called by redeem().
    )
    this.name = client.name
    this._login = {
      grants,
      pending,
      verify: resolveVerify(verify, options.passReqToCallback ?? false),
      headers: options.customHeaders ?? {},
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
      redeem(this, req, res, found.login, response, options, act).catch((error: unknown) => refuse(this, error, act))
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

/** First leg: passport-oauth2 makes the redirect, with state and verifier from and for {@link stateStore}. */
function begin(
  strategy: PagerDutyStrategy,
  req: Request,
  res: Response,
  options: AuthenticateOptions,
  late?: PendingLogin,
): void {
  const { client } = strategy._login.grants
  requireHTTPS(client, req)
  if (options.state !== undefined && typeof options.state !== 'object') {
    throw new ConfigurationError('state', 'must be an object: the state parameter itself is made here, for each login')
  }
  const scope = options.scope === undefined ? (late?.scope ?? client.scope) : requireScope(options.scope, client.appType)
  const login: PendingLogin = {
    ...PendingLogins.newValues(),
    codeVerifier: undefined,
    returnTo: late ? late.returnTo : sameOriginPath(options.returnTo ?? queryOf(req).get('returnTo')),
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

/** A callback whose login is not pending in this browser: used, forged, too old, or begun elsewhere. */
function stray(
  strategy: PagerDutyStrategy,
  req: Request,
  found: FoundLogin | undefined,
  options: AuthenticateOptions,
  act: PassportActions,
): void {
  const { grants, pending } = strategy._login
  const held = (req as unknown as Record<string, unknown>)[grants.client.name]
  // Reload or "back" after the login: there is nothing to finish, and nothing wrong.
  if (UserGrant.is(held) && held.user !== undefined) {
    return options.successRedirect === undefined ? act.pass() : act.redirect(options.successRedirect)
  }
  throw found !== undefined
    ? new AuthorizationResponseError('This login took too long', { code: 'ERR_PAGERDUTY_STATE_EXPIRED', status: 403 })
    : pending.hasAny(req)
      ? new AuthorizationResponseError('This login was not begun here, or is finished already', {
          code: 'ERR_PAGERDUTY_STATE_UNKNOWN',
          status: 403,
          hint: 'The callback was used twice, or belongs to another browser, strategy or client.',
        })
      : new AuthorizationResponseError('This browser has not begun a login, or does not keep cookies', {
          code: 'ERR_PAGERDUTY_STATE_COOKIE_MISSING',
          status: 403,
          hint:
            'Begin and end a login on the same host: that of callbackURL. Cookies are lost when they differ, when the ' +
            'browser blocks them, or when the login took longer than fifteen minutes.',
        })
}

/** Second leg: the code becomes tokens, the id_token a user, and both a grant. */
async function redeem(
  strategy: PagerDutyStrategy,
  req: Request,
  res: Response,
  login: PendingLogin,
  response: AuthorizationResponse,
  options: AuthenticateOptions,
  act: PassportActions,
): Promise<void> {
  const { grants, pending } = strategy._login
  const isFirst = await pending.claim(login)
  pending.end(req, res, login)
  try {
    const { grant, verdict } = isFirst
      ? await finish(strategy, req, login, response, options)
      : await join(strategy, req, login)
    const { returnTo } = login
    carryGrant(req, grants, grant.id, options.successReturnToOrRedirect && returnTo ? { returnTo } : {})
    const info: LoginInfo & object = {
      ...verdict.info,
      grantID: grant.id,
      grantedScopes: grant.record.tokens.scope,
      requestedScopes: grant.record.requestedScopes,
      returnTo,
      state: login.appState,
    }
    act.success(verdict.user, info)
  } catch (error) {
    // Callbacks that wait for this one need not wait any longer; without this they stop by themselves.
    await pending.fail(login).catch(() => {})
    throw error
  }
}

interface Finished {
  grant: Grant
  verdict: Verdict
}

async function finish(
  strategy: PagerDutyStrategy,
  req: Request,
  pendingLogin: PendingLogin,
  { code, error }: AuthorizationResponse,
  options: AuthenticateOptions,
): Promise<Finished> {
  const { grants, headers } = strategy._login
  const { client } = grants
  if (code === undefined) throw refusedLogin(error ?? 'unknown_error')
  const requestedScopes = pendingLogin.scope ?? client.scope
  const parameters = {
    ...(strategy.tokenParams(options) as Record<string, string>),
    grant_type: 'authorization_code',
    code,
    redirect_uri: client.callbackURL,
    ...(pendingLogin.codeVerifier === undefined ? {} : { code_verifier: pendingLogin.codeVerifier }),
  }
  const response = await requestToken(client, parameters, exchangeTimeout, headers)
  const tokens = TokenSet.from(response, { scope: requestedScopes })
  try {
    const context = { accessToken: tokens.accessToken, nonce: nonceOf(pendingLogin) }
    const user = await grants.idTokens.verify(response.id_token, context)
    const login: Login = { user, tokens, grantedScopes: tokens.scope, requestedScopes }
    const verdict = await decide(strategy, req, login)
    const appUser = options.keepsUser ? appUserOf(verdict.user, user) : undefined
    const grant = await grants.create(pendingLogin.grantID, { user, tokens, requestedScopes, appUser })
    grants.events.emit('login', { user, grantID: grant.id, grantedScopes: tokens.scope, requestedScopes })
    return { grant, verdict }
  } catch (failure) {
    // Nobody will ever use them.
    grants.revoke(tokens)
    throw failure
  }
}

/** The same callback came twice, as at a double click: the second gets a session on the grant that the first makes. */
async function join(strategy: PagerDutyStrategy, req: Request, pendingLogin: PendingLogin): Promise<Finished> {
  const { grants, pending } = strategy._login
  const grant = (await pending.succeeded(pendingLogin)) ? await grants.read(pendingLogin.grantID) : undefined
  if (grant === undefined) {
    throw new AuthorizationResponseError('This login is finished already', {
      code: 'ERR_PAGERDUTY_STATE_USED',
      status: 403,
    })
  }
  const { user, tokens, requestedScopes } = grant.record
  const verdict = await decide(strategy, req, { user, tokens, grantedScopes: tokens.scope, requestedScopes })
  return { grant, verdict }
}

/** Asks `verify`, and takes a false user for a refusal. */
async function decide(strategy: PagerDutyStrategy, req: Request, login: Login): Promise<Verdict> {
  const { verify, grants } = strategy._login
  const loadProfile = () =>
    new Promise<Profile>((resolve, reject) => {
      strategy._loadUserProfile(login.tokens.accessToken, (error, profile) => {
        if (error) reject(error as Error)
        else resolve({ provider: grants.client.name, ...login.user, ...profile })
      })
    })
  const verdict = await verify(login, req, loadProfile)
  if (verdict.user) return verdict
  throw new LoginRefusal(verdict.info)
}

/** The app's own refusal, with what it said about it. */
class LoginRefusal extends AuthorizationResponseError {
  override name = 'LoginRefusal'
  readonly info: object | undefined

  constructor(info: object | undefined) {
    super('This app does not let you in', { code: 'ERR_PAGERDUTY_LOGIN_REFUSED', status: 403 })
    this.info = info
  }
}

/** Refusals of the browser's request fail the login, as Passport calls it; everything else is an error. */
function refuse(strategy: PagerDutyStrategy, error: unknown, act: PassportActions): void {
  strategy._login.grants.events.emit('loginFailed', { error: error as Error })
  if (error instanceof LoginRefusal) act.fail(error.info ?? error, error.status)
  else if (error instanceof PagerDutyOAuthError && error.status < 500) act.fail(error, error.status)
  else act.error(error)
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

/** passport-oauth2's view of the pending logins. It tells the forms apart by how many parameters they declare. */
function stateStore(pending: PendingLogins): StateStore {
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
      callback(null, false) // Never asked: callbacks are finished by redeem().
    },
  }
}

/** Whether this login uses PKCE. It can be left out only where nobody else could redeem the code without the secret. */
function requirePKCE(options: StrategyOptions, client: Client): boolean {
  const { pkce, state, unsafelyWithoutPKCE: without = false } = options as unknown as Record<string, unknown>
  if (state !== undefined && state !== true) throw new ConfigurationError('state', 'cannot be switched off')
  if (pkce !== undefined && pkce !== true && pkce !== 'S256') {
    throw new ConfigurationError('pkce', 'must be "S256"; a Classic app with a secret may set unsafelyWithoutPKCE')
  }
  if ('store' in options) {
    throw new ConfigurationError('store', 'cannot be replaced: pending logins are kept in sealed cookies')
  }
  if (without !== false && (client.appType !== 'classic' || client.isPublic)) {
    throw new ConfigurationError('unsafelyWithoutPKCE', 'is possible for a Classic app with a clientSecret only')
  }
  return without === false
}

/** A `Secure` cookie set over plain http never comes back, and the login would fail at its end without a reason. */
function requireHTTPS(client: Client, req: Request): void {
  const forwarded = String(req.headers['x-forwarded-proto'] ?? '').split(',')[0]?.trim()
  if (!client.isSecure || req.secure || forwarded === 'https') return
  throw new ConfigurationError(
    'callbackURL',
    'is https, but this request arrived as plain http',
    'Let the proxy that terminates TLS send "X-Forwarded-Proto: https", or open the app by https.',
  )
}

function queryOf(req: Request): URLSearchParams {
  return new URL(req.originalUrl.replace(/^\/+/, '/'), 'http://same.invalid').searchParams
}

function onlyGET(): RequestRefusedError {
  return new RequestRefusedError('A login is finished by GET only', {
    code: 'ERR_PAGERDUTY_METHOD',
    status: 405,
    headers: { Allow: 'GET' },
  })
}
