import { ConfigurationError } from '../errors'
import { isPlaceholder } from '../store/placeholder'

/** Secrets of a webhook subscription: one, several while they rotate, or a function that knows them at each delivery. */
export type WebhookSecret =
  string | readonly string[] | (() => string | readonly string[] | Promise<string | readonly string[]>)

/**
 * The secrets of the moment.
 *
 * @throws {ConfigurationError} at once for what can never have signed anything; what a function gives is checked each time
 */
export function secretSource(secret: WebhookSecret | undefined): () => Promise<readonly string[]> {
  if (typeof secret === 'function') return async () => requireSecrets(await secret())
  const secrets = requireSecrets(secret)
  return async () => secrets
}

function requireSecrets(value: unknown): readonly string[] {
  const secrets: unknown[] = Array.isArray(value) ? [...(value as unknown[])] : [value]
  if (secrets.length > 0 && secrets.every(isSecret)) return secrets
  const isThere = secrets.some((one) => typeof one === 'string' && one.trim() !== '')
  throw new ConfigurationError(
    'webhookSecret',
    isThere
      ? 'is not what PagerDuty showed: a secret has 16 characters or more, without blanks or line ends'
      : 'is required: the secret that PagerDuty showed when the webhook subscription was created',
    'Supply PAGERDUTY_WEBHOOK_SECRET. PagerDuty shows the secret once; a new subscription has a new one.',
  )
}

/** A line end from a file, or a placeholder, would have every delivery refused, and after three the subscription disabled. */
function isSecret(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{16,}$/.test(value) && !isPlaceholder(value)
}
