import { createHmac, randomUUID } from 'node:crypto'
import type { Account } from './accounts'
import { defaultAccounts } from './accounts'
import { isString, requireValue } from './rules'
import { sampleData } from './sample-data'
import { webhookEvent } from './webhook-event'
import type { WebhookEventInit, WebhookEventPayload } from './webhook-event'

/** How a delivery is sent. */
export interface SendWebhookOptions {
  /** The subscription's secret; several while it is rotated, each with a signature of its own. */
  secret: string | readonly string[]
  /** `X-Webhook-Id`. @default a new one */
  deliveryID?: string | undefined
  /** `X-Webhook-Subscription`. @default 'PSUBSCR' */
  subscriptionID?: string | undefined
  /** Sent as `Authorization: Bearer`, as where the subscription is configured to. */
  bearer?: string | undefined
  /** In place of the right signature: a forged one. */
  signature?: string | undefined
  /** Sent in place of the bytes that were signed. */
  body?: string | Uint8Array | undefined
  /** Custom headers of the subscription. */
  headers?: Record<string, string> | undefined
}

/** The response to a delivery. */
export interface WebhookAnswer {
  status: number
  headers: Headers
  body: string
  /** What was sent. */
  event: WebhookEventPayload
  deliveryID: string
  /** Sends the same bytes with the same ids once more, as PagerDuty does after a failure. */
  again(): Promise<WebhookAnswer>
}

/**
 * Sends a webhook delivery as PagerDuty does: a v3 payload completed from a few members, signed, with PagerDuty's headers.
 *
 * @param url of the receiver, on this machine
 * @param event an event type, such as `incident.triggered` or `pagey.ping`, or members of the event
 * @example
 * const response = await sendWebhook(`${app}/webhooks/pagerduty`, 'incident.triggered', { secret })
 * expect(response.status).toBe(202)
 */
export async function sendWebhook(
  url: string | URL,
  event: string | WebhookEventInit,
  options: SendWebhookOptions,
): Promise<WebhookAnswer> {
  const init = eventOf(event, options)
  const account = sampleData(defaultAccounts[0] as Account, Date.now())
  return deliver(url, webhookEvent(init, account, Date.now()), options)
}

/** @internal Rejects a delivery that cannot be sent. */
export function eventOf(event: string | WebhookEventInit, options: SendWebhookOptions): WebhookEventInit {
  const { secret, signature } = Object(options) as Partial<SendWebhookOptions>
  const secrets = [secret].flat()
  const isGiven = signature !== undefined || (secrets.length > 0 && secrets.every(isString))
  requireValue('options.secret', secret, [() => isGiven, 'a string that is not empty, or a list of such'])
  return typeof event === 'string' ? { event_type: event } : event
}

/** @internal Signs and posts a whole event. */
export async function deliver(
  url: string | URL,
  event: WebhookEventPayload,
  options: SendWebhookOptions,
): Promise<WebhookAnswer> {
  requireLoopback(url)
  const bytes = Buffer.from(JSON.stringify({ event }))
  const { deliveryID = randomUUID(), subscriptionID = 'PSUBSCR', bearer, headers } = options
  const send = async (): Promise<WebhookAnswer> => {
    const answer = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      body: options.body ?? bytes,
      headers: {
        ...headers,
        Accept: 'application/json',
        'Content-Type': 'application/json',
        'User-Agent': 'PagerDuty-Webhook/V3.0',
        'X-PagerDuty-Signature': options.signature ?? signatureOf(bytes, options.secret),
        'X-Webhook-Id': deliveryID,
        'X-Webhook-Subscription': subscriptionID,
        ...(bearer !== undefined && { Authorization: `Bearer ${bearer}` }),
      },
    })
    return {
      status: answer.status,
      headers: answer.headers,
      body: await answer.text(),
      event,
      deliveryID,
      again: send,
    }
  }
  return send()
}

/** @internal The value of `X-PagerDuty-Signature`: an entry for each secret, whose text is the key. */
export function signatureOf(body: string | Uint8Array, secret: string | readonly string[]): string {
  return [secret]
    .flat()
    .map((one) => `v1=${createHmac('sha256', one).update(body).digest('hex')}`)
    .join(',')
}

/** Signed payloads for strangers are nothing that a test should send by mistake. */
function requireLoopback(url: string | URL): void {
  const { hostname } = new URL(url)
  if (hostname === 'localhost' || hostname === '[::1]' || /^127\.[\d.]+$/.test(hostname)) return
  throw new TypeError(`"url" is no address of this machine: ${hostname}`)
}
