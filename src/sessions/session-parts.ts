import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Grant, UserGrants } from '../grants/grants'
import type { DeferredSession } from './deferred-session'
import { sessionOf } from './session'
import type { StoredSession } from './session-records'
import type { SessionTokensOptions } from './session-options'

/** What `req.pagerduty` works with beside the grants. @internal */
export interface SessionParts extends Pick<SessionTokensOptions, 'strategy' | 'session'> {
  /** Set if the session is that of `pd.auth()`. */
  readonly sessions?: OwnSessions
}

/** What `pd.auth()` does better, because the session is its own. */
export interface OwnSessions {
  /** The session that was read and is not made yet. */
  deferred(req: IncomingMessage): DeferredSession | undefined
  /** The grant as it was read together with the session. */
  grantReadWith(req: IncomingMessage): { sealed: string | undefined } | undefined
  /** The request's session, if it is that of `pd.auth()` and in the token store. */
  stored(req: IncomingMessage): StoredSession | undefined
  /** Lets a session live on from now, if it still exists: as long as the grant where it holds no other one. */
  extend(session: StoredSession, grant: Grant | undefined): Promise<void>
  /**
   * The grant in the session of a request that goes through no middleware. Nothing is written.
   *
   * @throws {ConfigurationError} the session's cookie is not sent to the path of the request, or logins are in another session
   */
  peek(req: IncomingMessage): Promise<{ id: string; sealed: string | undefined } | undefined>
  /** Writes the session of a login whose outcome is being stored, where its browser had none. */
  prepare(req: IncomingMessage, res: ServerResponse, grantID: string): void
  /** Ends the session. */
  end(req: IncomingMessage, res: ServerResponse): Promise<void>
  /** @throws {ConfigurationError} the session's cookie is not sent to the path of the request */
  requireCookiePath(req: IncomingMessage): void
}

/** Milliseconds that a login lasts from its last use. @internal */
export function idleTimeOf(req: IncomingMessage, grants: UserGrants, parts: SessionParts): number {
  // A second `pd.auth()` finds a cookie that says how long the logins of the first one last at most.
  const ofCookie = parts.sessions === undefined ? sessionOf(req)?.cookie.originalMaxAge : undefined
  return grants.lifetimes.givenIdle ?? ofCookie ?? grants.lifetimes.idle
}
