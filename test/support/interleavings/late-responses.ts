import { mayBeKept } from './expectations'
import type { Attempt, Ledger } from './ledger'

/**
 * Whether a grant may be left in no browser, because the cookie of a login before it arrived there later. It is listed, and ends
 * by itself.
 */
export function mayBeLeft(ledger: Ledger, grantID: string): boolean {
  const attempt = ledger.attemptOf({ grantID })
  return (
    attempt !== undefined &&
    ledger.attempts.some(
      (other) =>
        other !== attempt &&
        other.browser === attempt.browser &&
        (isKeptCovering(ledger, attempt, other) ||
          isEndedCovering(ledger, attempt, other) ||
          isClickedCovering(attempt, other)),
    )
  )
}

/**
 * A slow second callback of a kept login brought the session of that one back. What is kept was not replaced, so that callback
 * cannot know of the login after it.
 */
function isKeptCovering(ledger: Ledger, { presentedAt = 0 }: Attempt, other: Attempt): boolean {
  return (
    other.grantID !== undefined &&
    mayBeKept(ledger, other.grantID) &&
    other.callbacks.length > 1 &&
    other.callbacks.some(({ sentAt, overAt = Infinity }) => sentAt < presentedAt && presentedAt < overAt)
  )
}

/** The response to a second click was sent first, and arrived last. */
function isClickedCovering({ presentedAt = Infinity, callbacks }: Attempt, other: Attempt): boolean {
  return (
    other.callbacks.length > 1 &&
    other.callbacks.some(
      ({ answeredAt = Infinity, overAt = Infinity }) =>
        presentedAt < overAt && callbacks.some((callback) => answeredAt < (callback.answeredAt ?? 0)),
    )
  )
}

/** The response to a login was on its way while that was ended, and while the other one was done: no one can call it back. */
function isEndedCovering(ledger: Ledger, { storedAt = 0 }: Attempt, other: Attempt): boolean {
  return other.callbacks.some(
    ({ sentAt, overAt = Infinity }) =>
      sentAt < storedAt &&
      storedAt < overAt &&
      ledger.endings.some(
        (ending) =>
          (ending.kind === 'logout' ? ending.browser === other.browser : ending.owner === other.owner) &&
          sentAt < (ending.overAt ?? Infinity) &&
          ending.sentAt < overAt,
      ),
  )
}
