import { WebhookError } from './errors'
import type { WebhookEvent } from './webhook-events'

/** A delivery whose signature is good. */
export interface WebhookDelivery {
  /** Of a type that this package may not know. */
  readonly event: WebhookEvent | UnknownEvent
  /** Milliseconds since the epoch. */
  readonly occurredAt: number
}

/** As much as every event has. */
export interface UnknownEvent {
  readonly id: string
  readonly event_type: string
  readonly occurred_at: string
}

/**
 * Reads a signed body: `{ event: { id, event_type, occurred_at, … } }`.
 *
 * @throws {WebhookError} it is no such thing
 */
export function parseDelivery(body: Buffer): WebhookDelivery {
  const event = eventOf(body)
  const { id, event_type, occurred_at } = (event ?? {}) as Record<string, unknown>
  const occurredAt = typeof occurred_at === 'string' ? Date.parse(occurred_at) : NaN
  if (isName(id) && isName(event_type) && !Number.isNaN(occurredAt)) {
    return { event: event as WebhookEvent | UnknownEvent, occurredAt }
  }
  throw new WebhookError('The delivery is signed, but no event of PagerDuty’s webhooks v3', {
    code: 'ERR_PAGERDUTY_WEBHOOK_BODY',
    status: 400,
  })
}

function eventOf(body: Buffer): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body)
    return (Object(JSON.parse(text)) as { event?: unknown }).event
  } catch {
    return undefined
  }
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,200}$/.test(value)
}
