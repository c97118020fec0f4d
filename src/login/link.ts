import type { Request } from 'express'
import type { Grant } from '../grants/grants'
import { AuthorizationResponseError } from '../errors/pagerduty-errors'
import { type Placement, linkGrant } from '../sessions/login-session'
import type { rememberData } from '../sessions/latest-data'
import { grantOf } from '../sessions/request-grant'
import { isLoginBy, sessionOf } from '../sessions/session'
import { isSameUser } from '../user'
import { loginEnded } from './concurrent-logins'
import type { LoginStrategy } from './login-attempt'
import { type PendingLogin, localUserIn } from './login-transaction'
import { heldGrant } from './step-up'

type LatestData = ReturnType<typeof rememberData>

/** `passport.authorize`: adds the grant to the session of a user who has logged in by other means. */
export async function link(
  strategy: LoginStrategy,
  req: Request,
  login: PendingLogin,
  outcome: { readonly grant: Grant; readonly isNew: boolean },
  { latestData, placement }: { latestData: LatestData; placement: Placement },
): Promise<void> {
  const { grants } = strategy._login
  const { grant } = outcome
  const { name } = grants.client
  const { user } = grant.record
  const data = await dataToLink(strategy, req, login, outcome, latestData)
  const current = heldGrant(req, name)?.user
  const isSame = current !== undefined && isSameUser(current, user)
  // This grant would replace the one that the session's login was made with, and so end that login.
  if (isLoginBy(sessionOf(req), name) && !isSame) {
    await grants.forget(grant.id, 'revoked')
    throw new AuthorizationResponseError('You are logged in as another PagerDuty user; log out first', {
      code: 'ERR_PAGERDUTY_OTHER_USER',
      status: 403,
      hint: 'The login of this session was made with PagerDuty. To link a second user to it, use a second instance with a name of its own.',
    })
  }
  await linkGrant(req, grants, grant.id, data, placement, strategy)
  grantOf(req, name)?.adopt(grant)
}

/**
 * The data of the session that a grant is about to be linked to.
 *
 * @throws {PagerDutyOAuthError} the local user has logged out since the link began, or another one has logged in. Data that were
 * read before would log the first one in again
 */
async function dataToLink(
  strategy: LoginStrategy,
  req: Request,
  { localUser }: PendingLogin,
  { grant, isNew }: { grant: Grant; isNew: boolean },
  latestData: () => Promise<Readonly<Record<string, unknown>> | undefined>,
): Promise<Readonly<Record<string, unknown>>> {
  const { grants } = strategy._login
  const session = sessionOf(req) ?? {}
  // No session presents the grant: its tokens are revoked, and the user stays as they are.
  const fail = async (error: unknown): Promise<never> => {
    if (isNew) await grants.forget(grant.id, 'revoked').catch(() => {})
    throw error
  }
  const isBegunHere = localUser === undefined || localUser === localUserIn(session, grants.client.name)
  const data = isBegunHere ? await latestData().catch(fail) : undefined
  if (data !== undefined) return data
  // Another callback of this login has linked it, and given the browser a new session.
  if (isBegunHere && !isNew && (await grants.read(grant.id)) !== undefined) return { ...session }
  await grants.forget(grant.id, 'revoked')
  throw loginEnded()
}
