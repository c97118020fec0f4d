import { type Channel, channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import { callApp, warnOf } from '../async/call-app'
import { Throttle } from '../async/throttle'
import type { PagerDutyOAuthError } from '../errors/errors'
import type { PagerDutyEvents } from './event-types'
import { processWarningOf } from './messages'
import { type CallsLeft, measure, measureRateLimit } from './metrics'
import { loadTelemetry } from './opentelemetry'

/** Milliseconds for which a message is not repeated. */
const interval = 10_000

/** Held for good: Node 20 may lose a later subscriber of a channel that was collected once, when it clears up after it. */
const channels = new Map<string, Channel>()

/**
 * Emits {@link PagerDutyEvents}: to OpenTelemetry, to the subscribers of `node:diagnostics_channel`, and to listeners. One that
 * throws or rejects must not undo a login or a refresh, or keep the others from being called. Of listeners it is a warning;
 * of subscribers Node makes an uncaught exception or an unhandled rejection.
 */
export class Events extends EventEmitter<PagerDutyEvents> {
  readonly #instance: string
  readonly #reported = new Throttle(interval)
  readonly #printed = new Throttle(interval)
  /** Errors that have been reported. */
  readonly #told = new WeakSet<object>()

  /** @param instance the strategy's name, which identifies the instance if an app has several */
  constructor(instance = 'pagerduty') {
    super()
    this.#instance = instance
    loadTelemetry() // At start-up, and not during a request.
  }

  override emit<Name extends keyof PagerDutyEvents>(name: Name, ...[detail]: PagerDutyEvents[Name]): boolean {
    callApp(() => measure(this.#instance, name, detail), warnOf)
    const subscribed = channelOf(name)
    subscribed.publish({ instance: this.#instance, ...detail })
    for (const listener of this.rawListeners(name)) {
      callApp(() => Reflect.apply(listener, this, [detail]) as unknown, warnOf)
    }
    const isHeard = this.listenerCount(name) > 0
    if (!isHeard && !subscribed.hasSubscribers) this.#print(processWarningOf(name, detail))
    const { error } = detail as { error?: Error }
    if (error && (isHeard || name === 'loginFailed')) this.#told.add(error)
    return isHeard
  }

  /**
   * Emits `warning` for a response of 500 or more, which shows the visitor nothing of its reason; now and then, and not with each
   * request. Lower ones are the visitor's affair. @internal
   */
  report(error: PagerDutyOAuthError): void {
    if (error.status < 500 || this.#told.has(error)) return
    // What PagerDuty's API says of a request differs from one request to the next.
    const key = error.code === 'ERR_PAGERDUTY_API' ? error.message.replace(/: .*/s, '') : error.message
    if (this.#reported.take(key)) this.emit('warning', { error })
  }

  #print(text: string | undefined): void {
    if (text === undefined || !this.#printed.take(text)) return
    process.emitWarning(text, { code: 'PASSPORT_PAGERDUTY' })
  }

  /** For the gauge alone: an event for each call would be too many. @internal */
  measureRateLimit(token: 'user' | 'app', left: CallsLeft): void {
    callApp(() => measureRateLimit(this.#instance, token, left), warnOf)
  }
}

function channelOf(event: string): Channel {
  let found = channels.get(event)
  if (found === undefined) channels.set(event, (found = channel(`passport-pagerduty:${event}`)))
  return found
}
