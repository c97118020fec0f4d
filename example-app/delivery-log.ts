import { EventEmitter } from 'node:events'
import type { PagerDuty, WebhookVerdict } from '../src'

/** A webhook delivery, and what the app did about it. */
export interface Delivery extends WebhookVerdict {
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
    pd.on('webhook', (verdict) => this.#add(verdict))
    pd.on('appToken', (token) => this.tokens.push({ ...token, at: Date.now() }))
  }

  /** Notes what was done for an event, before its verdict is told. */
  did(eventID: string, what: string): void {
    this.uses += 1
    this.#done.set(eventID, what)
  }

  #add(verdict: WebhookVerdict): void {
    const did = verdict.verdict === 'handled' ? this.#done.get(verdict.eventID ?? '') : undefined
    if (did !== undefined) this.#done.delete(verdict.eventID ?? '')
    const delivery = { ...verdict, at: Date.now(), did }
    this.deliveries.unshift(delivery)
    this.deliveries.length = Math.min(this.deliveries.length, mostKept)
    this.emit('delivery', delivery)
  }
}
