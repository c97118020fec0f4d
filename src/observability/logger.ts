import { callApp, warnOf } from '../async/call-app'
import { ConfigurationError } from '../errors/errors'
import { requireTypes } from '../errors/known-members'
import type { Events } from './events'
import type { PagerDutyEvents } from './event-types'
import { lines } from './messages'

/**
 * Where the log goes: `console`, a winston logger, or anything of their shape. A level whose method is missing is left out;
 * `error` then goes to `warn`. The message says what happened in one line; the second argument is the event's detail, which pino
 * ignores: give it `{ warn: (message, detail) => log.warn(detail, message), … }`.
 */
export interface Logger {
  /** Everyday events: grants that the next login replaces, refreshes and waits for them, denials, webhook deliveries. */
  debug?: LogMethod | undefined
  /** Logins, logouts, app tokens, and what anyone on the internet can cause: failed logins, forged webhooks. */
  info?: LogMethod | undefined
  /** Mistakes in options and scopes, and what failed at PagerDuty or in the token store. */
  warn: LogMethod
  /** A webhook's handler failed after the response: PagerDuty does not retry. */
  error?: LogMethod | undefined
}

/** As a method: loggers declare the detail in many ways. */
type LogMethod = { log(message: string, detail?: object): unknown }['log']

/** @throws {ConfigurationError} it has no method `warn`, or a level is no method */
function requireLogger(logger: unknown): void {
  if (logger === undefined) return
  const methods = Object(logger) as Logger
  if (typeof methods.warn !== 'function')
    throw new ConfigurationError('logger', 'must be an object with a method "warn", such as console')
  const { debug, info, error } = methods
  requireTypes({ debug, info, error }, { debug: 'function', info: 'function', error: 'function' }, 'logger.')
}

/**
 * Takes warnings about options: the app's logger, else a process warning.
 *
 * @throws {ConfigurationError} it is no logger
 */
export function warnerOf(logger: Logger | undefined): (message: string) => void {
  requireLogger(logger)
  return (message) => {
    if (logger) callApp(() => logger.warn(message), warnOf)
    else process.emitWarning(message, { code: 'PASSPORT_PAGERDUTY' })
  }
}

/** Warns once of each difference, unless it came of a login and a function of the app decides about those. */
export function warnOfPartialGrants(
  events: Events,
  appDecides: boolean,
  warn: (message: string) => void,
): void {
  const warned = new Set<string>()
  events.on('partialGrant', ({ when, diagnosis }) => {
    if (warned.has(diagnosis) || (appDecides && when === 'login')) return
    warned.add(diagnosis)
    warn(diagnosis)
  })
}

/** Writes events to the app's log. */
export function logEvents(events: Events, logger: Logger): void {
  for (const name of Object.keys(lines) as (keyof PagerDutyEvents)[]) log(events, logger, name)
}

function log<Name extends keyof PagerDutyEvents>(events: Events, logger: Logger, name: Name): void {
  events.on(name, ((detail: PagerDutyEvents[Name][0]) => {
    const [level, message] = lines[name](detail)
    // Returned, so that the rejection of an async logger is seen.
    if (level === 'error' && logger.error === undefined) return logger.warn(message, detail)
    return logger[level]?.(message.trim(), detail)
  }) as never)
}
