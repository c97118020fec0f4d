import type { Request } from 'express'
import type { Client } from '../oauth/client'
import { ConfigurationError } from '../errors/errors'
import { type GrantOptions, grantOptionNames } from '../grants/grant-options'
import { type OptionType, requireKnown, requireTypes } from '../errors/known-members'
import type { SkipUserProfile } from './passport-oauth2'
import type { PartialGrantPolicy } from './partial-grant'
import { type AppType, requireScope } from '../scopes/scope'

/** Options of the strategy: the client's, and those of passport-oauth2 that apply. */
export interface StrategyOptions extends GrantOptions {
  /** Give the request to the callback forms of `verify`, as their first argument. */
  passReqToCallback?: boolean | undefined
  /** Do not call the hook `userProfile`. */
  skipUserProfile?: SkipUserProfile | undefined
  /** Extra headers of the access token request. */
  customHeaders?: Readonly<Record<string, string>> | undefined
  /** Always `S256`. */
  pkce?: true | 'S256' | undefined
  /** Always on. */
  state?: true | undefined
  /** Leave out PKCE (RFC 7636). For a Classic app with a secret only, where something in between cannot carry it. */
  unsafelyWithoutPKCE?: boolean | undefined
  /**
   * What to do with a login to which PagerDuty granted less than it requested: accept it, deny it, or let a function decide,
   * which denies by returning false. @default 'accept', with a warning
   */
  partialGrant?: PartialGrantPolicy | undefined
  /**
   * Called at each login, step-ups included: returns a short name of the device, such as "Firefox on Mac", that `pd.grants.list()`
   * shows. It is stored encrypted; what exceeds 200 characters is cut off. If it throws, or takes longer than ten seconds, the
   * login has none, and the event `warning` is emitted.
   */
  label?: ((req: Request) => string | undefined | Promise<string | undefined>) | undefined
  /**
   * Accounts whose users may log in: service region and subdomain, such as `us.acme`, or the account's id, which stays when the
   * subdomain changes. Others get a 403, and their tokens are revoked. @default all on which the app is authorized
   */
  accounts?: string | readonly string[] | undefined
  /** Scopes that a step-up may request. @default all that the guards of this instance name */
  stepUpScope?: readonly string[] | undefined
  /** Scopes that PagerDuty has added since this version: no warning is given for them. */
  extraScopes?: readonly string[] | undefined
}

const table: Record<Exclude<keyof StrategyOptions, keyof GrantOptions>, OptionType> = {
  passReqToCallback: 'boolean',
  skipUserProfile: ['boolean', 'function'],
  customHeaders: 'object',
  pkce: true,
  state: true,
  unsafelyWithoutPKCE: 'boolean',
  partialGrant: true,
  label: 'function',
  accounts: true,
  stepUpScope: true,
  extraScopes: 'list',
}

/** @internal */
export const strategyOptionNames = [...grantOptionNames, ...Object.keys(table)]

const trustProxy =
  'callbackURL is absolute, so the strategy needs no proxy option. Express does: app.set("trust proxy", 1).'

/** Options of passport-oauth2 that have no effect here, and what to use instead. @internal */
export const insteadOfOAuth2: Readonly<Record<string, string>> = {
  scopeSeparator: 'PagerDuty separates scopes by spaces: give "scope" as a list.',
  proxy: trustProxy,
  trustProxy,
  sessionKey:
    'Pending logins are not in the session, but in cookies. The option "name" keeps strategies apart.',
  store:
    'Pending logins are in encrypted cookies, and nowhere else. "tokenStore" is where grants are stored.',
}

/** @throws {ConfigurationError} @internal */
export function requireStrategyTypes(options: StrategyOptions): void {
  requireTypes(options, table)
}

/** @throws {ConfigurationError} @internal */
export function requireStrategyOptions(options: StrategyOptions): void {
  requireKnown('PagerDutyStrategy', options, strategyOptionNames, insteadOfOAuth2)
}

/** @throws {ConfigurationError} they are not headers that can be sent @internal */
export function requireHeaders(headers: unknown = {}): Readonly<Record<string, string>> {
  try {
    if (!Object.values(headers as object).every((value) => typeof value === 'string'))
      throw new TypeError('not strings')
    void new Headers(headers as Record<string, string>)
  } catch {
    throw new ConfigurationError(
      'customHeaders',
      'must be an object with names and values of headers, all strings',
    )
  }
  return headers as Readonly<Record<string, string>>
}

/**
 * Rejects options of `authenticate()` that have no effect.
 *
 * @param hasOwnParams whether a subclass makes parameters of the authorization request of them
 * @throws {ConfigurationError}
 * @internal
 */
export function requireAuthenticateOptions(options: object, hasOwnParams: boolean): void {
  const names = ['callbackURL', ...(hasOwnParams ? [] : ['prompt', 'loginHint'])]
  const ignored = names.find((name) => (options as Record<string, unknown>)[name] !== undefined)
  if (ignored === undefined) return
  const hint =
    ignored === 'callbackURL'
      ? 'Each login comes back to the callbackURL of the strategy. To go on elsewhere after it, use returnTo.'
      : 'To pass a parameter on to PagerDuty, use authorizationParams.'
  throw new ConfigurationError(ignored, 'is not an option of authenticate()', hint)
}

/**
 * Rejects options that would weaken a login.
 *
 * @returns whether logins use PKCE. Without it, only the client secret keeps others from redeeming a stolen code
 * @throws {ConfigurationError}
 */
export function requirePKCE(options: StrategyOptions, client: Client): boolean {
  const {
    pkce,
    state,
    unsafelyWithoutPKCE = false,
  } = options as { [option: string]: unknown } & StrategyOptions
  if (state !== undefined && state !== true) throw new ConfigurationError('state', 'cannot be switched off')
  if (pkce !== undefined && pkce !== true && pkce !== 'S256') {
    throw new ConfigurationError(
      'pkce',
      'must be "S256"; a Classic app with a secret may set unsafelyWithoutPKCE',
    )
  }
  if (unsafelyWithoutPKCE && (client.appType !== 'classic' || client.isPublic)) {
    throw new ConfigurationError(
      'unsafelyWithoutPKCE',
      'is possible for a Classic app with a clientSecret only',
    )
  }
  return !unsafelyWithoutPKCE
}

/** @throws {ConfigurationError} no list, or a scope of the other kind of app is among them */
export function requireStepUpScope(scope: readonly string[] | undefined, appType: AppType): void {
  if (scope === undefined) return
  if (!Array.isArray(scope)) throw new ConfigurationError('stepUpScope', 'must be a list of scopes')
  if (scope.length > 0) requireScope(scope, appType, 'stepUpScope')
}

/** @throws {ConfigurationError} */
export function requirePolicy(policy: PartialGrantPolicy): PartialGrantPolicy {
  if (policy === 'accept' || policy === 'fail' || typeof policy === 'function') return policy
  throw new ConfigurationError('partialGrant', 'must be "accept", "fail" or a function')
}
