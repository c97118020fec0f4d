import { isUint8Array } from 'node:util/types'
import type { Request } from 'express'
import { withinDeadline } from '../async/timeout'
import { ConfigurationError, WebhookError } from '../errors/errors'
import { retryableError } from './failures'

/** Bytes beyond the limit that are read and discarded: a sender that is still sending would lose the response. */
const discardLimit = 1024 * 1024

/**
 * The bytes of a request's body as received: read here, or kept by a body parser before.
 *
 * @param limit bytes; nothing is kept of a longer body
 * @param timeout milliseconds for the whole body
 * @throws {WebhookError} too long, compressed, incomplete or too slow
 * @throws {ConfigurationError} a body parser has read it and kept no bytes
 */
export async function rawBody(req: Request, limit: number, timeout: number): Promise<Uint8Array> {
  const { 'content-encoding': encoding = '', 'content-length': length = 0 } = req.headers
  const isEncoded = !/^(?:identity)?$/i.test(encoding)
  if (isEncoded || Number(length) > limit) {
    const isShort = Number(length) <= limit + discardLimit
    if (isShort && isUnread(req)) await read(req, limit, timeout).catch(() => {})
    if (!isEncoded) throw tooLarge()
    throw rejected('ERR_PAGERDUTY_WEBHOOK_ENCODING', 415, 'PagerDuty’s deliveries are not compressed')
  }
  const kept = keptBody(req)
  if (kept === undefined) return read(req, limit, timeout)
  if (kept.byteLength > limit) throw tooLarge()
  return kept
}

/** What `express.raw()`, or a parser with a `verify` that keeps `rawBody`, has left; undefined if the body is unread. */
function keptBody(req: Request): Uint8Array | undefined {
  const { rawBody: kept, body } = req as { rawBody?: unknown; body?: unknown }
  if (isUint8Array(kept)) return kept
  if (isUint8Array(body)) return body
  if (typeof kept === 'string') return Buffer.from(kept)
  // A parser for other types leaves the stream alone.
  if (isUnread(req)) return undefined
  if (req.readableEnded && !req.readableDidRead) return new Uint8Array() // There was nothing to read.
  throw new ConfigurationError(
    'webhook',
    'came after a body parser that has read the body: a signature can be checked over the raw bytes only',
    'Mount the webhook before express.json(), or let that keep the bytes: ' +
      'express.json({ limit: "256kb", verify: (req, _res, bytes) => Object.assign(req, { rawBody: bytes }) }).',
  )
}

/** Whether nothing was read from the stream yet, and it gives bytes, not strings. */
function isUnread(req: Request): boolean {
  return !req.readableDidRead && !req.readableEnded && req.readableEncoding === null
}

/** Does not end the request: the response needs the connection. */
async function read(req: Request, limit: number, timeout: number): Promise<Uint8Array> {
  if (req.destroyed) throw incomplete('broken off')
  const chunks: Buffer[] = []
  let size = 0
  let take: (chunk: Buffer) => void = () => {}
  const ended = new Promise<void>((resolve, reject) => {
    take = (chunk) => {
      size += chunk.byteLength
      if (size <= limit) chunks.push(chunk)
      else chunks.length = 0
      if (size > limit + discardLimit) reject(tooLarge())
    }
    const breakOff = () => reject(incomplete('broken off'))
    req.on('data', take).once('end', resolve).once('error', breakOff).once('close', breakOff)
  })
  try {
    await withinDeadline(ended, timeout, () => (size > limit ? tooLarge() : incomplete('too slow')))
  } finally {
    // Nothing is kept of what arrives until the response closes the connection.
    req.off('data', take)
  }
  if (size > limit) throw tooLarge()
  return Buffer.concat(chunks)
}

/** PagerDuty may well have sent it, so it is asked to retry. */
function incomplete(how: string): WebhookError {
  return retryableError('ERR_PAGERDUTY_WEBHOOK_INCOMPLETE', `The delivery was ${how}`, { close: true })
}

export function tooLarge(): WebhookError {
  return rejected('ERR_PAGERDUTY_WEBHOOK_TOO_LARGE', 413, 'The delivery is larger than any of PagerDuty’s')
}

function rejected(code: string, status: number, message: string): WebhookError {
  return new WebhookError(message, { code, status, headers: { Connection: 'close' } })
}
