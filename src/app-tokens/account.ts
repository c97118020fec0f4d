import type { Region } from '../user'
import { ConfigurationError } from '../errors'

/** A PagerDuty account as an app token is asked for it. */
export interface AccountName {
  readonly region: Region
  readonly subdomain: string
  /** The scope that names it in a request for an app token: `as_account-us.acme`. */
  readonly scope: string
}

const accountName = /^(us|eu)\.([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)$/

/**
 * Reads the option `account`, such as `us.acme`. Nothing else passes: it becomes part of a scope, and one more word in it
 * would be one more scope.
 *
 * @see https://developer.pagerduty.com/docs/app-oauth-token
 * @throws {ConfigurationError}
 */
export function parseAccount(account: unknown): AccountName {
  const [, region, subdomain] = (typeof account === 'string' && accountName.exec(account)) || []
  if (region === undefined || subdomain === undefined) {
    throw new ConfigurationError(
      'account',
      'must name the account of an app token: service region, dot and subdomain, such as "us.acme"',
      'The subdomain is the first part of the account’s address at pagerduty.com, in lower case.',
    )
  }
  return { region: region as Region, subdomain, scope: `as_account-${region}.${subdomain}` }
}
