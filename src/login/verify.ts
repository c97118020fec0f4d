import type { Request } from 'express'
import { asError, callApp, calledBack } from '../async/call-app'
import { withinDeadline } from '../async/timeout'
import { ConfigurationError } from '../errors/errors'
import type { BearerFetch } from '../oauth/bearer-fetch'
import type { PagerDutyUser } from '../user'
import type { TokenSet } from '../oauth/token-set'

/** Meanwhile the browser waits, and so does a second click. */
const decisionTimeout = 10_000

/** A finished login, as `verify(login, req)` gets it. */
export interface Login {
  /** Who logged in, as PagerDuty signed it. */
  readonly user: PagerDutyUser
  /** The tokens. Keeping them is this package's business; they are here for what must happen at once. */
  readonly tokens: TokenSet
  /** What PagerDuty granted; all that was requested, where its response has no scope (RFC 6749 section 5.1). */
  readonly grantedScopes: readonly string[]
  /** What this login requested: at a step-up, what was granted before and what it adds. */
  readonly requestedScopes: readonly string[]
  /**
   * Calls PagerDuty's REST API as this user, at the user's regional host, with the new access token; see {@link BearerFetch}. The
   * token is not refreshed: a 401 is returned.
   */
  readonly fetch: BearerFetch
}

/** A finished login without the functions that `verify` gets. @internal */
export type FinishedLogin = Omit<Login, 'fetch'>

/** What the strategy passes to Passport as `info`, beside the user. */
export interface LoginInfo {
  /** For `pd.grants`, which works without a request. */
  readonly grantID: string
  /** What PagerDuty granted, which guards check. It may be less than `requestedScopes`. */
  readonly grantedScopes: readonly string[]
  /** What this login requested: at a step-up, what was granted before and what it adds. */
  readonly requestedScopes: readonly string[]
  /** Path in the app to return to, or a URL of another origin of it. */
  readonly returnTo: string | undefined
  /** The app's own `state` object. */
  readonly state: unknown
}

/** What the callback forms get as `profile`: the signed identity, and what the hook `userProfile` added. */
export interface Profile extends PagerDutyUser {
  /** The strategy's name: the option `name`, or `pagerduty`. */
  readonly provider: string
  /** What the hook `userProfile` gave. `id` and `accountID` stay the signed ones, whatever it gives. */
  readonly [member: string]: unknown
}

/** What the callback forms get as `params`, in wire format (snake_case). */
export interface TokenParams {
  /** In lower case, however PagerDuty writes it. Any other type fails the login (RFC 6749 section 7.1). */
  readonly token_type: 'bearer'
  /** Seconds. */
  readonly expires_in: number
  /** The granted scope. */
  readonly scope: string
}

/** Passport's `done`: an error, the user or false, and more for the caller of `authenticate`. */
export type VerifyDone = (error: unknown, user?: unknown, info?: object) => void

/**
 * Decides who a login is to the app: returns the app's user, or false (or nothing) to deny it. May be async. Passport's `done` is
 * passed as a third argument, for wrappers that declare no parameters, such as that of NestJS's `PassportStrategy(Strategy)`. After
 * ten seconds without a decision the login fails.
 */
export type VerifyLogin = (login: Login, req: Request) => unknown

/**
 * The forms of passport-oauth2: four or five parameters, and with `passReqToCallback` the request before them. After ten seconds
 * without a call of `done` the login fails; the hook `userProfile` is part of these.
 */
export type VerifyCallback =
  | ((accessToken: string, refreshToken: string | undefined, profile: Profile, done: VerifyDone) => void)
  | ((
      accessToken: string,
      refreshToken: string | undefined,
      params: TokenParams,
      profile: Profile,
      done: VerifyDone,
    ) => void)
  | ((
      req: Request,
      accessToken: string,
      refreshToken: string | undefined,
      profile: Profile,
      done: VerifyDone,
    ) => void)
  | ((
      req: Request,
      accessToken: string,
      refreshToken: string | undefined,
      params: TokenParams,
      profile: Profile,
      done: VerifyDone,
    ) => void)

/** Any of these forms. They differ in the number of declared parameters. @internal */
export type Verify = VerifyLogin | VerifyCallback

/** What verify decided. @internal */
export interface VerifyResult {
  readonly user: unknown
  readonly info: object | undefined
}

/** Any verify form as one function. @internal */
export type Verifier = (
  login: Login,
  req: Request,
  loadProfile: () => Promise<Profile>,
) => Promise<VerifyResult>

/** @throws {ConfigurationError} when no form has that many parameters @internal */
export function resolveVerify(verify: Verify | undefined, passReqToCallback: boolean): Verifier {
  if (verify === undefined) return async ({ user }) => ({ user, info: undefined })
  if (typeof verify !== 'function') throw new ConfigurationError('verify', 'must be a function')
  if (verify.length <= 2) return (login, req) => callPlain(verify, login, req)
  const takesParams = verify.length === (passReqToCallback ? 6 : 5)
  if (!takesParams && verify.length !== (passReqToCallback ? 5 : 4)) {
    const forms = passReqToCallback
      ? 'five or six parameters with passReqToCallback'
      : 'four or five parameters'
    throw new ConfigurationError(
      'verify',
      `must have up to two parameters, or ${forms}, but has ${verify.length}`,
    )
  }
  return async (login, req, loadProfile) => {
    const { tokens } = login
    const profile = await loadProfile()
    const before = passReqToCallback ? [req] : []
    const params = takesParams ? [paramsOf(tokens)] : []
    return callBack(verify, [...before, tokens.accessToken, tokens.refreshToken, ...params, profile])
  }
}

function paramsOf(tokens: TokenSet): TokenParams {
  return {
    token_type: tokens.tokenType,
    expires_in: Math.max(Math.round((tokens.expiresAt - tokens.obtainedAt) / 1000), 0),
    scope: tokens.scope.join(' '),
  }
}

/** Takes the first of what `done` is called with and what is returned. */
function callPlain(verify: Verify, login: Login, req: Request): Promise<VerifyResult> {
  return new Promise((resolve, reject) => {
    const done: VerifyDone = (error, user, info) => (error ? reject(asError(error)) : resolve({ user, info }))
    const decide = async () => {
      const returned = (verify as (...all: unknown[]) => unknown)(login, req, done)
      // Otherwise it may be a wrapper that calls `done` later.
      if (returned !== undefined || verify.length > 0) done(undefined, await returned)
    }
    callApp(decide, reject)
  })
}

async function callBack(verify: Verify, args: readonly unknown[]): Promise<VerifyResult> {
  const verified = await calledBack<VerifyResult>((done) => {
    const ofPassport: VerifyDone = (error, user, info) => done(error, { user, info })
    return (verify as (...all: unknown[]) => unknown)(...args, ofPassport)
  })
  return verified as VerifyResult
}

const decisionHints = {
  verify: 'Return the user, or false to deny the login, or call "done" where it is a parameter.',
  partialGrant: 'Return false to deny the login, and anything else to accept it.',
  label: 'Return a string, such as one made of the User-Agent header. The login has none.',
} as const

/**
 * Waits for the app to decide on a login.
 *
 * @param option the option that holds the app's function
 * @throws {ConfigurationError} it has not decided within ten seconds
 * @internal
 */
export function decided<T>(option: keyof typeof decisionHints, decision: Promise<T>): Promise<T> {
  const undecided = () =>
    new ConfigurationError(option, 'has not decided on a login within ten seconds', decisionHints[option])
  return withinDeadline(decision, decisionTimeout, undecided)
}
