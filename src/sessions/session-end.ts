import type { IncomingMessage } from 'node:http'
import type { UserGrants } from '../grants/grants'
import { type Logins, type Session, forgetGrant, grantIn } from './session'

/** What ends with a session. */
export interface Guarded {
  readonly grants: UserGrants
  readonly logins: Logins | undefined
  /** Runs once the grant that the session holds has been ended. */
  readonly ended?: () => void
  /**
   * The request is a login's callback. A session without a grant that it ends is one that its login is not to have: the browser
   * does not log out.
   */
  readonly isCallback?: boolean
}

/**
 * Ends the grants of a session and its browser's logins in progress, and then the session.
 *
 * @param guarded by the names of their instances
 */
export async function endSession(
  req: IncomingMessage,
  session: Session,
  guarded: ReadonlyMap<string, Guarded>,
  end: () => Promise<void>,
): Promise<void> {
  const ended = [...guarded].map(([name, each]) => endGuarded(req, grantIn(session, name), each))
  const held = ended.filter((each) => each !== undefined)
  // Where there is nothing to wait for it ends at once, as the caller may respond right after the call.
  if (held.length > 0) await Promise.all(held)
  for (const name of guarded.keys()) forgetGrant(session, name)
  await end()
}

/** @returns undefined where an instance has neither a grant in the session nor a login in progress */
function endGuarded(
  req: IncomingMessage,
  grantID: string | undefined,
  { grants, logins, ended, isCallback }: Guarded,
): Promise<void> | undefined {
  if (grantID === undefined) return isCallback ? undefined : logins?.endLogins(req)
  const forgotten = grants.forget(grantID).then(ended)
  // Afterwards: a login in progress that does not see the end of the grant is seen here.
  return forgotten.then(() => logins?.endLogins(req))
}
