import type { Request, Response } from 'express'
import type { Grant, UserGrants } from '../grants/grants'
import type { UserGrant } from '../grants/user-grant'
import type { IDTokenVerifier } from '../oauth/id-token'
import type { LoginRecords } from './login-records'
import type { OtherLogin, PendingLogin } from './login-transaction'
import type { PartialGrantPolicy } from './partial-grant'
import type { OAuth2StrategyInstance } from './passport-oauth2'
import type { Logins } from '../sessions/session'
import type { StateStore } from './state-store'
import type { StrategyOptions } from './strategy-options'
import type { VerifyResult, Verifier } from './verify'

/** What all logins of a strategy share. */
export interface StrategyParts {
  readonly grants: UserGrants
  readonly idTokens: IDTokenVerifier
  readonly stateStore: StateStore
  readonly records: LoginRecords
  readonly verify: Verifier
  /** Extra headers of the access token request. They may hold a secret, so no inspection shows them. */
  readonly headers: () => Readonly<Record<string, string>>
  readonly partialGrant: PartialGrantPolicy
  /** Names the device of a login. */
  readonly label: StrategyOptions['label']
  /** Accounts whose users may log in; undefined for all. */
  readonly accounts: readonly string[] | undefined
  /** Scopes that a step-up may request; undefined for all that guards name. */
  readonly stepUpScope: readonly string[] | undefined
}

/** As much of the strategy as a login needs. */
export interface LoginStrategy extends OAuth2StrategyInstance, Logins {
  /** @internal */
  readonly _login: StrategyParts
}

/** What finishing a login takes from the strategy. */
export interface LoginParts extends StrategyParts {
  /** Extra parameters of the access token request. */
  readonly parameters: Readonly<Record<string, string>>
  /** What the hook `userProfile` adds to the profile. */
  loadProfile(accessToken: string): Promise<object | undefined>
  /** Keep what `verify` returned with the grant. */
  readonly keepsUser: boolean
}

/** The outcome of a callback. `declined` are the scopes that its login requested and that were not granted. */
export type LoginOutcome =
  /** The session of the login presents the grant. */
  | {
      readonly kind: 'loggedIn'
      readonly grant: Grant
      readonly verified: VerifyResult
      readonly declined: readonly string[]
      /** Whether this callback created the grant, and not another one of the browser. */
      readonly isNew: boolean
    }
  /** The browser's session stays unchanged. */
  | { readonly kind: 'unchanged'; readonly declined: readonly string[] }

export const unchanged: LoginOutcome = { kind: 'unchanged', declined: [] }

/** A callback that is being finished. */
export interface Attempt {
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
