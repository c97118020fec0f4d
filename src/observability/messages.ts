import { ConfigurationError, PagerDutyOAuthError } from '../errors/errors'
import { suggestion } from '../errors/known-members'
import type { PagerDutyUser } from '../user'
import type { PagerDutyEvents } from './event-types'

type Line = [level: 'debug' | 'info' | 'warn' | 'error', message: string]

/** Events as lines of a log. */
export const lines: { readonly [Name in keyof PagerDutyEvents]: (detail: PagerDutyEvents[Name][0]) => Line } =
  {
    login: ({ user }) => ['info', `Login of ${nameOf(user)}`],
    partialGrant: ({ when, missing }) => ['info', `Not granted at a ${when}: ${missing.join(' ')}`],
    loginFailed: ({ reason, error }) =>
      isOperatorError(error)
        ? ['warn', `Login failed: ${error instanceof PagerDutyOAuthError ? textOf(error) : reason}`]
        : ['info', `Login failed: ${reason}`],
    stateMismatch: ({ cause }) => ['info', `Callback of no login that can be finished: ${cause}`],
    logout: ({ user, reason }) => [
      reason === 'replaced' ? 'debug' : 'info',
      `Logout of ${nameOf(user)}${reason === 'logout' ? '' : `: ${reason}`}`,
    ],
    denied: ({ method, route, reason }) => ['debug', `Denied: ${method} ${route ?? ''} ${reason}`],
    refresh: ({ grantID, duration }) => ['debug', `Refreshed grant ${grantID} in ${whole(duration)} ms`],
    refreshFailed: ({ grantID, reason }) => ['warn', `Refresh of grant ${grantID} failed: ${reason}`],
    refreshSkipped: ({ grantID }) => ['debug', `Grant ${grantID} was refreshed already`],
    appToken: ({ account, scope }) => ['info', `App token for ${account}: ${scope.join(' ')}`],
    appTokenFailed: ({ account, reason }) => ['warn', `No app token for ${account}: ${reason}`],
    lockWait: ({ lock, duration }) => [
      'debug',
      `Waited ${whole(duration)} ms for the ${lock === 'refresh' ? lock : 'app token'} of another process`,
    ],
    webhook: ({ receiver, outcome, status, eventType }) => [
      outcome === 'failed' ? (status === 202 ? 'error' : 'warn') : outcome === 'rejected' ? 'info' : 'debug',
      `Delivery at ${receiver}: ${outcome} ${status} ${eventType ?? ''}`,
    ],
    rateLimit: ({ state, user, account, remaining, reset }) => [
      state === 'low' ? 'info' : 'warn',
      `Rate limit of ${user ? nameOf(user) : `the app in ${account}`} ${state}: ${remaining} calls left for ${reset} s`,
    ],
    warning: ({ error }) => ['warn', textOf(error)],
  }

/**
 * What the operator has to know of an event where there is no logger, and nothing listens: a warning, a login that the app's
 * visitors cannot be the reason for, and a webhook that was not handled. Express prints errors of other packages.
 */
export function processWarningOf<Name extends keyof PagerDutyEvents>(
  name: Name,
  detail: PagerDutyEvents[Name][0],
): string | undefined {
  const { error } = detail as { error?: Error }
  const isFailure = name === 'loginFailed' && error instanceof PagerDutyOAuthError
  if (name !== 'warning' && name !== 'webhook' && !isFailure) return undefined
  const [level, message] = lines[name](detail)
  if (level !== 'warn' && level !== 'error') return undefined
  return name === 'webhook' && error !== undefined ? `${message.trim()}: ${reasonsOf(error)}` : message
}

/** What the app's handler threw may be the cause. */
function reasonsOf(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

/** @throws {ConfigurationError} there is no such event, and its listener would never be called */
export function requireEvent(event: unknown, listener: unknown): void {
  const name = String(event)
  if (typeof listener !== 'function')
    throw new ConfigurationError('listener', `of "${name}" must be a function`)
  if (Object.hasOwn(lines, name)) return
  const names = Object.keys(lines)
  const problem = `has no event "${name}"${suggestion(name, names)}`
  throw new ConfigurationError('on', problem, `There are ${names.join(', ')}.`)
}

/**
 * With the hint: many loggers write the error as JSON, which is without it, as visitors may see that. And with the place in the
 * documentation, where there is an entry for each code.
 */
export function textOf(error: Error): string {
  const { hint } = error as { hint?: unknown }
  const message = error.message.replace(/\.$/, '')
  const text = typeof hint === 'string' ? `${message}. ${hint}` : message
  if (!(error instanceof PagerDutyOAuthError)) return text
  return `${text.replace(/\.$/, '')}. See docs/errors.md#${error.code.toLowerCase()}`
}

function nameOf({ id, subdomain, accountID }: PagerDutyUser): string {
  return `user ${id} of ${subdomain ?? accountID}`
}

/** Whether the operator has to act, not the user. */
function isOperatorError(error: Error): boolean {
  const { status } = error as { status?: unknown }
  return typeof status !== 'number' || status >= 500
}

function whole(milliseconds: number): number {
  return Math.round(milliseconds)
}
