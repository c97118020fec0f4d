import type { NextFunction, Request, RequestHandler, Response as ServerResponse } from 'express'
import { answer, isAnswered } from '../http/error-response'
import { checkedTokenStore } from '../store/checked-token-store'
import { withinDeadline } from '../async/timeout'
import { ConfigurationError, WebhookError } from '../errors'
import { Events } from '../observability/events'
import { MemoryTokenStore } from '../store/memory-token-store'
import type { WebhookOutcome } from '../observability/event-types'
import { type WebhookCheck, checkDelivery, isStale } from './verification'
import { WebhookClaims } from './idempotency'
import { webhookContext } from './context'
import type { WebhookDelivery } from './payload'
import { isKnownEvent } from './events'
import { WebhookHandling } from './handler-run'
import { type WebhookHandler, type WebhookReceiverOptions, webhookSettings } from './options'
import { secretSource } from './secrets'
import { asTrouble, isTrouble, running, runningElsewhere, tookTooLong } from './failures'

/** Milliseconds in which everything before the handler has to be through. PagerDuty waits five seconds. */
const checksTimeout = 4_000
/** Milliseconds that close() waits for handlers. */
const handlersWait = 10_000

/** Express middleware that receives webhooks. */
export interface WebhookReceiver extends RequestHandler {
  /** Handles nothing more, and waits ten seconds at most for the handlers that run. */
  close(): Promise<void>
}

/**
 * Receives PagerDuty's webhook deliveries (v3): checks the signature over the raw body, takes each event once, and answers in
 * time. It is mounted with `app.post`, before any body parser or after one that keeps the raw bytes.
 *
 * What is PagerDuty's and cannot be handled now is answered with 503 and delivered again; only what is not PagerDuty's, or
 * not understood, gets a 4xx, which PagerDuty takes for final. A handler that takes longer than `timeout` is answered with
 * 202 before it is through: when it fails later, the event `webhook` tells of it and PagerDuty does not deliver it again.
 *
 * @see https://developer.pagerduty.com/docs/webhooks-overview
 * @throws {ConfigurationError}
 */
export function webhookReceiver(options: WebhookReceiverOptions, handler: WebhookHandler): WebhookReceiver {
  const { name, timeout, maxAge, remembered } = webhookSettings(options, handler)
  const check: WebhookCheck = {
    secrets: secretSource(options.webhookSecret),
    verifyBearer: options.verifyBearer,
  }
  const { events = new Events() } = options
  const ownStore = options.tokenStore === undefined ? new MemoryTokenStore() : undefined
  const store = checkedTokenStore(options.tokenStore ?? (ownStore as MemoryTokenStore))
  const claims = new WebhookClaims(store, name, remembered)
  const handling = new WebhookHandling(options.waitUntil)
  const warn = once(options.warn ?? ((message) => process.emitWarning(message)))

  function pagerdutyWebhook(req: Request, res: ServerResponse, next: NextFunction): void {
    const startedAt = performance.now()
    const left = () => Math.max(startedAt + checksTimeout - performance.now(), 0)
    const deliveryID = req.header('x-webhook-id')
    let event: WebhookDelivery['event'] | undefined
    const tell = (outcome: Outcome, status: number, error?: Error) => {
      const { id: eventID, event_type: eventType } = event ?? {}
      const duration = performance.now() - startedAt
      const about = { deliveryID, eventID, eventType, error }
      events.tell('webhook', { receiver: name, outcome, status, duration, ...about })
    }

    /** Settles when it is time to answer, with what there is to tell besides what the handler does. */
    async function judge(): Promise<Outcome | undefined> {
      handling.requireOpen()
      const delivery = await withinDeadline(checkDelivery(req, check), left(), tookTooLong)
      event = delivery.event
      const handle = handlerOf(delivery, req)
      if (handle === undefined) return 'ignored'
      if (isStale(delivery, maxAge)) return 'expired'
      const claim = await claimWithin(claims, event.id, left())
      if (claim === 'duplicate') return claim
      if (claim === 'inProgress') throw runningElsewhere()
      await handling.run({
        claim,
        handle,
        answerBy: startedAt + timeout,
        handled: () => tell('handled', 202),
        failedLate: (error) => tell('failed', 202, error),
        notMarked: (error) => events.tell('warning', { error }),
      })
      return undefined
    }

    function acknowledge(outcome: Outcome | undefined): void {
      if (outcome !== undefined) tell(outcome, 202)
      if (!res.headersSent) res.writeHead(202, { 'Content-Length': 0 }).end()
    }

    function refuse(reason: unknown): void {
      const error = reason instanceof WebhookError ? reason : asTrouble(reason)
      if (error.hint !== undefined && (error instanceof WebhookError || error instanceof ConfigurationError))
        warn(`${error.message}. ${error.hint}`)
      tell(outcomeOf(error), error.status, error)
      // By a request timeout of the app: Express would cut that response off.
      if (isAnswered(res)) return
      answer(error, req, res, next, { onError: options.onError })
    }

    judge().then(acknowledge, refuse).catch(next)
  }

  /** What handles an event; undefined where nothing does. */
  function handlerOf({ event }: WebhookDelivery, req: Request): (() => unknown) | undefined {
    const { onUnknownEvent } = options
    if (isKnownEvent(event)) return () => handler(event, webhookContext(options, req))
    if (event.event_type === 'pagey.ping' || onUnknownEvent === undefined) return undefined
    return () => onUnknownEvent(event, webhookContext(options, req))
  }

  return Object.assign(pagerdutyWebhook, {
    async close() {
      await handling.close(handlersWait)
      ownStore?.close()
    },
  })
}

type Outcome = WebhookOutcome['outcome']
type Claimed = Awaited<ReturnType<WebhookClaims['claim']>>

function outcomeOf({ code, status }: { code: string; status: number }): Outcome {
  if (code === running) return 'inProgress'
  return isTrouble(status) ? 'failed' : 'rejected'
}

/** A claim that comes too late is given back: nobody would do what it is for. */
async function claimWithin(claims: WebhookClaims, eventID: string, timeout: number): Promise<Claimed> {
  const claiming = claims.claim(eventID)
  try {
    return await withinDeadline(claiming, timeout, tookTooLong)
  } catch (error) {
    claiming.then(
      (claim) => (typeof claim === 'string' ? undefined : claim.release()),
      () => {},
    )
    throw asTrouble(error)
  }
}

/** Says the same thing once. */
function once(warn: (message: string) => void): (message: string) => void {
  const said = new Set<string>()
  return (message) => {
    if (said.has(message)) return
    said.add(message)
    warn(message)
  }
}
