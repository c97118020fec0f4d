import { isAnyArrayBuffer, isUint8Array } from 'node:util/types'
import { ConfigurationError, WebhookError } from '../errors/errors'
import { requireKnown } from '../errors/known-members'
import { defaultMaxAge, requireMaxAge } from './options'
import type { UnknownWebhookEvent, WebhookEvent } from './events'
import { type WebhookSecret, secretSource } from './secrets'
import { withinDeadline } from '../async/timeout'
import { checksTimedOut, checksTimeout } from './failures'
import { tooLarge } from './raw-body'
import { eventOf, isExpired, maxBytes } from './verification'

/** A delivery, as any server hands it over. */
export interface WebhookDelivery {
  /** The body as received: its bytes, or the string that they make. A parsed one cannot be verified. */
  body: Uint8Array | ArrayBuffer | string
  /** The request's headers: those of the Fetch API, of Node, or any object that has them by name. */
  headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>
  /** The subscription's secret, as PagerDuty showed it when it was created; several while they rotate. */
  secret: WebhookSecret
  /** Seconds after which an event is too old; see the option of {@link webhookReceiver}. @default 173700, 48 hours and a quarter */
  maxAge?: number | undefined
}

const table: Record<keyof WebhookDelivery, true> = { body: true, headers: true, secret: true, maxAge: true }

/**
 * Verifies a webhook delivery (v3) on any server, as {@link webhookReceiver} does on Express: the signature over the raw body,
 * with each secret; what is signed is an event, and not too old. It does not keep events from being handled twice: PagerDuty
 * retries, so remember `event.id` where that matters.
 *
 * @see https://developer.pagerduty.com/docs/webhooks-signatures
 * @returns the event; where `webhookEventTypes` has its `event_type`, it is a {@link WebhookEvent}
 * @throws {WebhookError} with the `status` and `headers` of the response: 403 it is not signed with the secret, 400 it is no event, 413
 * its body is too long, 202 it is too old, 503 it is from the future or the secret could not be obtained
 * @throws {ConfigurationError} the secret cannot be PagerDuty's, or the body was parsed
 */
export async function verifyWebhook(delivery: WebhookDelivery): Promise<WebhookEvent | UnknownWebhookEvent> {
  requireKnown('verifyWebhook()', delivery, Object.keys(table), insteadOfHere)
  const { headers, maxAge = defaultMaxAge, secret, body: given } = Object(delivery) as WebhookDelivery
  requireMaxAge(maxAge)
  const body = bytesOf(given)
  if (body.byteLength > maxBytes) throw tooLarge()
  const verifying = eventOf(headerOf(headers, 'x-pagerduty-signature'), body, secretSource(secret, 'secret'))
  const event = await withinDeadline(verifying, checksTimeout, checksTimedOut)
  if (!isExpired(event, maxAge)) return event
  throw new WebhookError('The event is too old: it is acknowledged, and not to be handled', {
    code: 'ERR_PAGERDUTY_WEBHOOK_EXPIRED',
    status: 202,
  })
}

const insteadOfHere = { webhookSecret: 'The secret of the subscription is "secret" here.' }

function bytesOf(body: unknown): Uint8Array {
  if (isUint8Array(body)) return body
  if (typeof body === 'string') return Buffer.from(body)
  if (isAnyArrayBuffer(body)) return new Uint8Array(body)
  throw new ConfigurationError(
    'body',
    'must be the body of the delivery as received: bytes or a string',
    'A signature can be checked over the raw bytes only: take the body before it is parsed.',
  )
}

/** @throws {ConfigurationError} three deliveries that seem unsigned disable a subscription */
function headerOf(headers: WebhookDelivery['headers'] | undefined, name: string): string | undefined {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw new ConfigurationError(
      'headers',
      'must be the headers of the request: Headers, or an object by name',
    )
  }
  if (typeof (headers as Headers | undefined)?.get === 'function') {
    return (headers as Headers).get(name) ?? undefined
  }
  const [, value] =
    Object.entries(headers).find(([each, one]) => each.toLowerCase() === name && one !== undefined) ?? []
  return value === undefined ? undefined : String(value)
}
