import type { Request, Response } from 'express'
import { calledBack } from '../async/call-app'
import { ConfigurationError } from '../errors'
import { isResponseSent } from '../http/error-response'
import { isOvertaken, sessionOf } from '../sessions/session'
import { responseSent } from './code-exchange'

/**
 * Finishes a login of `pd.auth()`: gives it a session with a new id, which the strategy has arranged to hold the grant's id.
 *
 * @throws {PagerDutyOAuthError} the response was sent meanwhile, without the session's cookie
 */
export async function establishSession(req: Request, res: Response): Promise<void> {
  const session = sessionOf(req)
  if (session === undefined)
    throw new ConfigurationError('session', 'is missing: no session middleware ran before')
  await calledBack((done) => session.regenerate(done))
  await calledBack((done) => sessionOf(req)?.save(done))
  const made = sessionOf(req)
  if (made !== undefined && isOvertaken(made)) {
    Object.assign(req, { session: undefined })
    return
  }
  if (!isResponseSent(res) || hasCookie(res, made?.id)) return
  // No response can give the session to the browser any more. Destroying it ends its grant too.
  await calledBack((done) => made?.destroy(done))
  throw responseSent()
}

/** Whether the response that was sent has the cookie of this session: then the browser is logged in, whatever it shows. */
function hasCookie(res: Response, sessionID: string | undefined): boolean {
  const cookies = [res.getHeader('Set-Cookie') ?? []].flat()
  return sessionID !== undefined && cookies.some((cookie) => `${cookie}`.includes(sessionID))
}
