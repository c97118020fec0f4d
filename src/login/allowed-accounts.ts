import { ConfigurationError } from '../errors/errors'
import { AuthorizationResponseError } from '../errors/pagerduty-errors'
import { type PagerDutyUser, isAccountName } from '../user'

/**
 * The option `accounts` as a list.
 *
 * @throws {ConfigurationError}
 */
export function requireAccounts(
  accounts: string | readonly string[] | undefined,
): readonly string[] | undefined {
  if (accounts === undefined) return undefined
  const list: readonly unknown[] = [accounts].flat()
  const isAccount = (one: unknown): one is string =>
    typeof one === 'string' && (isAccountName(one) || /^[A-Z0-9]{4,32}$/.test(one))
  if (list.length > 0 && list.every(isAccount)) return list
  const parts = list.flatMap((one) =>
    typeof one === 'string' ? one.split(/[\s,;]+/).filter(Boolean) : [one],
  )
  const isListInText = parts.length > list.length && parts.every(isAccount)
  throw new ConfigurationError(
    'accounts',
    'must list accounts by service region, dot and subdomain, such as "us.acme", or by the id that user.accountID has',
    isListInText
      ? `Supply a list: [${parts.map((one) => `'${one}'`).join(', ')}].`
      : 'The subdomain is the first part of the account’s address at pagerduty.com, in lower case. Leave the option out to let all accounts in.',
  )
}

/**
 * Checks who logs in against the option `accounts`, by what PagerDuty signed: the account's id, or the region of the audience and
 * the subdomain.
 *
 * @throws {AuthorizationResponseError} the account is not listed, or the id_token does not name it
 */
export function requireAllowedAccount(accounts: readonly string[] | undefined, user: PagerDutyUser): void {
  const { accountID, region, subdomain } = user
  const isNamed = region !== undefined && subdomain !== undefined
  const name = isNamed ? `${region}.${subdomain.toLowerCase()}` : undefined
  // An id that looks like a name must not be taken for one.
  const known = [isAccountName(accountID) ? undefined : accountID, name]
  if (accounts === undefined || accounts.some((one) => known.includes(one))) return
  throw new AuthorizationResponseError(
    `This app is not for your PagerDuty account, ${name ?? accountID}. Log in with another one.`,
    {
      code: 'ERR_PAGERDUTY_ACCOUNT_NOT_ALLOWED',
      status: 403,
      hint: isNamed
        ? `To let it in, add "${name}" or "${accountID}" to the option accounts.`
        : `The id_token does not say region and subdomain. To let the account in, add "${accountID}" to the option accounts.`,
    },
  )
}
