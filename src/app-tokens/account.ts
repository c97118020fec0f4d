import { type Region, isAccountName } from '../user'
import { ConfigurationError } from '../errors'

/** The PagerDuty account that an app token is for. */
export interface Account {
  /** As in the option `account`: `us.acme`. */
  readonly name: string
  readonly region: Region
  /** Names the account in a request for an app token: `as_account-us.acme`. */
  readonly scope: string
}

/**
 * Reads the option `account`. Everything but region and subdomain is rejected: the name becomes part of a scope, where one
 * more word would be one more scope.
 *
 * @see https://developer.pagerduty.com/docs/app-oauth-token
 * @throws {ConfigurationError}
 */
export function parseAccount(name: unknown): Account {
  if (isAccountName(name)) {
    return { name, region: name.slice(0, 2) as Region, scope: `as_account-${name}` }
  }
  throw new ConfigurationError(
    'account',
    'must name the account of an app token: service region, dot and subdomain, such as "us.acme"',
    'The subdomain is the first part of the account’s address at pagerduty.com, in lower case.',
  )
}
