import { randomBytes } from 'node:crypto'
import type { RequestHandler, Response } from 'express'
import { rateLimit } from 'express-rate-limit'
import helmet from 'helmet'

/** The nonce that lets the page's one inline script run. */
export function nonceOf(res: Response): string {
  return String((res.locals['nonce'] ??= randomBytes(16).toString('base64')))
}

/** Headers for pages that load nothing from elsewhere. */
export function securityHeaders(origin: string): RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: [(_req, res) => `'nonce-${nonceOf(res as Response)}'`],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        connectSrc: ["'self'"],
        // The login is a link; a login *form* would need PagerDuty's identity origin here, as Chromium holds the
        // redirects after a form to this list as well.
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    // Helmet's "no-referrer" makes browsers send `Origin: null` with our own forms.
    referrerPolicy: { policy: 'same-origin' },
    strictTransportSecurity: origin.startsWith('https:'),
  })
}

/** Lets one address begin or finish 60 logins a minute. */
export function loginLimit(): RequestHandler {
  return limit(60, 'Too many logins from this address. Wait a minute, then try again.')
}

/** Lets one address deliver 600 webhooks a minute; PagerDuty sends a delivery again after a 429. */
export function webhookLimit(): RequestHandler {
  return limit(600, 'Too many deliveries from this address. Send them again in a minute.')
}

function limit(perMinute: number, message: string): RequestHandler {
  return rateLimit({
    windowMs: 60_000,
    limit: perMinute,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    message,
  })
}
