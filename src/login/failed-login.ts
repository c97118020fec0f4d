import { revocable } from '../grants/grants'
import type { TokenSet } from '../oauth/token-set'
import type { PagerDutyUser } from '../user'
import type { Attempt } from './login-attempt'
import type { LoginRecords, LoginEnd } from './login-records'
import type { OtherLogin } from './login-transaction'

/** What PagerDuty has sent for a login so far. */
export interface Received {
  tokens?: TokenSet
  user?: PagerDutyUser
}

/** Another login of a browser; `end` is undefined where it has not ended, or it is not known how. */
interface EndedLogin {
  readonly grantID: string
  readonly end: LoginEnd | undefined
}

/**
 * Records that a login failed. Its tokens go along with the grant of another login of the browser, because PagerDuty may count
 * all logins of a user as one authorization. Where there is none, they are revoked.
 */
export async function failLogin(attempt: Attempt, { tokens, user }: Received): Promise<void> {
  const { parts, login } = attempt
  const markFailed = () => parts.records.markEnded(login, { how: 'failed', at: Date.now() })
  // First, because other callbacks wait for it. Where the store is down, this is done with the rest.
  const [known] = await Promise.allSettled([markFailed()])
  if (tokens === undefined) return
  const heirs = async () => heirsOf(attempt, known.status === 'fulfilled' ? known.value : await markFailed())
  // Not awaited: other logins may take seconds to end, and the response does not depend on them.
  void parts.grants.withdraw(login.grantID, () => [revocable(tokens)], user, heirs)
}

/**
 * The grants that the tokens may go along with.
 *
 * @param end how the login has ended: another callback or a logout may have been first
 */
async function heirsOf({ parts, login, held, others }: Attempt, end: LoginEnd | undefined) {
  const ended = await whenEnded(parts.records, others)
  if (end === undefined || end.how === 'done') {
    // A second click, or another tab that shares this grant, may have finished the login.
    const sharing = ended.filter((other) => other.end?.how === 'replaced').map(({ grantID }) => grantID)
    return { ids: [held?.grantID, ...ended.flatMap(grantIDs)], replaced: [held?.grantID, ...sharing] }
  }
  // A login that was replaced by this one has failed with it, and has no grant to leave anything to.
  const left = ended.filter((other) => other.end?.how !== 'replaced' || other.end.by !== login.grantID)
  const successor = end.how === 'replaced' ? end.by : undefined
  return { ids: [successor, held?.grantID, ...left.flatMap(grantIDs)], replaced: [] }
}

/** How other logins of a browser have ended, once those whose callback is being finished have. */
function whenEnded(records: LoginRecords, others: readonly OtherLogin[]): Promise<readonly EndedLogin[]> {
  return Promise.all(
    others.map(async ({ grantID }) => ({
      grantID,
      end: await records.waitUntilEnded(grantID).catch(() => undefined),
    })),
  )
}

/**
 * The grants that another login has made, or that took its place. One that failed, or was logged out, has none to offer: two
 * of them would leave their tokens to each other, and none would be revoked.
 */
function grantIDs({ grantID, end }: EndedLogin): readonly string[] {
  if (end?.how === 'replaced') return [end.by, grantID]
  return end === undefined || end.how === 'done' ? [grantID] : []
}
