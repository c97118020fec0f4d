import { type KeyObject, createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'

const mostEntries = 20
const longestHeader = 4096
/** `v1=` and the digits. */
const signatureLength = 67
const signatureBytes = 32

/**
 * Whether a body was signed with one of the secrets: `X-PagerDuty-Signature` holds `v1=` and the hex HMAC-SHA-256 of the
 * body, once for each secret that the subscription has at the moment. Entries of other versions are passed over.
 *
 * @see https://developer.pagerduty.com/docs/webhooks-signatures
 * @param header the header's value; several lines of it joined by commas
 * @param body the bytes as they were received
 * @param secrets as PagerDuty shows them: their text is the key, it is not decoded
 */
export function isSigned(header: string | undefined, body: Uint8Array, secrets: readonly string[]): boolean {
  if (header === undefined || header.length > longestHeader) return false
  const signatures = header.split(',', mostEntries).map(signatureOf)
  let isGood = false
  for (const secret of secrets) {
    // As text and back: a digest that is made as a buffer takes a quarter longer.
    const expected = Buffer.from(createHmac('sha256', keyOf(secret)).update(body).digest('binary'), 'binary')
    // All are compared: how long it takes tells nothing.
    for (const signature of signatures) {
      if (signature !== undefined) isGood = timingSafeEqual(expected, signature) || isGood
    }
  }
  return isGood
}

/** The bytes of an entry: `v1=` and 64 hex digits, with whitespace around. Decoding ends at the first character that is no digit. */
function signatureOf(entry: string): Buffer | undefined {
  const text = entry.length === signatureLength ? entry : withoutBlanks(entry)
  if (text.length !== signatureLength || !text.startsWith('v1=')) return undefined
  const signature = Buffer.from(text.slice(3), 'hex')
  return signature.length === signatureBytes ? signature : undefined
}

/**
 * Without the spaces and tabs at both ends. Not by a regular expression: at the end of a string it takes quadratic time, and
 * anyone may send the header.
 */
function withoutBlanks(entry: string): string {
  let start = 0
  let end = entry.length
  while (isBlank(entry[start])) start++
  while (end > start && isBlank(entry[end - 1])) end--
  return entry.slice(start, end)
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t'
}

const keys = new Map<string, KeyObject>()
const mostKeys = 100

/** Made once for each secret: that costs as much as hashing a few hundred bytes. */
function keyOf(secret: string): KeyObject {
  let key = keys.get(secret)
  if (key === undefined) {
    key = createSecretKey(secret, 'utf8')
    if (keys.size >= mostKeys) keys.clear()
    keys.set(secret, key)
  }
  return key
}
