import { Background, type WaitUntil } from '../async/background'
import { withinDeadline } from '../async/timeout'
import type { Claim } from './idempotency'
import { asTrouble, shuttingDown } from './failures'

/** Milliseconds that a failure's answer waits for the claim to be released, so that the next delivery finds it free. */
const releaseWait = 1_000
const late = new Error('It has not finished yet')

/** One event to be handled. */
export interface WebhookJob {
  readonly claim: Claim
  /** Calls the app's handler. */
  readonly handle: () => unknown
  /** By the monotonic clock: when the delivery has to be answered. */
  readonly answerBy: number
  /** The handler is through. */
  readonly handled: () => void
  /** The handler failed when the delivery had been answered. */
  readonly failedLate: (error: Error) => void
  /** The handler is through, but the store did not take the mark. */
  readonly notMarked: (error: Error) => void
}

/** Runs handlers, each under its claim, and knows which of them are running. */
export class WebhookHandling {
  readonly #running: Background
  #isClosed = false

  constructor(waitUntil?: WaitUntil) {
    this.#running = new Background(waitUntil)
  }

  /** @throws {WebhookError} nothing is started any more */
  requireOpen(): void {
    if (this.#isClosed) throw shuttingDown()
  }

  /**
   * Settles when the delivery is to be answered: when the handler is through, or has no more time and goes on.
   *
   * @throws {PagerDutyOAuthError} the handler failed in time
   */
  async run(job: WebhookJob): Promise<void> {
    const { claim, answerBy } = job
    if (this.#isClosed) {
      await claim.release()
      throw shuttingDown()
    }
    // Called by a promise, so that what it throws at once is a rejection too.
    const work = Promise.resolve().then(job.handle)
    const outcome = work.then(() => mark(job), fail(claim))
    this.#running.add(outcome)
    const left = () => Math.max(answerBy - performance.now(), 0)
    try {
      await withinDeadline(work, left(), () => late)
    } catch (error) {
      if (error === late) {
        outcome.catch(job.failedLate)
        return
      }
      // Not until the deadline: it may be now, and a failure that is known is never answered with success.
      await withinDeadline(outcome, releaseWait, () => late).catch(() => {})
      throw asHandlerFailure(error)
    }
    await withinDeadline(outcome, left(), () => late).catch(() => {})
  }

  /** Starts nothing more, and waits so many milliseconds for handlers at most: they are the app's, and may hang. */
  async close(timeout: number): Promise<void> {
    this.#isClosed = true
    await withinDeadline(this.#running.settled(), timeout, () => late).catch(() => {})
  }
}

/** A mark that is missing undoes nothing: PagerDuty was told that the event is handled, and does not deliver it again. */
async function mark({ claim, handled, notMarked }: WebhookJob): Promise<void> {
  await claim.done().catch(notMarked)
  handled()
}

function fail(claim: Claim): (error: unknown) => Promise<never> {
  return async (error) => {
    await claim.release()
    throw asHandlerFailure(error)
  }
}

function asHandlerFailure(error: unknown): Error {
  return asTrouble(error, 'The handler of the event failed')
}
