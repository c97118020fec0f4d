import { isUint8Array } from 'node:util/types'
import type { Request } from 'express'
import { withinDeadline } from '../async/timeout'
import { ConfigurationError, WebhookError } from '../errors'

/**
 * Bytes beyond the limit that are still read, and thrown away: an answer to a sender that is still sending gets lost with
 * the connection.
 */
const thrownAway = 1024 * 1024

/**
 * The bytes of a request's body as they were received, read here or kept by a body parser before.
 *
 * @param limit bytes; of more than that nothing is kept
 * @param timeout milliseconds for the whole body
 * @throws {WebhookError} too long, compressed, broken off or too slow
 * @throws {ConfigurationError} a body parser has read it and kept no bytes
 */
export async function rawBody(req: Request, limit: number, timeout: number): Promise<Uint8Array> {
  const { 'content-encoding': encoding = '', 'content-length': length } = req.headers
  const refusal = !/^(?:identity)?$/i.test(encoding)
    ? refused('ERR_PAGERDUTY_WEBHOOK_ENCODING', 415, 'PagerDuty’s deliveries are not compressed')
    : Number(length ?? 0) > limit
      ? tooLarge()
      : undefined
  if (refusal !== undefined) {
    const isShort = Number(length ?? 0) <= limit + thrownAway
    if (isShort && isUntouched(req)) await read(req, limit, timeout).catch(() => {})
    throw refusal
  }
  const kept = keptBody(req)
  if (kept === undefined) return read(req, limit, timeout)
  if (kept.byteLength > limit) throw tooLarge()
  return kept
}

/** What `express.raw()`, or a parser with a `verify` that keeps `rawBody`, has left; undefined if nobody has read. */
function keptBody(req: Request): Uint8Array | undefined {
  const { rawBody: kept, body } = req as { rawBody?: unknown; body?: unknown }
  for (const candidate of [kept, body]) {
    if (isUint8Array(candidate)) return candidate
  }
  if (typeof kept === 'string') return Buffer.from(kept)
  // A parser that was not meant for this type leaves the stream alone.
  if (isUntouched(req)) return undefined
  // There was nothing to read.
  if (req.readableEnded && !req.readableDidRead) return new Uint8Array()
  throw new ConfigurationError(
    'webhook',
    'came after a body parser that has read the body: a signature can be checked over the raw bytes only',
    'Mount the webhook before express.json(), or let that keep the bytes: ' +
      'express.json({ limit: "256kb", verify: (req, _res, bytes) => Object.assign(req, { rawBody: bytes }) }).',
  )
}

/** Whether the stream has given nothing away yet, and will give bytes, not text. */
function isUntouched(req: Request): boolean {
  return !req.readableDidRead && !req.readableEnded && req.readableEncoding === null
}

/** Does not end the request: the answer still has to leave by the same connection. */
async function read(req: Request, limit: number, timeout: number): Promise<Uint8Array> {
  if (req.destroyed) throw brokenOff('broken off')
  const chunks: Buffer[] = []
  let size = 0
  let take: (chunk: Buffer) => void = () => {}
  const whole = new Promise<void>((resolve, reject) => {
    take = (chunk) => {
      size += chunk.byteLength
      if (size <= limit) chunks.push(chunk)
      else chunks.length = 0
      if (size > limit + thrownAway) reject(tooLarge())
    }
    req.on('data', take)
    req.once('end', resolve)
    req.once('error', () => reject(brokenOff('broken off')))
    req.once('close', () => reject(brokenOff('broken off')))
  })
  try {
    await withinDeadline(whole, timeout, () => (size > limit ? tooLarge() : brokenOff('too slow')))
  } finally {
    // What comes yet, until the answer closes the connection, goes nowhere.
    req.off('data', take)
  }
  if (size > limit) throw tooLarge()
  return Buffer.concat(chunks)
}

function tooLarge(): WebhookError {
  return refused('ERR_PAGERDUTY_WEBHOOK_TOO_LARGE', 413, 'The delivery is larger than any of PagerDuty’s')
}

/** May well be PagerDuty's, so it is not turned away for good. */
function brokenOff(how: string): WebhookError {
  return new WebhookError(`The delivery was ${how}`, {
    code: 'ERR_PAGERDUTY_WEBHOOK_INCOMPLETE',
    status: 503,
    headers: { Connection: 'close', 'Retry-After': '5' },
    isTransient: true,
  })
}

function refused(code: string, status: number, message: string): WebhookError {
  return new WebhookError(message, { code, status, headers: { Connection: 'close' } })
}
