import type { IncomingMessage } from 'node:http'
import { ConfigurationError } from '../errors/errors'
import { type UserGrants, isOver } from '../grants/grants'
import { UserGrant } from '../grants/user-grant'
import { requireOwnPage } from '../http/same-origin'
import type { OwnSessions } from './session-parts'
import { grantIn, sessionOf } from './session'
import { sessionRefusal } from './session-check'

/**
 * Makes the `fromRequest` of one instance.
 *
 * @param sessions those of `pd.auth()`; undefined where the app mounts `sessionTokens()` instead
 */
export function createFromRequest(grants: UserGrants, sessions: () => OwnSessions | undefined) {
  const { name, origins } = grants.client

  return async (req: IncomingMessage): Promise<UserGrant | undefined> => {
    // Pages of any site can open a WebSocket, and read what comes.
    if (isUpgrade(req)) requireOwnPage(req, origins)
    const session = sessionOf(req)
    const own = session === undefined ? sessions() : undefined
    if (session === undefined && own === undefined) throw noSession()
    const refusal = sessionRefusal(req)
    if (refusal !== undefined) throw refusal
    const read = await own?.peek(req)
    const opened = read?.sealed === undefined ? undefined : grants.open(read.id, read.sealed)
    const id = grantIn(session, name)
    const grant = id === undefined ? opened : await grants.read(id)
    return grant === undefined || isOver(grant) ? undefined : new UserGrant(grants, grant)
  }
}

/** By HTTP/1.1 (RFC 9110 section 7.8), or by an extended CONNECT of HTTP/2 (RFC 8441). */
function isUpgrade({ headers }: IncomingMessage): boolean {
  return headers.upgrade !== undefined || headers[':protocol'] !== undefined
}

/** If another middleware's session holds the logins, it cannot be known that no user is logged in. */
export function noSession(): ConfigurationError {
  return new ConfigurationError(
    'session',
    'is missing on a request given to grants.fromRequest(): logins are in a session that this instance did not make',
    'Run the session middleware of the app on the request first, or pd.auth() of the instance whose session it is. express-session gives a request no session while its store is disconnected.',
  )
}
