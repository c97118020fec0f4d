import type { RequestHandler } from 'express'
import { type OptionType, requireSpelling, requireTypes } from '../errors/known-members'
import { type OnError, sendError } from '../http/error-response'
import { requireOwnPage } from '../http/same-origin'
import type { ClientOptions } from '../oauth/client-options'
import { originsOf, requireCallbackURLs } from '../oauth/require-url'

/** Options of {@link requireSameOrigin}: those of the strategy will do. */
export interface SameOriginOptions extends Pick<ClientOptions, 'callbackURL' | 'trustedOrigins'> {
  /** Takes over the responses. */
  onError?: OnError | undefined
}

const table: Record<keyof SameOriginOptions, OptionType> = {
  callbackURL: true,
  trustedOrigins: true,
  onError: 'function',
}

/** They change nothing (RFC 9110 section 9.2.1). */
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Lets a request pass that changes something only if a page of the app sent it, as `Sec-Fetch-Site` and `Origin` say, or no browser
 * at all: against cross-site request forgery. For an app that mounts individual middleware; `pd.requireSameOrigin()` knows the origins.
 *
 * @throws {ConfigurationError} at start-up, for what is no URL or origin
 */
export function requireSameOrigin(options: SameOriginOptions): RequestHandler {
  requireSpelling('requireSameOrigin()', Object(options) as object, Object.keys(table))
  requireTypes(Object(options) as object, table)
  const { callbackURL, trustedOrigins, onError } = Object(options) as SameOriginOptions
  return sameOriginGuard(originsOf(requireCallbackURLs(callbackURL), trustedOrigins), { onError })
}

/** @internal */
export function sameOriginGuard(
  origins: readonly string[],
  options: { home?: string | undefined; onError?: OnError | undefined },
): RequestHandler {
  return function pagerdutySameOrigin(req, res, next) {
    try {
      if (!safeMethods.has(req.method)) requireOwnPage(req, origins)
    } catch (error) {
      return sendError(error, req, res, next, options)
    }
    next()
  }
}
