import type { Request } from 'express'
import type { Client } from '../oauth/client'
import { ConfigurationError } from '../errors'
import type { GrantOptions } from '../grants/grant-options'
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
  if ('store' in options) {
    throw new ConfigurationError('store', 'cannot be replaced: pending logins are kept in sealed cookies')
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

/** @throws {ConfigurationError} */
export function requireLabel({ label }: StrategyOptions): StrategyOptions['label'] {
  if (label === undefined || typeof label === 'function') return label
  throw new ConfigurationError('label', 'must be a function that takes the request and returns a string')
}
