import { withinDeadline } from '../async/timeout'
import { causeWith } from '../errors/error-cause'
import { ConfigurationError, reasonOf } from '../errors/errors'
import { TokenEndpointError } from '../errors/pagerduty-errors'

/**
 * The app's Client Secret. Of a list the first is used, and while PagerDuty rejects it, the next ones. A function is called for each
 * request of the token endpoint.
 */
export type ClientSecret = string | readonly string[] | (() => string | Promise<string>)

/** Milliseconds that the app's function may take. */
const timeout = 5_000

const hint = 'Supply the secret shown when the app was created.'

/**
 * Returns a function that gives the secrets to try, in this order.
 *
 * @throws {ConfigurationError} at once for fixed secrets that are none
 */
export function clientSecrets(secret: ClientSecret): () => Promise<readonly string[]> {
  if (typeof secret === 'function') return async () => [await askFor(secret)]
  const secrets: readonly unknown[] = [secret].flat()
  if (secrets.length > 0 && secrets.every(isCredential)) return async () => secrets
  throw new ConfigurationError(
    'clientSecret',
    'is required: a string without a newline, a list of strings, or a function that returns a string',
    hint,
  )
}

/** @throws {TokenEndpointError} transient: no user is logged out because a vault is down */
async function askFor(secret: () => string | Promise<string>): Promise<string> {
  const call = async (): Promise<unknown> => secret()
  let returned: unknown
  try {
    returned = await withinDeadline(call(), timeout, () => new Error('timeout'))
  } catch (error) {
    // Without the message of the cause: it may hold the secret, or that of the vault.
    throw noSecret('failed', causeWith(reasonOf(error), Object(error) as object))
  }
  if (isCredential(returned)) return returned
  throw noSecret('returned something else than a secret')
}

/** Whether it can be a Client ID or secret (RFC 6749 appendices A.1 and A.2). Whitespace at an end, or a newline, comes from a file. */
export function isCredential(value: unknown): value is string {
  return typeof value === 'string' && /^[!-~]([ -~]*[!-~])?$/.test(value)
}

function noSecret(what: string, cause?: Error): TokenEndpointError {
  return new TokenEndpointError(`The function "clientSecret" ${what}, so nothing was sent to PagerDuty`, {
    code: 'ERR_PAGERDUTY_CLIENT_SECRET',
    status: 503,
    isTransient: true,
    hint: 'It must return a string, or a promise of one, within five seconds.',
    cause,
  })
}
