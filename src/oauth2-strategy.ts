import type { Request } from 'express'
import OAuth2 from 'passport-oauth2'

/** How a strategy tells Passport its decision; Passport adds these to a copy of the strategy for each request. */
export interface PassportActions {
  success(user: unknown, info?: object): void
  fail(challenge?: unknown, status?: number): void
  redirect(url: string, status?: number): void
  pass(): void
  error(error: unknown): void
}

/** Options of `passport.authenticate('pagerduty', options)`, besides Passport's own. */
export interface AuthenticateOptions {
  /** Scopes to ask for this time instead of the configured ones. */
  scope?: string | readonly string[]
  /** Where in the app to go on after the login: path and query, at most 400 bytes. Also read from the query. */
  returnTo?: string
  /** An object to find again as `info.state` after the login. Kept in a cookie: some 200 bytes at the most. */
  state?: object
  /** Passport's: where each login goes on to. `successReturnToOrRedirect` heeds `returnTo`. */
  successRedirect?: string
  /** @internal */
  callbackURL?: string
  /** @internal */
  nonce?: string
  /** Widen the grant of whoever is logged in. @internal */
  stepUp?: boolean
  /** Keep the user that `verify` returned with the grant. @internal */
  keepsUser?: boolean
  /** Passport's: where a login goes on to that was begun without `returnTo`. */
  successReturnToOrRedirect?: string
}

/** Keeps what a login needs until it comes back; passport-oauth2 calls it between redirect and callback. */
export interface StateStore {
  store(
    req: Request,
    codeVerifier: string | undefined,
    state: unknown,
    meta: unknown,
    callback: (error: unknown, state?: string) => void,
  ): void
  verify(
    req: Request,
    state: string,
    meta: unknown,
    callback: (error: unknown, ok: unknown, state?: unknown) => void,
  ): void
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
  /** Asks the hook, unless `skipUserProfile` says no. */
  _loadUserProfile(accessToken: string, done: (error: unknown, profile?: object) => void): void
}

/** Its constructor. */
export interface OAuth2StrategyConstructor {
  new (options: Record<string, unknown>, verify: (...args: never[]) => unknown): OAuth2StrategyInstance
}

/** passport-oauth2's Strategy, under types of our own: the published ones demand a secret and a version of Express. */
export const OAuth2Strategy = OAuth2 as OAuth2StrategyConstructor
