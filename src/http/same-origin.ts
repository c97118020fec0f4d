import type { IncomingMessage } from 'node:http'
import { RequestRefusedError } from '../errors'

/**
 * Rejects a request that a page of another site sent. Browsers say so in `Sec-Fetch-Site`, older ones only in `Origin`; a
 * request with neither comes from no browser, and carries no cookie against its user's will.
 *
 * @param origin the app's own, from `callbackURL`: the Host header may be forged
 * @throws {RequestRefusedError}
 * @see https://pkg.go.dev/net/http#CrossOriginProtection, which it follows, but for the Host header
 */
export function requireOwnPage(req: IncomingMessage, origin: string): void {
  const { origin: sender, 'sec-fetch-site': site } = req.headers
  if (site === 'same-origin' || site === 'none' || sender === origin) return
  if (site === undefined && sender === undefined) return
  throw new RequestRefusedError('A page of another site sent this request, so it was not processed', {
    code: 'ERR_PAGERDUTY_FOREIGN_ORIGIN',
    status: 403,
    hint: `Send it from a page of ${origin}, the origin of callbackURL.`,
  })
}
