import type { Response } from 'express'
import { asError } from '../async/call-app'
import { responseSent } from './code-exchange'
import { loginEnded } from './concurrent-logins'
import { reasonOf } from '../errors'
import { isResponseSent } from '../http/error-response'
import type { Placement } from '../sessions/login-session'
import type { Grant, UserGrants } from '../grants/grants'

/**
 * What becomes of the grant of a login in its browser's session.
 *
 * @param heldID the grant that the session held, live, when the callback arrived. If it is gone by now, it was logged out or
 * revoked, and so is the login that began with it
 * @param isNew whether this callback made the grant. One that another callback made may be in a session already
 * @param res what Passport writes to as soon as the session is stored; undefined where nothing does
 */
export function placementOf(
  grants: UserGrants,
  grant: Grant,
  heldID: string | undefined,
  isNew: boolean,
  res: Response | undefined,
): Placement {
  // If it is gone itself, its tokens are the business of whatever ended it.
  const withdraw = (heir: string | undefined) =>
    grants.withdraw(grant.id, [], grant.record.user, { ids: [heir], isAll: true })
  return {
    async replace(previous) {
      if ((await grants.replace(previous, grant)) || previous !== heldID) return
      await withdraw(undefined)
      throw loginEnded()
    },
    useless: () => (res !== undefined && isResponseSent(res) ? responseSent() : undefined),
    async failed(error, previous, isRenewed) {
      if (isNew) {
        // The grant before may lead to this one by now. While its session is there, that leads the next login to its tokens.
        const isOver = isRenewed && previous !== undefined
        const latest = isOver ? await grants.latest(previous).catch(() => undefined) : undefined
        await withdraw(latest?.id === grant.id ? undefined : previous)
      }
      grants.events.emit('loginFailed', { reason: reasonOf(error), error: asError(error) })
    },
  }
}
