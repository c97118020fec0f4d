import type { IncomingMessage, ServerResponse } from 'node:http'
import type { NextFunction, Request, Response } from 'express'
import { asError, callApp } from '../async/call-app'
import { PagerDutyOAuthError } from '../errors/errors'
import { AuthorizationResponseError } from '../errors/pagerduty-errors'
import { html, trusted } from './html'
import { pathOf, sameOriginPath, targetOf } from './request-url'

/**
 * Responds to a denial or failure; `next(error)` passes it on to Express, and so does `next()`: it lets no request through to a
 * handler. `pd.errors()` then gives the usual response, if no other error handler of the app responds before. What it throws, or
 * rejects with if it is async, goes to Express too.
 */
export type OnError = (error: PagerDutyOAuthError, req: Request, res: Response, next: NextFunction) => unknown

/** How to respond. @internal */
export interface ErrorResponseOptions {
  /** Path that starts a login, for a link where a login helps. */
  login?: string | undefined
  /** Path of the callback. A login that failed there is begun again, as a callback works once. */
  callback?: string | undefined
  /** The start page, for a link on pages. @default '/' */
  home?: string | undefined
  /** Path that requests the missing scopes at PagerDuty. */
  stepUp?: string | undefined
  onError?: OnError | undefined
  /** Gets each error, also where `onError` responds to it. */
  report?: ((error: PagerDutyOAuthError) => void) | undefined
}

/** Whether a browser navigates, as opposed to a script that fetches something. @internal */
export function isNavigation(req: Request): boolean {
  const mode = req.headers['sec-fetch-mode']
  if (mode !== undefined) {
    return (
      mode === 'navigate' &&
      [undefined, 'document'].includes(req.headers['sec-fetch-dest'] as string | undefined)
    )
  }
  const isScript = String(req.headers['x-requested-with']).toLowerCase() === 'xmlhttprequest'
  return !isScript && (req.headers.accept ?? '').includes('text/html')
}

/**
 * Whether the response was sent already, by a request timeout or another function of the app. Nothing may be written to it
 * then, and nothing may start that needs it.
 * @internal
 */
export function isResponseSent(res: ServerResponse): boolean {
  return res.headersSent
}

/** Keeps a user's response out of every cache, unless the handler sets its own `Cache-Control`. @internal */
export function keepPrivate(req: IncomingMessage, res: ServerResponse): void {
  if (!canRespond(req, res) || isResponseSent(res)) return
  res.setHeader('Cache-Control', 'no-store')
  const header = res.getHeader('Vary')
  const vary = header === undefined ? '' : [header].flat().join(', ')
  if (!/(^|,)\s*(\*|cookie)\s*(,|$)/i.test(vary)) res.setHeader('Vary', vary ? `${vary}, Cookie` : 'Cookie')
}

/** By request: requests that wait for one refresh fail with one error. */
const passedOn = new WeakMap<Request, unknown>()

/** Whether the app's `onError` has passed on this error of a request instead of responding to it. @internal */
export function wasPassedOn(req: Request, error: unknown): boolean {
  return error !== undefined && passedOn.get(req) === error
}

/**
 * Responds to a denial or failure with the error's headers: a small page for a navigation, else `application/problem+json`
 * (RFC 9457). Errors of other packages go to Express.
 * @internal
 */
export function sendError(
  error: unknown,
  req: Request,
  res: Response,
  next: NextFunction,
  options: ErrorResponseOptions,
): void {
  const onError = wasPassedOn(req, error) ? undefined : options.onError
  if (error instanceof PagerDutyOAuthError) options.report?.(error)
  if (!(error instanceof PagerDutyOAuthError) || !canRespond(req, res)) return next(asError(error))
  // Before the app takes over, which may send the error as JSON.
  if (options.login !== undefined && isLoginHelpful(error)) error.loginURL = options.login
  if (options.stepUp !== undefined) error.stepUpURL = options.stepUp
  if (onError !== undefined) {
    // With anything but an error, Express would call the handler or another route.
    const onward = (given?: unknown) => {
      passedOn.set(req, error)
      next(typeof given === 'object' && given !== null ? given : error)
    }
    return callApp(() => onError(error, req, res, onward as NextFunction), next)
  }
  if (isResponseSent(res)) return next(error)
  res.statusCode = error.status
  for (const [name, value] of Object.entries(error.headers)) res.setHeader(name, value)
  res.setHeader('Cache-Control', 'no-store')
  if (!isNavigation(req)) {
    res.setHeader('Content-Type', 'application/problem+json')
    res.end(JSON.stringify(error))
    return
  }
  res.setHeader('Content-Type', 'text/html; charset=utf-8')
  res.setHeader(
    'Content-Security-Policy',
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'",
  )
  res.setHeader('X-Content-Type-Options', 'nosniff')
  res.end(page(error, retryURL(error, req, options), options.home ?? '/'))
}

/**
 * Whether there is a response to write to. At an upgrade to a WebSocket, libraries pass an incomplete response, or one without
 * a socket. A pipelined response has no socket either until its turn comes, so only upgrades are checked.
 * @internal
 */
export function canRespond(req: IncomingMessage, res: ServerResponse): boolean {
  if (typeof res.setHeader !== 'function') return false
  return req.headers.upgrade === undefined || (typeof res.headersSent === 'boolean' && Boolean(res.socket))
}

/** Redirects, unless the response was sent. There is no body, so that nothing is sent before a session is saved. @internal */
export function redirect(res: Response, location: string, status = 302): void {
  if (isResponseSent(res)) return
  res.statusCode = status
  res.setHeader('Location', location)
  res.setHeader('Cache-Control', 'no-store')
  res.setHeader('Content-Length', '0')
  res.end()
}

const style = trusted(`<style>
  :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
  main { max-width: 32rem; margin: 18vh auto 0; padding: 0 1.5rem }
  h1 { font-size: 1.4rem; line-height: 1.3 }
  a { color: inherit }
  code { opacity: .65 }
</style>`)

/** Failures of one login. A user who declined can think again; what the app or PagerDuty denies stays denied. */
const passingFailures = new Set([
  ...['access_denied', 'login_required', 'interaction_required', 'consent_required', 'invalid_grant'],
  ...['ERR_PAGERDUTY_CALLBACK_MALFORMED', 'ERR_PAGERDUTY_LOGIN_ENDED', 'ERR_PAGERDUTY_ALL_LOGINS_ENDED'],
])

/** Whether no user is logged in, or a login failed in a way that another login does not repeat. */
function isLoginHelpful(error: PagerDutyOAuthError): boolean {
  if (error.status === 401) return true
  if (error instanceof AuthorizationResponseError && error.stateMismatch !== undefined) return true
  return passingFailures.has(error.code)
}

/** Where a browser repeats what failed for a while; undefined where a link cannot repeat it. */
function retryURL(
  error: PagerDutyOAuthError,
  req: Request,
  { callback, login }: ErrorResponseOptions,
): string | undefined {
  if (!error.isTransient || req.method !== 'GET') return undefined
  const target = targetOf(req)
  return pathOf(target) === callback ? login : sameOriginPath(target)
}

function page(error: PagerDutyOAuthError, retry: string | undefined, home: string): string {
  const { loginURL, stepUpURL } = error
  const { title, code } = error.toJSON() as { title: string; code: string }
  return html`<!doctype html>
    <html lang="en">
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <link rel="icon" href="data:," />
      <title>${title}</title>
      ${style}
      <main>
        <h1>${title}</h1>
        ${error.isTransient && html`<p>This is likely to pass in a moment.</p>`}
        ${retry !== undefined && html`<p><a href="${retry}">Try again</a></p>`}
        ${loginURL !== undefined && html`<p><a href="${loginURL}">Log in with PagerDuty</a></p>`}
        ${stepUpURL !== undefined && html`<p><a href="${stepUpURL}">Request it from PagerDuty</a></p>`}
        <p><a href="${home}">Home</a></p>
        <p><code>${code}</code></p>
      </main>
    </html>`.text
}
