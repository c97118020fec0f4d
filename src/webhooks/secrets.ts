import { ConfigurationError } from '../errors/errors'
import { isText } from '../store/decode'
import { isPlaceholder } from '../store/placeholder'

/**
 * Secrets of a webhook subscription: one, several while they rotate (a list, or a string with commas, as a variable has it), or a
 * function that is called for each delivery.
 */
export type WebhookSecret =
  | string
  | readonly string[]
  | (() => string | readonly string[] | Promise<string | readonly string[]>)

/**
 * Returns a function that gives the current secrets. What the app's function returns is checked each time.
 *
 * @throws {ConfigurationError} at once for fixed secrets that cannot be PagerDuty's
 */
export function secretSource(
  secret: WebhookSecret | undefined,
  option = 'webhookSecret',
  receiver?: string,
): () => Promise<readonly string[]> {
  if (typeof secret === 'function') return async () => requireSecrets(await secret(), option, receiver)
  const secrets = requireSecrets(secret, option, receiver)
  return async () => secrets
}

function requireSecrets(value: unknown, option: string, receiver?: string): readonly string[] {
  const secrets = [value]
    .flat()
    .flatMap((one: unknown) => (isText(one) && one.includes(',') ? listIn(one) : [one]))
  if (secrets.length > 0 && secrets.every(isSecret)) return secrets
  const isPresent = secrets.some((one) => typeof one === 'string' && one.trim() !== '')
  const where = receiver === undefined || receiver === 'webhook' ? '' : ` for "${receiver}"`
  throw new ConfigurationError(
    option,
    isPresent
      ? `is not what PagerDuty showed${where}: a secret has 16 characters or more, without whitespace, and is no placeholder`
      : `is required${where}: the secret that PagerDuty showed when the webhook subscription was created`,
    'PagerDuty shows the secret once; a new subscription has a new one.',
  )
}

function listIn(text: string): string[] {
  return text.split(',').map((one) => one.trim())
}

/** With a newline from a file, or a placeholder, every delivery would fail, and PagerDuty disable the subscription. */
function isSecret(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{16,}$/.test(value) && !isPlaceholder(value)
}
