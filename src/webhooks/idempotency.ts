import { Lease } from '../store/lease'
import type { TokenStore } from '../store/token-store'

const leaseDuration = 15_000
const handled = 'handled'

/** A delivery that this process may handle. */
export interface Claim {
  /** The event has been handled: it is not handled again. */
  done(): Promise<void>
  /** It was not: the next delivery may be. */
  release(): Promise<void>
}

/**
 * Sees to it that an event is handled once by all processes, and again only if handling it failed or its process died. The
 * claim is a lease; when the event is handled, a mark that stays takes its place in one step.
 */
export class WebhookClaims {
  readonly #store: TokenStore
  readonly #receiver: string
  readonly #remembered: number

  /**
   * @param receiver its name: several receivers of one event each handle it once
   * @param remembered milliseconds for which a handled event is known
   */
  constructor(store: TokenStore, receiver: string, remembered: number) {
    this.#store = store
    this.#receiver = receiver
    this.#remembered = remembered
  }

  /** @throws {TokenStoreError} nothing is known, and nothing was claimed */
  async claim(eventID: string): Promise<Claim | 'duplicate' | 'inProgress'> {
    const key = `webhook:${this.#receiver} ${eventID}`
    const lease = await Lease.acquire(this.#store, key, leaseDuration)
    if (lease === undefined) return (await this.#store.get(key)) === handled ? 'duplicate' : 'inProgress'
    return {
      done: async () => {
        const isMarked = await lease.turnInto(handled, this.#remembered)
        // The lease had ended, as in a process that was frozen. If another one has it now, that one marks it.
        if (!isMarked) await this.#store.create(key, handled, this.#remembered)
      },
      release: () => lease.release(),
    }
  }
}
