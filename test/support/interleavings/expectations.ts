import type { Attempt, Ending, Ledger } from './ledger'

/**
 * Whether a grant is kept, or may be: a request to keep it failed, or one to keep the grant that it replaced, which keeps the
 * new one where it comes too late.
 */
export function mayBeKept(ledger: Ledger, grantID: string): boolean {
  const tried = [...ledger.triedToKeep].map((session) => ledger.grantOfSession.get(session))
  const isAfterTried = tried.some((id) => {
    const attempt = id === undefined ? undefined : ledger.attemptOf({ grantID: id })
    return attempt !== undefined && successorsOf(ledger, attempt).some((next) => next.grantID === grantID)
  })
  // The id of a session begins with that of its grant; no page may have shown it.
  const isTried = [...ledger.triedToKeep].some((session) => session.includes(grantID))
  return isAfterTried || isTried || tried.includes(grantID) || ledger.kept.has(grantID)
}

/** Whether a kept grant may be over: it was revoked, its session was logged out, or it was replaced before it was kept. */
export function mayHaveEnded(ledger: Ledger, grantID: string): boolean {
  const attempt = ledger.attemptOf({ grantID })
  const owner = attempt?.owner
  const keptAt = ledger.kept.get(grantID) ?? 0
  if (attempt && successorsOf(ledger, attempt).some(({ storedAt = Infinity }) => storedAt < keptAt))
    return true
  return ledger.endings.some((ending) => {
    if (ending.kind === 'revoke owner') return ending.owner === owner
    if (ending.kind === 'revoke grant') return ending.grantID === grantID
    if (ending.session === undefined) return false
    // A logout also ends what another tab, whose login is in progress, is about to present: that may be the kept one.
    const isAwaited = ledger.attempts.some(
      (other) =>
        other.browser === ending.browser &&
        other.browser === attempt?.browser &&
        other.grantID !== ledger.grantOfSession.get(ending.session ?? '') &&
        other.callbacks.some(
          ({ sentAt, overAt = Infinity }) => sentAt < ending.sentAt && ending.sentAt < overAt,
        ),
    )
    if (isAwaited) return true
    const loggedOut = ledger.grantOfSession.get(ending.session)
    return loggedOut === undefined || loggedOut === grantID
  })
}

/**
 * The login that a browser must show: one that was begun after everything that ends logins, and finished while no other
 * tab was finishing another one.
 */
export function expectedLogin(ledger: Ledger, browser: number, owner: string): Attempt | undefined {
  const concerns = (ending: Ending) =>
    ending.kind === 'logout' ? ending.browser === browser : ending.owner === owner
  const endedAt = Math.max(0, ...ledger.endings.filter(concerns).map(({ overAt = Infinity }) => overAt))
  const own = ledger.attempts.filter((attempt) => attempt.browser === browser)
  const login = own.findLast(({ begunAt, presentedAt }) => begunAt > endedAt && presentedAt !== undefined)
  if (login === undefined) return undefined
  const spans = own.flatMap((attempt) =>
    attempt.callbacks.map(({ sentAt, overAt = Infinity }) => ({ attempt, sentAt, overAt })),
  )
  const isContested = spans.some((span) =>
    spans.some(
      (other) =>
        other.attempt !== span.attempt &&
        Math.max(other.overAt, span.overAt) > login.begunAt &&
        other.sentAt < span.overAt &&
        span.sentAt < other.overAt,
    ),
  )
  // What fails is done once more. After a second failure it is not known whether the login before was replaced; after the first
  // one, where the page failed that should have shown the new login, that one expires within a minute.
  const isUnknown = own.some(({ callbacks, storedAt, presentedAt }) => {
    const most = storedAt !== undefined && presentedAt === undefined ? 0 : 1
    return callbacks.some(
      ({ sentAt, operation }) => sentAt > login.begunAt && (operation?.failures ?? 0) > most,
    )
  })
  return isContested || isUnknown ? undefined : login
}

/** The logins that a logout or revocation has to end, with those that they replaced: their tokens went along. */
export function endedBy(ledger: Ledger, ending: Ending): readonly Attempt[] {
  // What is still at PagerDuty then is a new login when it comes back. So is one that comes back again after the store failed.
  if (ending.kind === 'revoke owner')
    return ledger.attempts.filter((attempt) => {
      const [first] = attempt.callbacks
      if (attempt.owner !== ending.owner || first === undefined || first.sentAt >= ending.sentAt) return false
      return !isTriedAgain(attempt, ending)
    })
  const { session, overAt = Infinity } = ending
  // What comes back after the logout was sent is a new login, even where it overtakes the logout. So is what came before and
  // finds the grant of its session gone.
  const { grantDeletedAt = Infinity } = ending.operation ?? {}
  const inFlight = ledger.attempts.filter(
    (attempt) =>
      session !== undefined &&
      !isExpired(ledger, session, ending) &&
      !isTriedAgain(attempt, ending) &&
      (attempt.storedAt ?? 0) > overAt &&
      attempt.callbacks.some(
        (callback) =>
          callback.session === session &&
          callback.sentAt < ending.sentAt &&
          (callback.operation?.grantReadAt ?? 0) < grantDeletedAt,
      ),
  )
  const grantID = ending.kind === 'logout' ? ledger.grantOfSession.get(session ?? '') : ending.grantID
  const ended = grantID === undefined ? undefined : ledger.attemptOf({ grantID })
  if (ended === undefined || successorsOf(ledger, ended).length > 0) return inFlight
  return [...inFlight, ended, ...predecessorsOf(ledger, ended)]
}

/** Whether a login came back again after this ending was sent, and the store had failed before. */
function isTriedAgain({ callbacks }: Attempt, ending: Ending): boolean {
  return (
    (callbacks[0]?.operation?.failures ?? 0) > 0 && callbacks.some(({ sentAt }) => sentAt > ending.sentAt)
  )
}

/** No browser has presented the grant of a session within a minute: no user is logged in by it, so no login is to end with it. */
function isExpired({ attempts }: Ledger, session: string, { overTime }: Ending): boolean {
  return attempts.some(
    ({ grantID, presentedAt, storedTime = Infinity }) =>
      grantID !== undefined &&
      session.includes(grantID) &&
      presentedAt === undefined &&
      overTime - storedTime >= 60_000,
  )
}

/** Whether a login failed while it took the place of this one, so that no one knows whether it did; other than the one given. */
export function mayBeReplaced(ledger: Ledger, attempt: Attempt, but: Attempt): boolean {
  return successorsOf(ledger, attempt).some((next) => next !== but && hasFailures(next))
}

/** Whether a login whose callback met a failure came back with the session of the other one. */
export function mayHaveReplaced(ledger: Ledger, attempt: Attempt, other: Attempt): boolean {
  return hasFailures(attempt) && successorsOf(ledger, other).includes(attempt)
}

function hasFailures({ callbacks }: Attempt): boolean {
  return callbacks.some(({ operation }) => (operation?.failures ?? 0) > 0)
}

/** Logins that came back with the session of this one, other than by a reload long after. */
function successorsOf(ledger: Ledger, { grantID }: Attempt): readonly Attempt[] {
  if (grantID === undefined) return []
  return ledger.attempts.filter(
    ({ callbacks, storedAt }) =>
      storedAt !== undefined &&
      callbacks.some(
        ({ session, sentAt }) => sentAt < storedAt && ledger.grantOfSession.get(session ?? '') === grantID,
      ),
  )
}

/** Those that only this login replaced, unless they may be kept. One that was ended before it came about has replaced none. */
function predecessorsOf(ledger: Ledger, attempt: Attempt): readonly Attempt[] {
  if (attempt.presentedAt === undefined) return []
  const replaced = ledger.attempts.filter((other) => {
    const [successor, ...more] = successorsOf(ledger, other)
    const isOnlyOne = successor === attempt && more.length === 0
    return other !== attempt && isOnlyOne && !mayBeKept(ledger, other.grantID ?? '')
  })
  return replaced.flatMap((other) => [other, ...predecessorsOf(ledger, other)])
}
