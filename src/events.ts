import { type Channel, channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import { callApp, warnOf } from './call-app'
import type { PagerDutyEvents } from './pagerduty-events'
import { measure } from './measurements'
import { loadTelemetry } from './telemetry'

type Name = keyof PagerDutyEvents

const channels = new Map<Name, Channel>()

/**
 * Emits {@link PagerDutyEvents}: to OpenTelemetry, to the subscribers of `node:diagnostics_channel`, and to listeners. One that
 * throws or rejects must not undo a login or a refresh, keep the others from being called, or end the process.
 */
export class Events extends EventEmitter<PagerDutyEvents> {
  readonly #instance: string

  /** @param instance the strategy's name, which tells several of one app apart */
  constructor(instance = 'pagerduty') {
    super()
    this.#instance = instance
    loadTelemetry() // At start-up, and not during a request.
  }

  tell<Told extends Name>(name: Told, ...[detail]: PagerDutyEvents[Told]): void {
    callApp(() => measure(this.#instance, name, detail), warnOf)
    publish(name, { instance: this.#instance, ...detail })
    for (const listener of this.rawListeners(name)) {
      callApp(() => Reflect.apply(listener, this, [detail]) as unknown, warnOf)
    }
  }
}

/**
 * Calls a channel's subscribers as its `publish()` would, except that what they throw or reject with is a warning. Node makes
 * an uncaught exception of the one, an unhandled rejection of the other, and ends the process.
 */
function publish(name: Name, message: object): void {
  const open = channelOf(name)
  if (!open.hasSubscribers) return
  // Not documented. Where it is missing, it goes Node's way.
  const { _subscribers: subscribers } = open as { _subscribers?: unknown }
  if (!Array.isArray(subscribers)) return open.publish(message)
  for (const subscriber of subscribers as ((message: object, name: string | symbol) => unknown)[]) {
    callApp(() => subscriber(message, open.name), warnOf)
  }
}

function channelOf(name: Name): Channel {
  let open = channels.get(name)
  if (open === undefined) channels.set(name, (open = channel(`passport-pagerduty:${name}`)))
  return open
}
