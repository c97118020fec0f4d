import { type ErrorDetails, PagerDutyOAuthError } from './errors'

/**
 * Why no login could be finished for a callback's `state`. `missing`: it has none. `expired`: the login took too
 * long, twice. `otherBrowser`: no login is pending in this browser: it was begun in another one or on another host, or is
 * finished, or cookies are blocked. `unknown`: others are pending here, but not this one: it is finished, or was begun
 * elsewhere. `otherStrategy`: it was begun by another strategy of this app. `unreadable`: its cookie was encrypted with another
 * secret, for another client or callback URL, or is altered. `used`: it was redeemed before, and nothing came of that. Any of
 * them may be a forgery.
 */
export type StateMismatch =
  | 'missing'
  | 'expired'
  | 'otherBrowser'
  | 'unknown'
  | 'otherStrategy'
  | 'unreadable'
  | 'used'

/** PagerDuty's authorization response, as the browser brought it back, does not give a login. */
export class AuthorizationResponseError extends PagerDutyOAuthError {
  /** `AuthorizationResponseError`, or `LoginRefusal` where `verify` denied the login. */
  override name = 'AuthorizationResponseError'
  /** Why no login could be finished for its `state`; undefined where something else is wrong. */
  readonly stateMismatch: StateMismatch | undefined

  constructor(message: string, details: ErrorDetails & { stateMismatch?: StateMismatch }) {
    super(message, details)
    this.stateMismatch = details.stateMismatch
  }
}

/** The token endpoint rejected the request, did not respond, or responded with something that is not a token. */
export class TokenEndpointError extends PagerDutyOAuthError {
  /** `TokenEndpointError`, whatever a bundler calls the class. */
  override name = 'TokenEndpointError'
  /** The RFC 6749 section 5.2 error code that PagerDuty sent, if it sent one. */
  readonly error: string | undefined
  /** PagerDuty's HTTP status; undefined without a response. */
  readonly httpStatus: number | undefined
  /** Seconds that PagerDuty asked to wait (`Retry-After` or `ratelimit-reset`), at most 900. */
  readonly retryAfter: number | undefined

  constructor(
    message: string,
    details: Omit<ErrorDetails, 'headers'> & {
      error?: string | undefined
      httpStatus?: number | undefined
      retryAfter?: number | undefined
    },
  ) {
    const retry = details.retryAfter ?? (details.isTransient || details.status === 503 ? 5 : undefined)
    super(message, { ...details, headers: retry === undefined ? {} : { 'Retry-After': String(retry) } })
    this.error = details.error
    this.httpStatus = details.httpStatus
    this.retryAfter = details.retryAfter
  }
}

/** The id_token is missing, or does not prove who logged in. */
export class IDTokenError extends PagerDutyOAuthError {
  /** `IDTokenError`, whatever a bundler calls the class. */
  override name = 'IDTokenError'
}

/** PagerDuty granted less than was requested, to a login or for an app token; or its API needs a scope that an app token lacks. */
export class ScopeNotGrantedError extends PagerDutyOAuthError {
  /** `ScopeNotGrantedError`, whatever a bundler calls the class. */
  override name = 'ScopeNotGrantedError'
  /** What was requested, or what the API needs. */
  readonly requested: readonly string[]
  /** What PagerDuty issued. */
  readonly granted: readonly string[]
  /** The difference. */
  readonly missing: readonly string[]

  constructor(
    requested: readonly string[],
    granted: readonly string[],
    details: { message?: string; status?: number; hint?: string; retryAfter?: number } = {},
  ) {
    const missing = requested.filter((scope) => !granted.includes(scope))
    const { message = `PagerDuty issued an app token without: ${missing.join(' ')}`, status = 503 } = details
    super(message, {
      code: 'ERR_PAGERDUTY_SCOPE_NOT_GRANTED',
      status,
      headers: status === 503 ? { 'Retry-After': String(details.retryAfter ?? 30) } : {},
      hint:
        details.hint ??
        'Add the missing scopes to the app at PagerDuty, and check their spelling and case; check account too.',
    })
    this.requested = requested
    this.granted = granted
    this.missing = missing
  }
}

/** PagerDuty's REST API responded with an error, or could not be reached. */
export class APIError extends PagerDutyOAuthError {
  /** `APIError`, whatever a bundler calls the class. */
  override name = 'APIError'
  /** PagerDuty's HTTP status; undefined without a response. */
  readonly httpStatus: number | undefined
  /** PagerDuty's own error code, such as 2100, if it sent one. */
  readonly apiCode: number | undefined
  /** Seconds that PagerDuty asked to wait (`ratelimit-reset` or `Retry-After`). */
  readonly retryAfter: number | undefined

  constructor(
    message: string,
    details: {
      httpStatus: number | undefined
      apiCode?: number | undefined
      retryAfter?: number | undefined
      hint?: string | undefined
      cause?: unknown
    },
  ) {
    const { httpStatus, apiCode, retryAfter, hint, cause } = details
    const isTransient = httpStatus === undefined || httpStatus === 429 || httpStatus >= 500
    super(message, {
      code: httpStatus === undefined ? 'ERR_PAGERDUTY_API_UNREACHABLE' : 'ERR_PAGERDUTY_API',
      status: isTransient ? 503 : httpStatus === 403 || httpStatus === 404 ? httpStatus : 502,
      headers: isTransient ? { 'Retry-After': String(retryAfter ?? 5) } : {},
      hint,
      isTransient,
      cause,
    })
    this.httpStatus = httpStatus
    this.apiCode = apiCode
    this.retryAfter = retryAfter
  }
}
