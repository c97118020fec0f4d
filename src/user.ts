/** PagerDuty's service regions, as they are written in `as_account-` scopes. */
export type Region = 'us' | 'eu'

/** Who logged in, as PagerDuty signed it. */
export interface PagerDutyUser {
  /** The user's id within the account. Key your own records by `accountID` and `id` together, never by e-mail. */
  readonly id: string
  /** The account's id. */
  readonly accountID: string
  /** The account's subdomain, such as `acme`. */
  readonly subdomain: string | undefined
  /** The account's service region, where the signed audience names it. */
  readonly region: Region | undefined
  /** Origin of the REST API for this user. */
  readonly apiURL: string
  /** PagerDuty's id of this authorization; the same for all tokens of one login. */
  readonly delegationID: string | undefined
}

/** What is certain once a user is logged in; see `UserGrant.requireLogin()`. */
export interface LoggedIn {
  /** The user. */
  readonly user: PagerDutyUser
  /** The id of the grant. */
  readonly grantID: string
}

/** Whether two are the same user. Ids are unique within an account only. */
export function isSameUser(one: Pick<PagerDutyUser, 'accountID' | 'id'>, other: typeof one): boolean {
  return one.id === other.id && one.accountID === other.accountID
}

/** Whether it names an account by service region and subdomain, as `as_account-` scopes do: `us.acme`. */
export function isAccountName(name: unknown): name is string {
  return typeof name === 'string' && /^(us|eu)\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name)
}
