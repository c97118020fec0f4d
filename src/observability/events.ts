import { type Channel, channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import { callApp, warnOf } from '../async/call-app'
import type { PagerDutyEvents } from './event-types'
import { measure } from './metrics'
import { loadTelemetry } from './opentelemetry'

/** Held for good: Node 20 may lose a later subscriber of a channel that was collected once, when it clears up after it. */
const channels = new Map<string, Channel>()

/**
 * Emits {@link PagerDutyEvents}: to OpenTelemetry, to the subscribers of `node:diagnostics_channel`, and to listeners. One that
 * throws or rejects must not undo a login or a refresh, or keep the others from being called. Of listeners it is a warning;
 * of subscribers Node makes an uncaught exception or an unhandled rejection.
 */
export class Events extends EventEmitter<PagerDutyEvents> {
  readonly #instance: string

  /** @param instance the strategy's name, which tells several of one app apart */
  constructor(instance = 'pagerduty') {
    super()
    this.#instance = instance
    loadTelemetry() // At start-up, and not during a request.
  }

  override emit<Name extends keyof PagerDutyEvents>(name: Name, ...[detail]: PagerDutyEvents[Name]): boolean {
    callApp(() => measure(this.#instance, name, detail), warnOf)
    channelOf(name).publish({ instance: this.#instance, ...detail })
    for (const listener of this.rawListeners(name)) {
      callApp(() => Reflect.apply(listener, this, [detail]) as unknown, warnOf)
    }
    return this.listenerCount(name) > 0
  }
}

function channelOf(event: string): Channel {
  let found = channels.get(event)
  if (found === undefined) channels.set(event, (found = channel(`passport-pagerduty:${event}`)))
  return found
}
