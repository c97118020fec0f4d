import type { Request } from 'express'
import { withinDeadline } from './deadline'
import { ConfigurationError, WebhookError } from './errors'

/**
 * The bytes of a request's body as they were received, read here or kept by a body parser before.
 *
 * @param limit bytes; of more than that nothing is kept
 * @param timeout milliseconds for the whole body
 * @throws {WebhookError} too long, compressed, broken off or too slow
 * @throws {ConfigurationError} a body parser has read it and kept no bytes
 */
export async function rawBody(req: Request, limit: number, timeout: number): Promise<Buffer> {
  const encoding = req.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    throw refused('ERR_PAGERDUTY_WEBHOOK_ENCODING', 415, 'PagerDuty’s deliveries are not compressed')
  }
  if (Number(req.headers['content-length'] ?? 0) > limit) throw tooLarge()
  const kept = keptBody(req)
  if (kept === undefined) return withinDeadline(read(req, limit), timeout, () => brokenOff('too slow'))
  if (kept.byteLength > limit) throw tooLarge()
  return kept
}

/** What `express.raw()`, or a parser with a `verify` that keeps `rawBody`, has left. */
function keptBody(req: Request): Buffer | undefined {
  const { rawBody: kept, body } = req as { rawBody?: unknown; body?: unknown }
  for (const candidate of [kept, body]) {
    if (Buffer.isBuffer(candidate)) return candidate
  }
  if (typeof kept === 'string') return Buffer.from(kept)
  // A parser that was not meant for this type leaves the stream alone.
  if (!req.readableDidRead) return undefined
  throw new ConfigurationError(
    'webhook',
    'came after a body parser that has read the body: a signature can be checked over the raw bytes only',
    'Mount the webhook before express.json(), or let it keep the bytes: express.json({ verify: (req, _res, bytes) => { req.rawBody = bytes } }).',
  )
}

/** Does not end the request: the answer still has to leave by the same connection. */
async function read(req: Request, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  return new Promise((resolve, reject) => {
    req.on('data', (chunk: Buffer) => {
      size += chunk.byteLength
      if (size <= limit) return chunks.push(chunk)
      chunks.length = 0
      req.pause()
      return reject(tooLarge())
    })
    req.once('end', () => resolve(Buffer.concat(chunks)))
    req.once('error', () => reject(brokenOff('broken off')))
    req.once('close', () => reject(brokenOff('broken off')))
  })
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
