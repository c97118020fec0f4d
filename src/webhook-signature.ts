import { type KeyObject, createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'

const mostEntries = 20
const longestHeader = 4096
const signatureLength = 67

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
  const entries = header.includes(',') ? header.split(',', mostEntries) : [header]
  let isGood = false
  for (const secret of secrets) {
    const expected = createHmac('sha256', keyOf(secret)).update(body).digest()
    // All are compared: how long it takes tells nothing.
    for (const entry of entries) {
      if (isRead(entry)) isGood = timingSafeEqual(expected, given) || isGood
    }
  }
  return isGood
}

/** The signature that was read last. A check is over before another one begins. */
const given = Buffer.alloc(32)

/** Reads an entry, `v1=` and 64 hex digits with blanks around. Decoding ends at the first character that is no digit. */
function isRead(entry: string): boolean {
  const text = entry.length === signatureLength ? entry : entry.replace(/^[ \t]+|[ \t]+$/g, '')
  return (
    text.length === signatureLength &&
    text.startsWith('v1=') &&
    given.write(text.slice(3), 'hex') === given.length
  )
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
