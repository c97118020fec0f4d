import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { Background } from '../async/background'
import { withinDeadline } from '../async/timeout'
import { ConfigurationError, type PagerDutyOAuthError, WebhookError } from '../errors/errors'
import { sendError, isResponseSent } from '../http/error-response'
import { Events } from '../observability/events'
import { textOf } from '../observability/messages'
import { requireKnown } from '../errors/known-members'
import { checkedTokenStore } from '../store/checked-token-store'
import { MemoryTokenStore } from '../store/memory-token-store'
import {
  asRetryable,
  checksTimedOut,
  checksTimeout,
  inProgress,
  isRetryableStatus,
  retryableError,
} from './failures'
import { type Report, handlerOf, runHandler, settlesWithin } from './handler-run'
import { acquireEvent } from './idempotency'
import {
  type WebhookHandler,
  type WebhookReceiverOptions,
  insteadOfSecret,
  receiverOptionNames,
  webhookSettings,
} from './options'
import type { AnyWebhookEvent } from './payload'
import { secretSource } from './secrets'
import { isExpired, verifyDelivery } from './verification'

/** Milliseconds that close() waits for handlers: they are the app's, and may hang. */
const closeTimeout = 10_000

/** Express middleware that receives webhooks. */
export interface WebhookReceiver extends RequestHandler {
  /** Handles nothing more, and waits at most ten seconds for handlers that are running. */
  close(): Promise<void>
}

/**
 * Receives PagerDuty's webhook deliveries (v3): verifies the signature over the raw body, handles each event once, and
 * responds in time. Mount it with `app.post`, before any body parser or after one that keeps the raw bytes.
 *
 * What PagerDuty sent and cannot be handled now gets a 503, so that PagerDuty retries; only what PagerDuty did not send, or
 * what is no event, gets a 4xx, which is final. A handler that takes longer than `timeout` gets its 202 before it has
 * finished: if it fails later, that is reported only through the event `webhook`; PagerDuty does not retry.
 *
 * @see https://developer.pagerduty.com/docs/webhooks-overview
 * @throws {ConfigurationError}
 */
export function webhookReceiver(options: WebhookReceiverOptions, handler: WebhookHandler): WebhookReceiver {
  requireKnown('webhookReceiver()', options, receiverOptionNames, insteadOfSecret)
  return createReceiver(options, handler, new Events())
}

/** The same with the events of an instance. @internal */
export function createReceiver(
  options: WebhookReceiverOptions,
  handler: WebhookHandler,
  events: Events,
  takeWarning?: (message: string) => void,
): WebhookReceiver {
  const { name, timeout, maxAge, retention } = webhookSettings(options, handler)
  const { verifyBearer, onError } = options
  const secrets = secretSource(options.webhookSecret, 'webhookSecret', name)
  const ownStore = new MemoryTokenStore()
  const records = { store: checkedTokenStore(options.tokenStore ?? ownStore), retention, events }
  const background = new Background(options.waitUntil)
  const warn = hintOnce(name, takeWarning)
  let isClosed = false

  function pagerdutyWebhook(req: Request, res: Response, next: NextFunction): void {
    const { timeLeft, report, noteEvent } = measured(name, req, events)

    /** Resolves when it is time to respond with 202. */
    async function receive(): Promise<void> {
      if (isClosed) throw shuttingDown()
      const verifying = verifyDelivery(req, secrets, verifyBearer)
      const event = await withinDeadline(verifying, timeLeft(checksTimeout), checksTimedOut)
      noteEvent(event)
      const handle = handlerOf(event, handler, options, req)
      if (handle === undefined) return report('ignored')
      if (isExpired(event, maxAge)) return report('expired')
      const lease = await acquireEvent(records, `webhook:${name} ${event.id}`, timeLeft(checksTimeout))
      if (lease === undefined) return report('duplicate')
      if (isClosed) {
        await lease.release()
        throw shuttingDown()
      }
      await runHandler(handle, lease, { timeLeft: () => timeLeft(timeout), background, report })
    }

    function accept(): void {
      if (!isResponseSent(res)) res.writeHead(202, { 'Content-Length': 0 }).end()
    }

    function fail(reason: unknown): void {
      const error = reason instanceof WebhookError ? reason : asRetryable(reason)
      warn(error)
      report(outcomeOf(error), error)
      // A request timeout of the app may have responded: Express would cut that response off.
      if (!isResponseSent(res)) sendError(error, req, res, next, { onError })
    }

    receive().then(accept, fail).catch(next)
  }

  return Object.assign(pagerdutyWebhook, {
    async close() {
      isClosed = true
      await settlesWithin(background.settled(), closeTimeout)
      ownStore.close()
    },
  })
}

/** Measures a delivery from now on, and reports what comes of it. */
function measured(receiver: string, req: Request, events: Events) {
  const startedAt = performance.now()
  let event: AnyWebhookEvent | undefined
  const report: Report = (outcome, error, status = error?.status ?? 202) => {
    const duration = performance.now() - startedAt
    const ids = { deliveryID: req.header('x-webhook-id'), eventID: event?.id, eventType: event?.event_type }
    events.emit('webhook', { receiver, outcome, status, duration, error, ...ids })
  }
  const timeLeft = (limit: number) => Math.max(startedAt + limit - performance.now(), 0)
  /** Reports name the event once its signature was verified. */
  const noteEvent = (verified: AnyWebhookEvent) => void (event = verified)
  return { timeLeft, report, noteEvent }
}

function shuttingDown(): WebhookError {
  return retryableError('ERR_PAGERDUTY_WEBHOOK_CLOSED', 'This process is shutting down', { close: true })
}

function outcomeOf({ code, status }: PagerDutyOAuthError): 'inProgress' | 'failed' | 'rejected' {
  if (code === inProgress) return 'inProgress'
  return isRetryableStatus(status) ? 'failed' : 'rejected'
}

/** Warns once of each mistake that its hint explains. */
function hintOnce(
  receiver: string,
  warn = (message: string) => process.emitWarning(message),
): (error: Error) => void {
  const warned = new Set<string>()
  return (error) => {
    if (!(error instanceof WebhookError || error instanceof ConfigurationError)) return
    if (error.hint === undefined || warned.has(error.message)) return
    warned.add(error.message)
    warn(`Delivery at ${receiver}: ${textOf(error)}`)
  }
}
