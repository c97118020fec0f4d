import { createHmac, timingSafeEqual } from 'node:crypto'

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
  const signatures = signaturesOf(header)
  let isGood = false
  for (const secret of secrets) {
    const expected = createHmac('sha256', secret).update(body).digest()
    // All are compared: how long it takes tells nothing.
    for (const signature of signatures) isGood = timingSafeEqual(expected, signature) || isGood
  }
  return isGood
}

function signaturesOf(header: string | undefined): Buffer[] {
  if (header === undefined || header.length > longestHeader) return []
  return header.split(',', mostEntries).flatMap((entry) => {
    const [, hex] = /^[ \t]*v1=([0-9a-fA-F]{64})[ \t]*$/.exec(entry) ?? []
    return hex === undefined ? [] : [Buffer.from(hex, 'hex')]
  })
}
