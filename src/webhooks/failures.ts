import { PagerDutyOAuthError, WebhookError } from '../errors/errors'

/** Whether PagerDuty retries after this status. After any other 4xx it drops the delivery for good. */
export function isRetryableStatus(status: number): boolean {
  return status >= 500 || status === 429
}

/**
 * A failure on our side as an error that PagerDuty retries. The cause's own status must not get through: a handler may well
 * fail with a 403 or 404 of PagerDuty's API.
 */
export function asRetryable(
  cause: unknown,
  message = 'The delivery could not be processed',
): PagerDutyOAuthError {
  if (cause instanceof PagerDutyOAuthError && isRetryableStatus(cause.status)) return cause
  return retryableError('ERR_PAGERDUTY_WEBHOOK_FAILED', message, { cause })
}

/**
 * Calls a function of the app.
 *
 * @throws {PagerDutyOAuthError} it threw or rejected; PagerDuty retries
 */
export async function callAsRetryable<T>(call: () => T | Promise<T>, message: string): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw asRetryable(error, message)
  }
}

/** Milliseconds for everything before the handler. PagerDuty waits five seconds. */
export const checksTimeout = 4_000

export const inProgress = 'ERR_PAGERDUTY_WEBHOOK_IN_PROGRESS'

/** The app or its store did not respond while PagerDuty waits. */
export function checksTimedOut(): WebhookError {
  return retryableError('ERR_PAGERDUTY_WEBHOOK_TIMEOUT', 'Checking the delivery took too long')
}

/** An error that PagerDuty retries; `close` also ends the connection. */
export function retryableError(
  code: string,
  message: string,
  more: { cause?: unknown; retryAfter?: number; close?: boolean; hint?: string } = {},
): WebhookError {
  const { retryAfter = 5, close = false, cause, hint } = more
  const headers = { 'Retry-After': String(retryAfter), ...(close && { Connection: 'close' }) }
  return new WebhookError(message, { code, status: 503, headers, hint, isTransient: true, cause })
}
