import type { Request } from 'express'
import OAuth2 from 'passport-oauth2'
import { calledBack } from '../async/call-app'

/** How a strategy reports its outcome to Passport, which adds these to a copy of the strategy for each request. */
export interface PassportActions {
  success(user: unknown, info?: object): void
  fail(challenge?: unknown, status?: number): void
  redirect(url: string, status?: number): void
  pass(): void
  error(error: unknown): void
}

/** Options of `passport.authenticate('pagerduty', options)`, beside Passport's own. */
export interface AuthenticateOptions {
  /** Scopes to request this time instead of the configured ones. */
  scope?: string | readonly string[] | undefined
  /**
   * Where to return to after the login: path and query in the app, or a URL of one of its origins (`callbackURL`, `trustedOrigins`),
   * at most 400 bytes. Also read from the query.
   */
  returnTo?: string | undefined
  /**
   * Extra parameters of the authorization request, such as `subdomain`, `service_region` or `prompt`; none of the protocol's own. A
   * login that is begun again because it took too long has none.
   */
  authorizationParams?: Readonly<Record<string, string | undefined>> | undefined
  /** An object that comes back as `info.state` after the login. Kept in a cookie: some 200 bytes at most. */
  state?: object | undefined
  /** Passport's: where each login redirects to. `successReturnToOrRedirect` respects `returnTo`. */
  successRedirect?: string | undefined
  /** Passport's, set by `passport.authorize`: a user who has logged in by other means adds PagerDuty. */
  assignProperty?: string | undefined
  /** @internal */
  callbackURL?: string | undefined
  /** @internal */
  nonce?: string | undefined
  /** Extend the grant of the user who is logged in. @internal */
  stepUp?: boolean | undefined
  /** Keep the user that `verify` returned with the grant. @internal */
  keepsUser?: boolean | undefined
  /** Passport's: where a login redirects to that was begun without `returnTo`. */
  successReturnToOrRedirect?: string | undefined
}

/** The part of passport-oauth2's Strategy that this package builds on and passes on to subclasses. */
export interface OAuth2StrategyInstance extends PassportActions {
  name: string
  authenticate(req: Request, options?: AuthenticateOptions): void
  /** Hook: extra parameters of the authorization request. */
  authorizationParams(options: AuthenticateOptions): object
  /** Hook: extra parameters of the access token request. */
  tokenParams(options: AuthenticateOptions): object
  /** Hook: more about the user, fetched with the access token; merged into the profile. */
  userProfile(accessToken: string, done: (error: unknown, profile?: object) => void): void
  /** The option `skipUserProfile`. */
  readonly _skipUserProfile: SkipUserProfile
}

/** Whether the hook `userProfile` is skipped: always, or decided for each login. */
export type SkipUserProfile =
  | boolean
  | ((accessToken: string, done: (error: unknown, skip?: boolean) => void) => void)
  | (() => boolean)

/** Its constructor. */
export interface OAuth2StrategyConstructor {
  new (options: Record<string, unknown>, verify: (...args: never[]) => unknown): OAuth2StrategyInstance
}

/**
 * What the hook `userProfile` gives, unless `skipUserProfile` says no. passport-oauth2's own method for it would leave their
 * rejections unhandled.
 */
export async function loadUserProfile(
  strategy: OAuth2StrategyInstance,
  accessToken: string,
): Promise<object | undefined> {
  const skip = strategy._skipUserProfile
  const isSkipped =
    typeof skip === 'function' && skip.length > 1
      ? await calledBack<boolean>((done) => skip(accessToken, done))
      : typeof skip === 'function'
        ? (skip as () => boolean)()
        : skip
  if (isSkipped) return undefined
  return calledBack<object>((done) => strategy.userProfile(accessToken, done))
}

/** passport-oauth2's Strategy, under types of our own: the published ones demand a secret and a version of Express. */
export const OAuth2Strategy = OAuth2 as OAuth2StrategyConstructor
