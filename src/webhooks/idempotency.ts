import { withinDeadline } from '../async/timeout'
import type { Events } from '../observability/events'
import { Lease } from '../store/lease'
import type { TokenStore } from '../store/token-store'
import { checksTimedOut, inProgress, retryableError } from './failures'

const leaseDuration = 15_000
const handled = 'handled'

/** The right to handle an event. Neither method rejects. */
export interface EventLease {
  /** The event was handled: it is not handled again. */
  markHandled(): Promise<void>
  /** It was not: the next delivery may be. */
  release(): Promise<void>
}

/** Where handled events are remembered. */
export interface EventRecords {
  readonly store: TokenStore
  /** Milliseconds. */
  readonly retention: number
  readonly events: Events
}

/**
 * Acquires the lease of an event; undefined if the event was handled. All processes together handle an event once, and again
 * only if that failed or its process died. Lease and mark share one key, so that a second delivery always finds one of them.
 *
 * @param timeout milliseconds
 * @throws {PagerDutyOAuthError} the event is being handled, or the store did not respond
 */
export async function acquireEvent(
  records: EventRecords,
  key: string,
  timeout: number,
): Promise<EventLease | undefined> {
  const acquiring = acquire(records, key)
  try {
    return await withinDeadline(acquiring, timeout, checksTimedOut)
  } catch (error) {
    // A lease that comes after the deadline would lock the event for as long as this process lives.
    acquiring.then((lease) => lease?.release()).catch(() => {})
    throw error
  }
}

async function acquire(
  { store, retention, events }: EventRecords,
  key: string,
): Promise<EventLease | undefined> {
  const lease = await Lease.acquire(store, key, leaseDuration)
  if (lease === undefined) {
    if ((await store.get(key)) === handled) return undefined
    throw retryableError(inProgress, 'The event is being handled', { retryAfter: 15 })
  }
  return {
    release: () => lease.release(),
    async markHandled() {
      try {
        if (await lease.convertTo(handled, retention)) return
        // The lease had expired, as in a process that was frozen. If another process holds it now, that one marks the event.
        await store.create(key, handled, retention)
      } catch (error) {
        // PagerDuty gets its 202 all the same, and does not retry.
        events.emit('warning', { error: error as Error })
      }
    },
  }
}
