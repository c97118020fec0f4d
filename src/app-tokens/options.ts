import type { BearerInit } from '../oauth/bearer-fetch'
import type { ClientOptions } from '../oauth/client-options'
import type { StoreOptions } from '../store/store-options'

/** Options of `AppTokens`: those of the client, and where tokens are stored. */
export interface AppTokensOptions
  extends Omit<ClientOptions, 'callbackURL' | 'scope' | 'trustedOrigins'>, StoreOptions {
  /** Not needed. */
  callbackURL?: ClientOptions['callbackURL'] | undefined
  /** Scopes of tokens where neither a call nor `appScope` names any. */
  scope?: string | readonly string[] | undefined
  /** The account of tokens where a call names none: service region and subdomain, such as `us.acme`. */
  account?: string | undefined
  /** Scopes of tokens where a call names none. @default the option `scope` */
  appScope?: string | readonly string[] | undefined
  /**
   * E-mail address of the user in whose name the app acts: the `From` header of those calls of `fetch` whose operation
   * declares one, such as `POST /incidents`. A call may give its own. @default none
   */
  from?: string | undefined
}

/** An access token of the app itself. */
export interface AppToken {
  /** Readable by name only: it does not show when the token is logged, spread or turned into JSON. */
  readonly accessToken: string
  /** The scopes that PagerDuty issued, `as_account-…` among them. */
  readonly scope: readonly string[]
  /** When it expires, in milliseconds since the epoch. */
  readonly expiresAt: number
}

/** Options of `getToken` beside the scope. */
export interface AppTokenOptions {
  /** The account that the token is for, such as `eu.globex`. @default the option `account` of the instance */
  account?: string | undefined
  /** Seconds for which the token must still be valid, at most nine tenths of its life. @default 0 */
  minValidity?: number | undefined
}

/** Options of `fetch` beside those of the global one. */
export interface AppTokenInit extends BearerInit {
  /** Scopes that the token must have. @default the option `appScope` of the instance */
  scope?: string | readonly string[] | undefined
  /** The account that the call is for. @default the option `account` of the instance */
  account?: string | undefined
}
