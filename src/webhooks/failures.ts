import { PagerDutyOAuthError, WebhookError } from '../errors'

/** Whether a status makes PagerDuty deliver again. It drops for good what gets another 4xx. */
export function isTrouble(status: number): boolean {
  return status >= 500 || status === 429
}

/**
 * Our own trouble, whatever it was, as something that PagerDuty delivers again: a handler may well fail with a 403 or 404 of
 * PagerDuty's API. What it says is nobody's business outside.
 */
export function asTrouble(cause: unknown, message = 'The delivery could not be judged'): PagerDutyOAuthError {
  if (cause instanceof PagerDutyOAuthError && isTrouble(cause.status)) return cause
  return trouble('ERR_PAGERDUTY_WEBHOOK_FAILED', message, { cause })
}

export const running = 'ERR_PAGERDUTY_WEBHOOK_IN_PROGRESS'

/** Another delivery of the event is being handled, here or elsewhere. */
export function runningElsewhere(): WebhookError {
  return trouble(running, 'The event is being handled', { retryAfter: 15 })
}

/** The app, or its store, has not answered while PagerDuty still waits. */
export function tookTooLong(): WebhookError {
  return trouble('ERR_PAGERDUTY_WEBHOOK_TIMEOUT', 'Checking the delivery took too long')
}

/** The receiver has been closed. */
export function shuttingDown(): WebhookError {
  return trouble('ERR_PAGERDUTY_WEBHOOK_CLOSED', 'This process is shutting down', { close: true })
}

/** The event is from the future. */
export function clockIsBehind(): WebhookError {
  return trouble('ERR_PAGERDUTY_WEBHOOK_CLOCK', 'The event occurred in the future, by this machine’s clock', {
    hint: 'Check the clock of this machine.',
  })
}

function trouble(
  code: string,
  message: string,
  more: { cause?: unknown; retryAfter?: number; close?: boolean; hint?: string } = {},
): WebhookError {
  return new WebhookError(message, {
    code,
    status: 503,
    headers: { 'Retry-After': String(more.retryAfter ?? 5), ...(more.close && { Connection: 'close' }) },
    hint: more.hint,
    isTransient: true,
    cause: more.cause,
  })
}
