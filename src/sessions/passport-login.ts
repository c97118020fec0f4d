import type { IncomingMessage } from 'node:http'
import { type Session, forgetGrant, grantIn, isLoginBy, promised, sessionOf } from './session'

/** A request as Passport leaves it, by its documented members. */
interface PassportRequest {
  login?: LogIn
  logIn?: LogIn
}

type LogIn = (user: unknown, options: { session: false }, done: (error?: unknown) => void) => void

/**
 * Calls `prepare` whenever Passport is about to log a user in on this request, and `withdraw` once it has begun to: it
 * regenerates the session in between. Without a login, as where a callback of the app rejects the user, neither is called.
 *
 * @returns false where there is no Passport that could
 */
export function aroundLogin(req: IncomingMessage, prepare: () => void, withdraw: () => void): boolean {
  const holder = req as PassportRequest
  for (const method of ['login', 'logIn'] as const) {
    const original = holder[method]
    if (original === undefined) continue
    holder[method] = function (...args) {
      prepare()
      try {
        original.apply(this, args)
      } finally {
        withdraw()
      }
    }
  }
  return holder.login !== undefined
}

/**
 * Ends the login of a session whose grant is over: the session forgets the grant's id, and the Passport login if this
 * instance made it. What else is in the session stays, a login that was made otherwise included.
 *
 * A request can be late: a login may have put another session in the place of this one since it was read. Saved now, this
 * one would come back, and its cookie would take the place of the new one. So the session is read again.
 *
 * @param grantID as it was read; undefined where the session has a login of the instance, and no grant
 * @param keepsID whether the session keeps the id: it leads to the grant that took its place, which the next login or logout has
 * to find, or another process may be able to read what is stored
 */
export async function endLogin(
  req: IncomingMessage,
  name: string,
  grantID: string | undefined,
  keepsID = false,
): Promise<void> {
  const session = sessionOf(req)
  if (session === undefined) return
  const passport = session['passport'] as { user?: unknown } | undefined
  const isPassport = isLoginBy(session, name) && passport?.user !== undefined
  if (keepsID && !isPassport) return
  const stored = await storedSession(req, session)
  if (stored !== undefined && grantIn(stored, name) === grantID) {
    if (isPassport) delete passport?.user
    if (!keepsID) forgetGrant(session, name)
  }
  if (isPassport) clearUser(req)
}

/** Takes the user off a request, as `req.isAuthenticated()` sees it too. The session is not changed. */
export function clearUser(req: IncomingMessage): void {
  // Passport knows the name of the property, which the app may have changed. Before passport.session() there is no user.
  ;(req as PassportRequest).login?.(undefined, { session: false }, () => {})
}

/** The user that Passport has logged in to a session, as JSON; undefined for none. */
export function passportUserIn(data: Readonly<Record<string, unknown>> | undefined): string | undefined {
  return JSON.stringify((data?.['passport'] as { user?: unknown } | undefined)?.user)
}

/** The session as its store has it now. */
export async function storedSession(
  req: IncomingMessage,
  session: Session,
): Promise<Record<string, unknown> | undefined> {
  const { sessionStore } = req as {
    sessionStore?: { get(id: string, callback: (error: unknown, stored?: unknown) => void): unknown }
  }
  if (sessionStore === undefined) return session
  let stored: unknown
  await promised((callback) =>
    sessionStore.get(session.id, (error, found) => {
      stored = found
      // So some stores say that there is none, and express-session takes it for that.
      callback((error as { code?: unknown } | undefined)?.code === 'ENOENT' ? undefined : error)
    }),
  )
  return (stored ?? undefined) as Record<string, unknown> | undefined
}
