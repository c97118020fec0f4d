import type { Client } from './client'
import { AuthorizationResponseError } from '../errors/pagerduty-errors'
import { pathOf, queryOf } from '../http/request-url'

/** What the browser brings back from PagerDuty (RFC 6749 section 4.1.2, RFC 9207). */
export interface AuthorizationResponse {
  readonly state: string
  readonly code: string | undefined
  readonly error: string | undefined
}

const members = ['code', 'state', 'error', 'iss'] as const
const longestMember = 2048

/** Errors that a login can end with (RFC 6749 section 4.1.2.1, OpenID Connect Core 3.1.2.6); errors repeat no other. */
export const authorizationErrors: ReadonlySet<string> = new Set([
  'access_denied',
  'invalid_request',
  'unauthorized_client',
  'unsupported_response_type',
  'invalid_scope',
  'server_error',
  'temporarily_unavailable',
  'interaction_required',
  'login_required',
  'consent_required',
])

/**
 * Reads an authorization response from the URL of a request, whatever query parser the app uses.
 *
 * @returns undefined for a request that is no callback: another path, and neither code nor error
 * @throws {AuthorizationResponseError} for a callback that cannot finish a login
 */
export function readAuthorizationResponse(client: Client, url: string): AuthorizationResponse | undefined {
  const query = queryOf(url)
  const isAtCallback = pathOf(url) === client.callbackPath
  if (!isAtCallback && !query.has('code') && !query.has('error')) return undefined
  const { code, state, error, iss } = readMembers(query)
  if (code === undefined ? error === undefined : error !== undefined) {
    throw code === undefined
      ? malformed(
          'has neither a code nor an error: it was not PagerDuty that led here',
          'There is no login to finish here',
        )
      : malformed('has a code and an error')
  }
  if (state === undefined) {
    throw new AuthorizationResponseError('This login was not begun here', {
      code: 'ERR_PAGERDUTY_STATE_MISSING',
      status: 400,
      stateMismatch: 'missing',
      hint: 'The callback came without a state: it was not sent by PagerDuty for a login of this app.',
    })
  }
  if (iss !== undefined && !client.issuers.includes(iss)) throw malformed('comes from another issuer')
  return {
    state,
    code,
    error: error === undefined || authorizationErrors.has(error) ? error : 'unknown_error',
  }
}

function readMembers(query: URLSearchParams): Partial<Record<(typeof members)[number], string>> {
  const found: Partial<Record<(typeof members)[number], string>> = {}
  const seen = new Set<string>()
  for (const [key, value] of query) {
    const member = members.find(
      (name) => key === name || key.startsWith(`${name}[`) || key.startsWith(`${name}.`),
    )
    if (member === undefined) continue
    if (key !== member || seen.has(member)) throw malformed(`has "${member}" more than once`)
    seen.add(member)
    if (value.length > longestMember || /[\p{Cc}\ufffd]/u.test(value)) {
      throw malformed(`has a "${member}" that is too long, or has a control character`)
    }
    if (value !== '') found[member] = value
  }
  return found
}

/** A denied or failed login, by its code. */
export function refusedLogin(error: string): AuthorizationResponseError {
  const isTransient = error === 'server_error' || error === 'temporarily_unavailable'
  const isDenied = error === 'access_denied'
  return new AuthorizationResponseError(
    isDenied ? 'Access was denied at PagerDuty' : 'PagerDuty did not complete the login',
    {
      code: error,
      status: isDenied ? 403 : isTransient ? 503 : 400,
      headers: isTransient ? { 'Retry-After': '10' } : {},
      isTransient,
      hint: isDenied
        ? undefined
        : 'Check the app’s redirect URL, scopes and kind of OAuth functionality at PagerDuty.',
    },
  )
}

/** The visitor reads what to do, the operator what is wrong. */
function malformed(what: string, title = 'This login cannot be finished'): AuthorizationResponseError {
  return new AuthorizationResponseError(`${title}; log in again`, {
    code: 'ERR_PAGERDUTY_CALLBACK_MALFORMED',
    status: 400,
    hint: `The callback ${what}.`,
  })
}
