import { Lease } from './lock'
import type { TokenStore } from './token-store'

const leaseDuration = 15_000
/** PagerDuty delivers again for 48 hours. */
const remembered = 49 * 60 * 60_000

/** A delivery that this process may handle. */
export interface Claim {
  /** The event has been handled: it is not handled again. */
  done(): Promise<void>
  /** It was not: the next delivery may be. */
  release(): Promise<void>
}

/**
 * Sees to it that an event is handled once by all processes, and again only if handling it failed or its process died. The
 * claim is a lease; that the event is done is written down when it is.
 */
export class WebhookClaims {
  readonly #store: TokenStore
  readonly #receiver: string

  /** @param receiver its name: several receivers of one event each handle it once */
  constructor(store: TokenStore, receiver: string) {
    this.#store = store
    this.#receiver = receiver
  }

  /** @throws {TokenStoreError} nothing is known, and nothing was claimed */
  async claim(eventID: string): Promise<Claim | 'duplicate' | 'running'> {
    const id = `${this.#receiver} ${eventID}`
    const lease = await Lease.acquire(this.#store, `lock:webhook ${id}`, leaseDuration)
    const doneKey = `webhook:${id}`
    try {
      // Also without the lease: whoever has it may be through in a moment.
      if ((await this.#store.get(doneKey)) !== undefined) {
        await lease?.release()
        return 'duplicate'
      }
    } catch (error) {
      await lease?.release()
      throw error
    }
    if (lease === undefined) return 'running'
    return {
      done: async () => {
        try {
          await this.#store.create(doneKey, '1', remembered)
        } finally {
          await lease.release()
        }
      },
      release: () => lease.release(),
    }
  }
}
