import { type KeyObject, createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'

const maxEntries = 20
const maxLength = 4096

/**
 * Whether a body was signed with one of the secrets: `X-PagerDuty-Signature` holds `v1=` and the hex HMAC-SHA-256 of the
 * body, once for each secret that the subscription currently has. Entries of other versions are ignored.
 *
 * @see https://developer.pagerduty.com/docs/webhooks-signatures
 * @param header the header's value; several lines of it joined by commas
 * @param body the bytes as received
 * @param secrets as PagerDuty shows them: the string itself is the key, it is not decoded
 */
export function isSigned(header: string | undefined, body: Uint8Array, secrets: readonly string[]): boolean {
  if (header === undefined || header.length > maxLength) return false
  const signatures = header.split(',', maxEntries).map(signatureOf)
  let isMatch = false
  for (const secret of secrets) {
    // As a string and back: a digest that is made as a buffer takes a quarter longer.
    const expected = Buffer.from(createHmac('sha256', keyOf(secret)).update(body).digest('binary'), 'binary')
    // No early exit: the time must not depend on which one matches.
    for (const signature of signatures) {
      if (signature !== undefined) isMatch = timingSafeEqual(expected, signature) || isMatch
    }
  }
  return isMatch
}

/** The bytes of an entry, which may have whitespace around it. Decoding stops at the first character that is no hex digit. */
function signatureOf(entry: string): Buffer | undefined {
  // Most have none. The pattern is anchored, and so takes linear time: anyone may send the header.
  const signature = entry.length === 67 ? entry : /^[ \t]*(v1=[\da-fA-F]{64})[ \t]*$/.exec(entry)?.[1]
  if (signature?.startsWith('v1=') !== true) return undefined
  const bytes = Buffer.from(signature.slice(3), 'hex')
  return bytes.length === 32 ? bytes : undefined
}

const keys = new Map<string, KeyObject>()
const maxKeys = 100

/** Creating a key costs as much as hashing a few hundred bytes. */
function keyOf(secret: string): KeyObject {
  let key = keys.get(secret)
  if (key === undefined) {
    key = createSecretKey(secret, 'utf8')
    if (keys.size >= maxKeys) keys.clear()
    keys.set(secret, key)
  }
  return key
}
