import { causeWith, messageOf } from './error-cause'

/** What every error of this package carries besides its message. */
export interface ErrorDetails {
  /** Stable name of the fault: an RFC error code where one exists, else `ERR_PAGERDUTY_…`. */
  code: string
  /** HTTP status of the response. */
  status: number
  /** Headers of the response, such as `WWW-Authenticate` or `Retry-After`. */
  headers?: Readonly<Record<string, string>> | undefined
  /** What a developer or operator can do about it. Never sent to a browser. */
  hint?: string | undefined
  /** Whether a retry may succeed a little later. */
  isTransient?: boolean | undefined
  /** The error underneath, where it is known to hold no secret. */
  cause?: unknown
}

/**
 * Base of all errors of this package. Express uses `status` and `headers` as they are, so even an unhandled one gives a correct
 * response.
 *
 * No instance ever holds a token, a secret or a response body.
 */
export class PagerDutyOAuthError extends Error {
  /** The class by name: for logs, and between two copies of the package, where `instanceof` fails. */
  override name = 'PagerDutyOAuthError'
  /** Stable name of the fault: an RFC error code where one exists, else `ERR_PAGERDUTY_…`. */
  readonly code: string
  /** HTTP status of the response. */
  readonly status: number
  /** Headers of the response. */
  readonly headers: Readonly<Record<string, string>>
  /** What a developer or operator can do about it. Never sent to a browser. */
  readonly hint: string | undefined
  /** Whether a retry may succeed a little later. */
  readonly isTransient: boolean
  /**
   * Path where the user logs in; given where an error is responded to, if a login helps. Scripts get it in `toJSON()`, and
   * add `returnTo`.
   */
  declare loginURL?: string | undefined
  /** Path where the user can grant the missing scopes; given where an error is responded to, if that is possible. */
  declare stepUpURL?: string | undefined

  constructor(message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = details.code
    this.status = details.status
    this.headers = details.headers ?? {}
    this.hint = details.hint
    this.isTransient = details.isTransient ?? false
  }

  /**
   * The body of an `application/problem+json` response (RFC 9457). Server errors (5xx) show their code only: what is wrong inside
   * concerns the operator. `loginURL` and `stepUpURL` say where to go on, where there is such a place.
   */
  toJSON(): Record<string, unknown> {
    const { status, code, message, loginURL, stepUpURL } = this
    const title = status >= 500 ? 'The request could not be completed' : message
    return { title, status, code, ...(loginURL && { loginURL }), ...(stepUpURL && { stepUpURL }) }
  }
}

/** An option is missing or contradictory, or middleware is mounted in the wrong order. Thrown at start-up where possible. */
export class ConfigurationError extends PagerDutyOAuthError {
  /** `ConfigurationError`, whatever a bundler calls the class. */
  override name = 'ConfigurationError'
  /** The option at fault, as it is spelled in the options object. */
  readonly option: string

  constructor(option: string, message: string, hint?: string) {
    super(`"${option}" ${message}`, { code: 'ERR_PAGERDUTY_CONFIGURATION', status: 500, hint })
    this.option = option
  }
}

/** No user is logged in. The challenge has no error code, as RFC 6750 section 3.1 requires without credentials. */
export class UnauthorizedError extends PagerDutyOAuthError {
  /** `UnauthorizedError`, whatever a bundler calls the class. */
  override name = 'UnauthorizedError'

  constructor(hint?: string) {
    super('Log in with PagerDuty first', {
      code: 'ERR_PAGERDUTY_UNAUTHORIZED',
      status: 401,
      headers: { 'WWW-Authenticate': 'Bearer' },
      hint,
    })
  }
}

/** PagerDuty has ended the grant. The user has to log in again. */
export class LoginRequiredError extends PagerDutyOAuthError {
  /** `LoginRequiredError`, whatever a bundler calls the class. */
  override name = 'LoginRequiredError'

  constructor() {
    super('This PagerDuty login has ended; log in again', {
      code: 'ERR_PAGERDUTY_LOGIN_REQUIRED',
      status: 401,
      headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' },
    })
  }
}

const notConfigured =
  'PagerDuty quietly leaves out scopes that are not configured on the app; check their spelling and case there.'

/** The granted scopes do not cover what the route needs (RFC 6750 section 3.1, `insufficient_scope`). */
export class InsufficientScopeError extends PagerDutyOAuthError {
  /** `InsufficientScopeError`, whatever a bundler calls the class. */
  override name = 'InsufficientScopeError'
  /** Scopes the route needs. */
  readonly required: readonly string[]
  /** Those of them that were not granted. */
  readonly missing: readonly string[]
  /** Whether one of the required scopes would do. */
  readonly isAny: boolean

  constructor(
    required: readonly string[],
    missing: readonly string[],
    { isAny = false, operation = 'This', hint = notConfigured } = {},
  ) {
    super(`${operation} needs a PagerDuty permission that was not granted: ${missing.join(' ')}`, {
      code: 'insufficient_scope',
      status: 403,
      headers: { 'WWW-Authenticate': `Bearer error="insufficient_scope", scope="${required.join(' ')}"` },
      hint,
    })
    this.required = required
    this.missing = missing
    this.isAny = isAny
  }

  /** The problem document, with `required` and `missing` as extension members (RFC 9457 section 3.2). */
  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), required: this.required, missing: this.missing }
  }
}

/** A webhook delivery is not PagerDuty's, or no delivery at all. */
export class WebhookError extends PagerDutyOAuthError {
  /** `WebhookError`, whatever a bundler calls the class. */
  override name = 'WebhookError'
}

/** The request itself is rejected: a wrong method, a foreign origin. */
export class RequestRefusedError extends PagerDutyOAuthError {
  /** `RequestRefusedError`, whatever a bundler calls the class. */
  override name = 'RequestRefusedError'
}

/** The token store failed. The state of the grant is unknown, and no user is logged out. */
export class TokenStoreError extends PagerDutyOAuthError {
  /** `TokenStoreError`, whatever a bundler calls the class. */
  override name = 'TokenStoreError'

  constructor(message: string, cause?: unknown) {
    super(message, {
      code: 'ERR_PAGERDUTY_TOKEN_STORE',
      status: 503,
      headers: { 'Retry-After': '2' },
      hint: 'Check that the token store is reachable, writable and fast: npx passport-pagerduty doctor.',
      isTransient: true,
      // Redis errors carry the whole command.
      cause: cause instanceof Error ? causeWith(messageOf(cause), cause) : undefined,
    })
  }
}

/** For work that a closed instance does not start. A store error by class: callers treat both alike. @internal */
export function closedError(): TokenStoreError {
  const error = new TokenStoreError('pd.close() was called, so this process requests no more tokens')
  const hint = 'Call it when no request is left that may need it, as in the callback of server.close().'
  return Object.assign(error, { code: 'ERR_PAGERDUTY_CLOSED', hint })
}

/**
 * How events and metrics name an error: its `code`, or its class where it is not this package's.
 *
 * @internal
 */
export function reasonOf(error: unknown): string {
  if (error instanceof PagerDutyOAuthError) return error.code
  const { name } = Object(error) as { name?: unknown }
  return typeof name === 'string' && /^\w{1,64}$/.test(name) ? name : 'unknown'
}
