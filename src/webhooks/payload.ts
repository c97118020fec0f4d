import { WebhookError } from '../errors/errors'
import { type UnknownWebhookEvent, type WebhookEvent, isKnownEvent } from './events'

/** A signed event, of a type that this package may not know. */
export type AnyWebhookEvent = WebhookEvent | UnknownWebhookEvent

/**
 * Parses a signed body: `{ event: { id, event_type, occurred_at, … } }`.
 *
 * @throws {WebhookError} it is nothing of the kind
 */
export function parseEvent(body: Uint8Array): AnyWebhookEvent {
  const event = eventOf(body)
  if (isEvent(event)) return withoutPrototypes(event)
  throw new WebhookError('The delivery is signed, but no event of PagerDuty’s webhooks v3', {
    code: 'ERR_PAGERDUTY_WEBHOOK_BODY',
    status: 400,
  })
}

function eventOf(body: Uint8Array): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body)
    return (Object(JSON.parse(text)) as { event?: unknown }).event
  } catch {
    return undefined
  }
}

function isEvent(event: unknown): event is AnyWebhookEvent {
  const { id, event_type, data } = Object(event) as Record<string, unknown>
  if (!isName(id) || !isName(event_type)) return false
  return !isKnownEvent({ event_type }) || (isNested(data) && !Array.isArray(data))
}

/** Whether it has the length and characters that a key may contain. */
function isName(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,200}$/.test(value)
}

/**
 * Deletes members named `__proto__` at any depth: a handler that copies or merges the event would change prototypes. Such an
 * event is not rejected, or anyone who can name things in an incident could suppress its deliveries. The loop has no depth limit.
 */
function withoutPrototypes<T extends object>(event: T): T {
  const left: object[] = [event]
  for (let value = left.pop(); value !== undefined; value = left.pop()) {
    delete (value as Record<string, unknown>)['__proto__']
    for (const member of Object.values(value) as unknown[]) if (isNested(member)) left.push(member)
  }
  return event
}

function isNested(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
