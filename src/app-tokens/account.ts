import { type Region, isAccountName } from '../user'
import { ConfigurationError } from '../errors/errors'

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
  if (name === undefined) {
    throw new ConfigurationError(
      'account',
      'is required: an app token is for one account, such as "us.acme"',
      'Set PAGERDUTY_ACCOUNT or the option, or name it in the call.',
    )
  }
  throw new ConfigurationError(
    'account',
    'must name the account of an app token: service region, dot and subdomain, such as "us.acme"',
    'The subdomain is the first part of the account’s address at pagerduty.com, in lower case.',
  )
}

/**
 * Reads the option `from`. What is no address is rejected: PagerDuty would reject each call, and it goes into a header.
 *
 * @throws {ConfigurationError}
 */
export function requireFrom(from: unknown): string | undefined {
  if (from === undefined) return undefined
  if (typeof from === 'string' && /^[!-?A-~]{1,64}@[\da-z-]+(\.[\da-z-]+)+$/i.test(from)) return from
  throw new ConfigurationError(
    'from',
    'must be the e-mail address of a PagerDuty user, such as "oncall@acme.example"',
    'It is sent as the From header of operations that declare one.',
  )
}
