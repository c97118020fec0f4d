import type { IncomingMessage } from 'node:http'
import { RequestRefusedError } from '../errors/errors'

/**
 * Rejects a request that a page of another site sent. Browsers say so in `Sec-Fetch-Site`, older ones only in `Origin`; a
 * request with neither comes from no browser, and carries no cookie against its user's will.
 *
 * @param origins the app's own, from `callbackURL` and `trustedOrigins`: the Host header may be forged
 * @throws {RequestRefusedError}
 * @see https://pkg.go.dev/net/http#CrossOriginProtection, which it follows, but for the Host header
 */
export function requireOwnPage(req: IncomingMessage, origins: readonly string[]): void {
  const { origin: sender, 'sec-fetch-site': site } = req.headers
  if (site === 'same-origin' || site === 'none') return
  if (sender === undefined ? site === undefined : origins.includes(sender)) return
  throw new RequestRefusedError('A page of another site sent this request, so it was not processed', {
    code: 'ERR_PAGERDUTY_FOREIGN_ORIGIN',
    status: 403,
    hint: `Send it from a page of ${origins.join(' or ')}, or list its origin in trustedOrigins if it is the app's own.`,
  })
}
