import type { Request } from 'express'

/** A response as a value, so that a fault can replace it. A string body is sent unchanged, anything else as JSON. */
export interface Reply {
  status: number
  headers?: Record<string, string>
  body: unknown
}

/** Thrown when a request is rejected; has the complete response. */
export class Refusal extends Error {
  override name = 'Refusal'
  readonly reply: Reply

  constructor(reply: Reply) {
    super(`answered ${reply.status}`)
    this.reply = reply
  }
}

/** RFC 6749 section 5.2. */
export function oauthError(error: string, description: string, status = 400): Reply {
  return { status, body: { error, error_description: description } }
}

/** An error of the REST API, which is not that of OAuth. */
export function apiError(status: number, message: string, code?: number, errors?: string[]): Reply {
  return { status, body: { error: { message, code, errors } } }
}

export const rateLimitError = { error: { message: 'Rate Limit Exceeded', code: 2020 } }

export function rateLimitHeaders(limit: number, remaining: number, seconds: number): Record<string, string> {
  return {
    'ratelimit-limit': `${limit}`,
    'ratelimit-remaining': `${remaining}`,
    // Seconds to wait, not a point in time.
    'ratelimit-reset': `${Math.ceil(seconds)}`,
  }
}

export type Parameters = ReadonlyMap<string, string>

/** Parameters that occur once each; RFC 6749 section 3.1 allows no repetition. */
export function singleParameters(search: string): { parameters: Parameters; repeated: string | undefined } {
  const parameters = new Map<string, string>()
  let repeated: string | undefined
  for (const [name, value] of new URLSearchParams(search)) {
    if (parameters.has(name)) repeated ??= name
    else parameters.set(name, value)
  }
  return { parameters, repeated }
}

export function queryOf(req: Request): string {
  const start = req.originalUrl.indexOf('?')
  return start < 0 ? '' : req.originalUrl.slice(start + 1)
}

/** The raw body; a request without one has no string there, whichever Express it is. */
export function bodyOf(req: Request): string {
  return typeof req.body === 'string' ? req.body : ''
}

/** The form of a token or revocation request, rejected unless it is sent in the one way that PagerDuty accepts. */
export function readForm(req: Request): Parameters {
  if (queryOf(req) !== '') refuse('Parameters belong in the body, not in the URL')
  if (!req.is('application/x-www-form-urlencoded'))
    refuse('The body has to be application/x-www-form-urlencoded')
  const { parameters, repeated } = singleParameters(bodyOf(req))
  if (repeated !== undefined) refuse(`The parameter ${repeated} occurs more than once`)
  return parameters
}

function refuse(description: string): never {
  throw new Refusal(oauthError('invalid_request', description))
}
