import type { Request } from 'express'
import { WebhookError } from '../errors/errors'
import { callAsRetryable, retryableError } from './failures'
import type { WebhookOptions } from './options'
import { type AnyWebhookEvent, parseEvent } from './payload'
import { rawBody } from './raw-body'
import { isSigned } from './signature'

/** Bytes of a body. */
export const maxBytes = 256 * 1024
/** Milliseconds. PagerDuty hangs up after five seconds. */
const bodyTimeout = 3_500
/** Seconds. */
const clockTolerance = 5 * 60

type VerifyBearer = NonNullable<WebhookOptions['verifyBearer']>

/**
 * The event of a delivery. Nothing is trusted before its signature; a bearer token does not replace it, nor the other way
 * round.
 *
 * @throws {PagerDutyOAuthError} a 4xx if PagerDuty did not send it, or it is no delivery; otherwise a failure on our side
 */
export async function verifyDelivery(
  req: Request,
  secrets: () => Promise<readonly string[]>,
  verifyBearer: VerifyBearer | undefined,
): Promise<AnyWebhookEvent> {
  const signature = req.header('x-pagerduty-signature')
  if (signature === undefined) throw notSigned()
  const body = await rawBody(req, maxBytes, bodyTimeout)
  await requireSignature(signature, body, secrets)
  if (verifyBearer !== undefined) await requireBearer(req, verifyBearer)
  return parseEvent(body)
}

/**
 * The event of a signed body.
 *
 * @throws {PagerDutyOAuthError} likewise
 */
export async function eventOf(
  signature: string | undefined,
  body: Uint8Array,
  secrets: () => Promise<readonly string[]>,
): Promise<AnyWebhookEvent> {
  await requireSignature(signature, body, secrets)
  return parseEvent(body)
}

async function requireSignature(
  signature: string | undefined,
  body: Uint8Array,
  secrets: () => Promise<readonly string[]>,
): Promise<void> {
  if (signature === undefined) throw notSigned()
  const current = await callAsRetryable(secrets, 'The webhook secret could not be obtained')
  if (isSigned(signature, body, current)) return
  throw notSigned('If PagerDuty sent it, the webhook secret is not that of the subscription.')
}

/**
 * Whether an event is too old to be a delivery from PagerDuty, or does not say how old it is.
 *
 * @param maxAge seconds
 * @throws {WebhookError} it is from the future
 */
export function isExpired({ occurred_at: at }: AnyWebhookEvent, maxAge: number): boolean {
  if (maxAge === Infinity) return false
  const age = (Date.now() - (typeof at === 'string' ? Date.parse(at) : NaN)) / 1000
  if (age < -clockTolerance) {
    const message = 'The event occurred in the future, by the clock of this machine'
    throw retryableError('ERR_PAGERDUTY_WEBHOOK_CLOCK', message, { hint: 'Check the clock of this machine.' })
  }
  return !(age <= maxAge)
}

async function requireBearer(req: Request, verify: VerifyBearer): Promise<void> {
  const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(req.header('authorization') ?? '') ?? []
  const message = 'The bearer token of the delivery could not be checked'
  if ((await callAsRetryable(() => verify(token, req), message)) === true) return
  throw new WebhookError('The bearer token of the delivery is missing or not valid', {
    code: 'ERR_PAGERDUTY_WEBHOOK_BEARER',
    status: 401,
    headers: { 'WWW-Authenticate': token === undefined ? 'Bearer' : 'Bearer error="invalid_token"' },
  })
}

function notSigned(hint?: string): WebhookError {
  return new WebhookError('The delivery is not signed with the secret of this webhook', {
    code: 'ERR_PAGERDUTY_WEBHOOK_SIGNATURE',
    status: 403,
    hint,
  })
}
