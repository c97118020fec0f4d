import { ExchangeError, readText } from '../http/bounded-fetch'
import { withinDeadline } from '../async/timeout'
import { APIError, ScopeNotGrantedError } from '../errors/pagerduty-errors'
import { InsufficientScopeError, type PagerDutyOAuthError, UnauthorizedError } from '../errors/errors'
import { parseRetryAfter } from '../http/retry-after'
import { scopesFor } from '../scopes/operations'
import { callOf } from './bearer-fetch'

const maxBytes = 64 * 1024
const timeout = 5_000
/** More than any operation of PagerDuty needs. A limit, because they go into a header. */
const mostScopes = 50

/**
 * An error response of PagerDuty's REST API as an error that guards and `pd.errors()` can handle. It names the operation if one of
 * this package's `fetch` made the call. The body of the response stays readable.
 *
 * A 401 of a user's token is an {@link UnauthorizedError}, a scope that the token lacks an {@link InsufficientScopeError}. A user
 * cannot help where it is the app's own token: those are an {@link APIError} and a {@link ScopeNotGrantedError} with status 502.
 * A response of another client's counts as a user's. All else is an {@link APIError}.
 *
 * @see https://developer.pagerduty.com/docs/errors
 * @returns undefined for a status below 400
 *
 * @example
 * const response = await req.pagerduty.fetch('/incidents')
 * if (!response.ok) throw await apiError(response)
 */
export async function apiError(answer: Response): Promise<PagerDutyOAuthError | undefined> {
  const { status, headers } = answer
  if (status < 400) return undefined
  const { owner, operation } = callOf(answer) ?? {}
  const isApp = owner?.token === 'app'
  const error = errorOf(await textOf(answer))
  const required = scopesOf(error['required_scopes'])
  if (status === 403 && required.length > 0) {
    return scopeError(required, scopesOf(error['token_scopes']), isApp, operation)
  }
  const apiCode = typeof error['code'] === 'number' ? error['code'] : undefined
  const to = `${operation ? ` to ${operation}` : ''}${isApp ? ' as the app' : ''}`
  const message = `PagerDuty’s REST API responded with ${status}${to}${saidIn(error, apiCode)}`
  if (status === 401 && !isApp)
    return new UnauthorizedError(`${message}. A new login gets the user a new token.`)
  return new APIError(message, {
    httpStatus: status,
    apiCode,
    retryAfter: parseRetryAfter(headers),
    hint: hintOf(status, isApp, operation),
  })
}

/** PagerDuty's message with its code, and what it says of each fault: a list, or one string. */
function saidIn({ message, errors }: Record<string, unknown>, code: number | undefined): string {
  const [title, ...details] = [[message], [errors].flat().slice(0, 5)].map((texts) =>
    texts.map(readable).filter(Boolean).join('; '),
  )
  const first = [title, code === undefined ? '' : `(${code})`].filter(Boolean).join(' ')
  const said = [first, ...details].filter(Boolean).join(': ')
  return said && `: ${said}`
}

/** A user can be asked to grant the scope, unless the app's own token lacks it. */
function scopeError(
  required: readonly string[],
  held: readonly string[],
  isApp: boolean,
  operation = 'This',
): PagerDutyOAuthError {
  const lacking = required.filter((scope) => !held.includes(scope))
  const missing = lacking.length > 0 ? lacking : required
  const registration =
    'PagerDuty grants only scopes that the app is registered with: add it there first, then'
  if (!isApp) {
    const hint = `${registration} log in again or request it by step-up, as pd.errors() does.`
    return new InsufficientScopeError(required, missing, { operation, hint })
  }
  const granted = held.filter((scope) => !missing.includes(scope))
  return new ScopeNotGrantedError(required, granted, {
    message: `${operation} needs a scope that the app token does not have: ${missing.join(' ')}`,
    status: 502,
    hint: `${registration} name it in the option appScope or in the call.`,
  })
}

function hintOf(status: number, isApp: boolean, operation: string | undefined): string | undefined {
  if (status === 401) {
    return 'PagerDuty rejects the app token, and a new one as well: check that account names the right account and region, and that the app is still registered. No user has to log in.'
  }
  if (status !== 403) return undefined
  const declared = operation === undefined ? 'unknown' : scopesFor(operation)
  const scope = declared === 'unknown' ? '' : `${operation} declares the scope ${declared.join(' ')}. `
  return `${scope}${isApp ? 'Not every operation takes an app token.' : 'A token allows no more than its user’s role at PagerDuty.'}`
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

/** From one string, as PagerDuty sends it, or a list. Only what looks like a scope gets into a header: no token, no markup. */
function scopesOf(value: unknown): string[] {
  const strings = [value].flat().filter((text) => typeof text === 'string')
  const tokens = strings.flatMap((text) => text.split(/[\s,]+/))
  return [...new Set(tokens)].filter((token) => /^[a-z][\da-z_.:-]{0,99}$/.test(token)).slice(0, mostScopes)
}

/** One line that can be shown and logged: no markup, no word as long as a token, and not endless. */
function readable(text: unknown): string {
  if (typeof text !== 'string') return ''
  const words = text.split(/[\p{C}\p{Z}<>]/u).filter((word) => word !== '')
  const characters = Array.from(words.map((word) => (word.length < 40 ? word : '…')).join(' '))
  return characters.length > 200 ? `${characters.slice(0, 200).join('')}…` : characters.join('')
}
