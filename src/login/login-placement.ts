import type { Request, Response } from 'express'
import { asError, calledBack } from '../async/call-app'
import { responseSent } from './code-exchange'
import { loginEnded } from './concurrent-logins'
import { ConfigurationError, reasonOf } from '../errors/errors'
import { isResponseSent } from '../http/error-response'
import type { Placement } from '../sessions/login-session'
import { grantOf } from '../sessions/request-grant'
import { type Session, forgetGrant, grantIn, holdsOthers, sessionOf } from '../sessions/session'
import { unpresentedFor } from '../grants/grant-options'
import { type Grant, type UserGrants, tokensOf } from '../grants/grants'

/** Callbacks that share the grant of another one. */
const sharing = new WeakSet<Request>()

/**
 * Puts the grant of a login into its browser's session, and removes it again if that fails.
 *
 * @param heldID the live grant that the session held when the callback arrived. If it is gone by now, it was logged out or
 * revoked, and the login that began with it ends too
 * @param isNew whether this callback created the grant. One of another callback may be in a session already
 * @param stored runs once the new session is stored
 */
export function placementOf(
  req: Request,
  grants: UserGrants,
  grant: Grant,
  heldID: string | undefined,
  isNew: boolean,
  stored: () => Promise<void>,
): Placement {
  if (!isNew) sharing.add(req)
  const { record } = grant
  // If the grant was ended, its tokens have been taken care of; not if it has expired, because the store was down all the time.
  let taken: readonly string[] = []
  const tokens = () =>
    Date.now() < record.createdAt + unpresentedFor ? [] : [...new Set([...taken, ...tokensOf(record)])]
  const withdraw = (heir: () => Promise<string | undefined>) =>
    grants.withdraw(grant.id, tokens, record.user, async () => ({
      ids: [await heir(), (await grants.latest(grant.id))?.id],
    }))
  return {
    async replace(previous) {
      const isReplaced = await grants.replace(previous, grant, (old) => {
        taken = old
      })
      if (isReplaced || previous !== heldID) return
      await withdraw(async () => undefined)
      throw loginEnded()
    },
    stored,
    async failed(error, previous, isRenewed) {
      if (isNew) {
        // If the old session is still there, its grant forwards to this one and the next login finds the tokens through it.
        const isOver = isRenewed && previous !== undefined
        await withdraw(async () => {
          const latest = isOver ? await grants.latest(previous) : undefined
          return latest?.id === grant.id ? undefined : previous
        })
      }
      grants.events.emit('loginFailed', { reason: reasonOf(error), error: asError(error) })
    },
  }
}

/**
 * Milliseconds that no login is done within. Where a browser had no grant, another login can replace a new one only if its session
 * takes as long to store. One that is shared can be replaced at any time.
 */
const shortestLogin = 20

/**
 * Finishes a login of `pd.auth()`: gives it a session with a new id, which the strategy has arranged to hold the grant's id.
 *
 * @throws {PagerDutyOAuthError} the response was sent meanwhile, without the session's cookie
 */
export async function establishSession(req: Request, res: Response, grants: UserGrants): Promise<void> {
  const session = sessionOf(req)
  if (session === undefined)
    throw new ConfigurationError('session', 'is missing: no session middleware ran before')
  const startedAt = performance.now()
  await calledBack((done) => session.regenerate(done))
  await calledBack((done) => sessionOf(req)?.save(done))
  const made = sessionOf(req)
  const mayBeOvertaken =
    sharing.has(req) ||
    grantOf(req, grants.client.name)?.grantID !== undefined ||
    performance.now() - startedAt > shortestLogin
  if (made !== undefined && mayBeOvertaken && (await isOvertaken(made, grants))) {
    forgetGrant(made, grants.client.name)
    return calledBack((done) => made.destroy(done))
  }
  if (!isResponseSent(res) || hasCookie(res, made?.id)) return
  // No response can give the session to the browser any more. Destroying it ends its grant too.
  await calledBack((done) => made?.destroy(done))
  throw responseSent()
}

/** Whether another login has replaced the only grant of this new session: the browser keeps the cookie of that one. */
async function isOvertaken(made: Session, grants: UserGrants): Promise<boolean> {
  const { name } = grants.client
  const id = grantIn(made, name)
  if (id === undefined || holdsOthers(made, name)) return false
  try {
    return (await grants.read(id)) === undefined
  } catch {
    // The session is stored: whatever became of its grant, the next request sees it.
    return false
  }
}

/** Whether the response that was sent has the cookie of this session: then the browser is logged in, whatever it shows. */
function hasCookie(res: Response, sessionID: string | undefined): boolean {
  const cookies = [res.getHeader('Set-Cookie') ?? []].flat()
  return sessionID !== undefined && cookies.some((cookie) => `${cookie}`.includes(sessionID))
}
