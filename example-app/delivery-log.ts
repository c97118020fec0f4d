import { EventEmitter } from 'node:events'
import type { PagerDuty, WebhookOutcome } from '../src'

/** A webhook delivery, and what the app did about it. */
export interface Delivery extends WebhookOutcome {
  at: number
  /** What the app called at PagerDuty, and how that went. */
  did: string | undefined
}

/** An app token, as its event reports it. */
export interface IssuedToken {
  account: string
  scope: readonly string[]
  at: number
  expiresAt: number
}

const mostKept = 50

/** What came in and what the app did about it, since this process began. */
export class DeliveryLog extends EventEmitter<{ delivery: [Delivery] }> {
  readonly deliveries: Delivery[] = []
  readonly tokens: IssuedToken[] = []
  /** How often a token was needed. */
  uses = 0
  readonly #done = new Map<string, string>()

  constructor(pd: PagerDuty) {
    super()
    this.setMaxListeners(0)
    pd.on('webhook', (event) => this.#add(event))
    pd.on('appToken', (token) => this.tokens.push({ ...token, at: Date.now() }))
  }

  /** Notes what was done for an event, before its outcome is reported. */
  did(eventID: string, what: string): void {
    this.uses += 1
    this.#done.set(eventID, what)
  }

  #add(event: WebhookOutcome): void {
    const did = event.outcome === 'handled' ? this.#done.get(event.eventID ?? '') : undefined
    if (did !== undefined) this.#done.delete(event.eventID ?? '')
    const delivery = { ...event, at: Date.now(), did }
    this.deliveries.unshift(delivery)
    this.deliveries.length = Math.min(this.deliveries.length, mostKept)
    this.emit('delivery', delivery)
  }
}
