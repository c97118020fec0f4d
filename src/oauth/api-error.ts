import { ExchangeError, readText } from '../http/bounded-fetch'
import { withinDeadline } from '../async/timeout'
import { APIError, InsufficientScopeError, type PagerDutyOAuthError, UnauthorizedError } from '../errors'
import { parseRetryAfter } from '../http/retry-after'
import { isScopeToken } from '../scopes/scope'

const maxBytes = 64 * 1024
const timeout = 5_000
/** More than PagerDuty has for any operation; they go into a header. */
const mostScopes = 50

/**
 * What is wrong with an answer of PagerDuty's REST API, as an error that guards and `pd.errors()` know how to answer:
 * {@link InsufficientScopeError} where the token's scope does not reach, {@link UnauthorizedError} for a 401, else
 * {@link APIError}. The answer's body stays readable.
 *
 * @see https://developer.pagerduty.com/docs/errors
 * @returns undefined for an answer that is no error
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

/** The body, if it can be read, soon, and is not too long; the error is one without it too. */
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

/** PagerDuty sends scopes as one text; a list would be as good. Only what can be a scope may get into a header. */
function scopesOf(value: unknown): string[] {
  const texts = [value].flat().filter((text) => typeof text === 'string')
  const tokens = texts.flatMap((text) => text.split(/[\s,]+/))
  return [...new Set(tokens)]
    .filter((token) => isScopeToken(token) && token.length <= 100)
    .slice(0, mostScopes)
}

function described(message: unknown): string {
  return typeof message === 'string' && /^[\w .,:;'()/-]{1,200}$/.test(message) ? `: ${message}` : ''
}
