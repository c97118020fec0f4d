import { ExchangeError, readText } from '../http/bounded-fetch'
import { withinDeadline } from '../async/timeout'
import { APIError } from '../pagerduty-errors'
import { InsufficientScopeError, type PagerDutyOAuthError, UnauthorizedError } from '../errors'
import { parseRetryAfter } from '../http/retry-after'
import { isScopeToken } from '../scopes/scope'

const maxBytes = 64 * 1024
const timeout = 5_000
/** More than any operation of PagerDuty needs. A limit, because they go into a header. */
const mostScopes = 50

/**
 * An error response of PagerDuty's REST API as an error that guards and `pd.errors()` can handle:
 * {@link InsufficientScopeError} where the token lacks a scope, {@link UnauthorizedError} for a 401, else {@link APIError}.
 * The body of the response stays readable.
 *
 * @see https://developer.pagerduty.com/docs/errors
 * @returns undefined for a status below 400
 *
 * @example
 * const answer = await req.pagerduty.fetch('/incidents')
 * if (!answer.ok) throw await apiError(answer)
 */
export async function apiError(answer: Response): Promise<PagerDutyOAuthError | undefined> {
  if (answer.status < 400) return undefined
  const error = errorOf(await textOf(answer))
  const required = scopesOf(error['required_scopes'])
  if (answer.status === 403 && required.length > 0) {
    const held = scopesOf(error['token_scopes'])
    const missing = required.filter((scope) => !held.includes(scope))
    return new InsufficientScopeError(required, missing.length > 0 ? missing : required)
  }
  if (answer.status === 401) return new UnauthorizedError()
  const { code } = error
  return new APIError(`PagerDuty’s REST API answered ${answer.status}${described(error['message'])}`, {
    httpStatus: answer.status,
    apiCode: typeof code === 'number' ? code : undefined,
    retryAfter: parseRetryAfter(answer.headers),
  })
}

/** The body, unless it was read already, is late or too long. */
async function textOf(answer: Response): Promise<string | undefined> {
  if (answer.bodyUsed || answer.body?.locked) return undefined
  const text = readText(answer.clone(), maxBytes)
  return withinDeadline(text, timeout, () => new ExchangeError('timeout')).catch(() => undefined)
}

/** The member `error` of the body; empty for anything else, such as the text of a 401. */
function errorOf(text: string | undefined): Record<string, unknown> {
  try {
    const { error } = Object(JSON.parse(text ?? '')) as { error?: unknown }
    return typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** From one string, as PagerDuty sends it, or a list. Only what can be a scope may get into a header. */
function scopesOf(value: unknown): string[] {
  const strings = [value].flat().filter((text) => typeof text === 'string')
  const tokens = strings.flatMap((text) => text.split(/[\s,]+/))
  return [...new Set(tokens)]
    .filter((token) => isScopeToken(token) && token.length <= 100)
    .slice(0, mostScopes)
}

function described(message: unknown): string {
  return typeof message === 'string' && /^[\w .,:;'()/-]{1,200}$/.test(message) ? `: ${message}` : ''
}
