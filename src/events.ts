import { type Channel, channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import type { PagerDutyEvents } from './pagerduty-events'
import { measure } from './measurements'
import { loadTelemetry } from './telemetry'

type Name = keyof PagerDutyEvents

const channels = new Map<Name, Channel>()

/**
 * Tells of {@link PagerDutyEvents}: to OpenTelemetry, to the subscribers of `node:diagnostics_channel`, and to listeners. Whoever
 * listens and throws must not undo a login or a refresh, nor keep the others from hearing.
 */
export class Events extends EventEmitter<PagerDutyEvents> {
  readonly #instance: string

  /** @param instance the strategy's name, which tells several of one app apart */
  constructor(instance = 'pagerduty') {
    super()
    this.#instance = instance
    loadTelemetry() // At start-up, and not while somebody waits.
  }

  tell<Told extends Name>(name: Told, ...[detail]: PagerDutyEvents[Told]): void {
    this.#try(() => measure(this.#instance, name, detail))
    const open = channelOf(name)
    // What a subscriber throws, Node reports as an uncaught exception, later.
    if (open.hasSubscribers) open.publish({ instance: this.#instance, ...detail })
    for (const listener of this.rawListeners(name)) {
      this.#try(() => Reflect.apply(listener, this, [detail]))
    }
  }

  #try(work: () => void): void {
    try {
      work()
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error))
    }
  }
}

function channelOf(name: Name): Channel {
  let open = channels.get(name)
  if (open === undefined) channels.set(name, (open = channel(`passport-pagerduty:${name}`)))
  return open
}
