import type { Request } from 'express'
import { WebhookError } from '../errors'
import { rawBody } from './raw-body'
import { type WebhookDelivery, parseDelivery } from './payload'
import type { WebhookOptions } from './options'
import { isSigned } from './signature'
import { asTrouble, clockIsBehind } from './failures'

const maxBytes = 256 * 1024
/** Milliseconds. PagerDuty hangs up after five seconds. */
const bodyTimeout = 3_500
/** Seconds. */
const clockSkew = 5 * 60

/** What a delivery is checked against. */
export interface WebhookCheck {
  secrets: () => Promise<readonly string[]>
  verifyBearer: WebhookOptions['verifyBearer']
}

/**
 * Reads a delivery and believes nothing of it before its signature; a bearer token never makes up for that, nor the other
 * way round.
 *
 * @throws {PagerDutyOAuthError} a 4xx for what is not PagerDuty's, or no delivery; else our own trouble
 */
export async function checkDelivery(req: Request, check: WebhookCheck): Promise<WebhookDelivery> {
  const signature = req.header('x-pagerduty-signature')
  if (signature === undefined) throw notSigned()
  const body = await rawBody(req, maxBytes, bodyTimeout)
  const secrets = await ours(check.secrets, 'The secret of the webhook could not be had')
  if (!isSigned(signature, body, secrets)) throw signedOtherwise()
  await requireBearer(check, req)
  return parseDelivery(body)
}

/**
 * Whether an event is too old to be PagerDuty's own delivery, or does not say how old it is.
 *
 * @param maxAge seconds
 * @throws {WebhookError} it is from the future
 */
export function isStale({ occurredAt }: WebhookDelivery, maxAge: number): boolean {
  if (maxAge === Infinity) return false
  const age = (Date.now() - occurredAt) / 1000
  if (age < -clockSkew) throw clockIsBehind()
  return !(age <= maxAge)
}

async function requireBearer({ verifyBearer }: WebhookCheck, req: Request): Promise<void> {
  if (verifyBearer === undefined) return
  const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(req.header('authorization') ?? '') ?? []
  const isGood = await ours(
    () => verifyBearer(token, req),
    'The bearer token of the delivery could not be checked',
  )
  if (isGood === true) return
  throw new WebhookError('The bearer token of the delivery is missing or not valid', {
    code: 'ERR_PAGERDUTY_WEBHOOK_BEARER',
    status: 401,
    headers: { 'WWW-Authenticate': token === undefined ? 'Bearer' : 'Bearer error="invalid_token"' },
  })
}

/** Calls a function of the app's. Where it fails, the delivery is not at fault. */
async function ours<T>(call: () => T | Promise<T>, message: string): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw asTrouble(error, message)
  }
}

function notSigned(hint?: string): WebhookError {
  return new WebhookError('The delivery is not signed with the secret of this webhook', {
    code: 'ERR_PAGERDUTY_WEBHOOK_SIGNATURE',
    status: 403,
    hint,
  })
}

function signedOtherwise(): WebhookError {
  return notSigned('If PagerDuty sent it, webhookSecret is not the secret of that subscription.')
}
