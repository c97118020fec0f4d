import type { Request, Response } from 'express'
import type { Grant, UserGrants } from '../grants/grants'
import type { UserGrant } from '../grants/user-grant'
import type { IDTokenVerifier } from '../oauth/id-token'
import type { LoginClaims } from './login-claims'
import type { OtherLogin, PendingLogin } from './login-transaction'
import type { PartialGrantPolicy } from './partial-grant'
import type { PendingLogins } from './state-store'
import type { Verdict, Verifier } from './verify'

/** What finishing a login takes from the strategy. */
export interface LoginParts {
  readonly grants: UserGrants
  readonly idTokens: IDTokenVerifier
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

export const unchanged: LoginOutcome = { kind: 'unchanged', refused: [] }

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
