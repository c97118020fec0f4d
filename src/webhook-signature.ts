import { type KeyObject, createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'

const mostEntries = 20
const longestHeader = 4096

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

/** Reads an entry, if it is a signature. */
function isRead(entry: string): boolean {
  const [, hex] = /^[ \t]*v1=([0-9a-fA-F]{64})[ \t]*$/.exec(entry) ?? []
  return hex !== undefined && given.write(hex, 'hex') === given.length
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
