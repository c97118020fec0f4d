import type { Request } from 'express'
import type { Background } from '../async/background'
import { withinDeadline } from '../async/timeout'
import { ConfigurationError, type PagerDutyOAuthError } from '../errors/errors'
import type { WebhookOutcome } from '../observability/event-types'
import { paginate } from '../oauth/paginate'
import { isKnownEvent } from './events'
import { callAsRetryable } from './failures'
import type { EventLease } from './idempotency'
import type { WebhookContext, WebhookHandler, WebhookReceiverOptions } from './options'
import type { AnyWebhookEvent } from './payload'

/** Milliseconds that the response to a failure waits for the release, so that the next delivery finds the event free. */
const releaseTimeout = 1_000

/** Reports what became of a delivery; the status is that of the error, or 202. */
export type Report = (
  outcome: WebhookOutcome['outcome'],
  error?: PagerDutyOAuthError,
  status?: number,
) => void

/**
 * Resolves when the response is due: the handler has finished, or has no more time and continues in the background.
 *
 * @throws {PagerDutyOAuthError} the handler failed in time
 */
export async function runHandler(
  handle: () => unknown,
  lease: EventLease,
  { timeLeft, background, report }: { timeLeft: () => number; background: Background; report: Report },
): Promise<void> {
  const work = callAsRetryable(handle, 'The handler of the event failed')
  const finished = work.then(
    async () => {
      await lease.markHandled()
      report('handled')
    },
    async (error: Error) => {
      await lease.release()
      throw error
    },
  )
  background.add(finished)
  if (!(await settlesWithin(work, timeLeft()))) {
    finished.catch((error: PagerDutyOAuthError) => report('failed', error, 202))
    return
  }
  try {
    await work
  } catch (error) {
    // Not bound by the deadline: a failure that is known never gets a 202.
    await settlesWithin(finished, releaseTimeout)
    throw error
  }
  await settlesWithin(finished, timeLeft())
}

/** Whether work settles, one way or the other, within so many milliseconds. */
export async function settlesWithin(work: Promise<unknown>, timeout: number): Promise<boolean> {
  const settled = work.then(
    () => true,
    () => true,
  )
  return withinDeadline(settled, timeout, () => new Error('timeout')).catch(() => false)
}

/** Calls the app's handler for an event; undefined if there is none, as for PagerDuty's test deliveries. */
export function handlerOf(
  event: AnyWebhookEvent,
  handler: WebhookHandler,
  options: WebhookReceiverOptions,
  req: Request,
): (() => unknown) | undefined {
  const { onUnknownEvent } = options
  const context = contextOf(options, req)
  if (isKnownEvent(event)) return () => handler(event, context)
  if (event.event_type === 'pagey.ping' || onUnknownEvent === undefined) return undefined
  return () => onUnknownEvent(event, context)
}

/** Tokens are requested only when the handler does. */
function contextOf(options: WebhookReceiverOptions, request: Request): WebhookContext {
  const { appTokens, appScope, account } = options
  const tokens = () => {
    const found = typeof appTokens === 'function' ? appTokens() : appTokens
    if (found !== undefined) return found
    throw new ConfigurationError('appTokens', 'is needed by fetch and getToken: give it to webhookReceiver()')
  }
  const fetch: WebhookContext['fetch'] = async (
    pathOrURL,
    { scope = appScope, account: own = account, ...init } = {},
  ) => tokens().fetch(pathOrURL, { ...init, scope, account: own })
  return {
    fetch,
    paginate: (pathOrURL, init) => paginate(fetch, pathOrURL, init),
    getToken: async (scope = appScope, { account: own = account, ...rest } = {}) =>
      tokens().getToken(scope, { ...rest, account: own }),
    deliveryID: request.header('x-webhook-id'),
    subscriptionID: request.header('x-webhook-subscription'),
    request,
  }
}
