import { WebhookError } from '../errors'
import { type UnknownWebhookEvent, type WebhookEvent, isKnownEvent } from './events'

/** A delivery whose signature is good. */
export interface WebhookDelivery {
  /** Of a type that this package may not know. */
  readonly event: WebhookEvent | UnknownWebhookEvent
  /** Milliseconds since the epoch; NaN where the event does not say. */
  readonly occurredAt: number
}

/**
 * Reads a signed body: `{ event: { id, event_type, occurred_at, … } }`.
 *
 * @throws {WebhookError} it is no such thing
 */
export function parseDelivery(body: Uint8Array): WebhookDelivery {
  const event = eventOf(body)
  if (isEvent(event)) return { event, occurredAt: timeOf(event.occurred_at) }
  throw new WebhookError('The delivery is signed, but no event of PagerDuty’s webhooks v3', {
    code: 'ERR_PAGERDUTY_WEBHOOK_BODY',
    status: 400,
  })
}

function eventOf(body: Uint8Array): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body)
    return (Object(withoutPrototypes(JSON.parse(text))) as { event?: unknown }).event
  } catch {
    return undefined
  }
}

function isEvent(event: unknown): event is WebhookEvent | UnknownWebhookEvent {
  if (!isObject(event)) return false
  const { id, event_type } = event as { id?: unknown; event_type?: unknown }
  if (!isName(id) || !isName(event_type)) return false
  return !isKnownEvent({ event_type }) || isObject((event as { data?: unknown }).data)
}

function timeOf(occurredAt: unknown): number {
  return typeof occurredAt === 'string' ? Date.parse(occurredAt) : NaN
}

/** Whether it is of a length and an alphabet that may become part of a key. */
function isName(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,200}$/.test(value)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Takes members named `__proto__` away, at any depth. Parsing makes plain members of them, but a handler that copies or merges
 * the event would change prototypes. They are not refused, since whoever can name things in an incident could have its
 * deliveries refused.
 */
function withoutPrototypes(parsed: unknown): unknown {
  const left = [parsed].filter(isNested)
  for (let value = left.pop(); value !== undefined; value = left.pop()) {
    delete (value as Record<string, unknown>)['__proto__']
    for (const member of Object.values(value) as unknown[]) if (isNested(member)) left.push(member)
  }
  return parsed
}

function isNested(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
