import { AuthorizationResponseError } from '../errors/pagerduty-errors'
import { isSameUser } from '../user'
import type { LoginParts } from './login-attempt'
import { type LoginEnd, type LoginRecords, isRecent } from './login-records'
import { type OtherLogin, type PendingLogin, isLater } from './login-transaction'
import type { Grant } from '../grants/grants'

type Deciding = Pick<LoginParts, 'grants' | 'records'>

/** A login that has created its grant. */
export interface MadeLogin {
  readonly login: PendingLogin
  readonly grant: Grant
  /** The id of the grant that its browser's session held when the callback arrived. */
  readonly heldID: string | undefined
}

/** How a login ended, and the grant of the same user that its session presents. */
export interface Decision {
  readonly end: LoginEnd | undefined
  readonly grant: Grant | undefined
}

/**
 * Reduces logins that one browser finishes at the same time, as in several tabs, to one grant. The response that arrives last
 * overwrites the session cookie of the others, and a logout would not end their grants. Logins of the same user share the grant
 * that was done first, so that it does not matter which response arrives last.
 *
 * Each login creates its grant before it reads the records of the others, so of two at least one sees the other. While both are
 * being finished, the one that began last has priority: it overrules the other one in that one's record.
 *
 * @param others logins whose cookies came with the callback, or that were announced in its record, the latest first
 */
export async function resolveConcurrentLogins(
  deciding: Deciding,
  made: MadeLogin,
  others: readonly OtherLogin[],
): Promise<Decision> {
  const { login, grant } = made
  const { grants, records } = deciding
  const obsolete: OtherLogin[] = []
  for (const other of others) {
    const theirs = await resolveAgainst(deciding, made, other)
    if (theirs === 'obsolete') obsolete.push(other)
    else if (theirs !== undefined) {
      const end = await records.markEnded(login, { how: 'replaced', at: Date.now(), by: theirs.id })
      if (end?.how !== 'replaced') return { end, grant: undefined }
      // A third login may have overruled this one meanwhile.
      return { end, grant: end.by === theirs.id ? theirs : await successor(deciding, end.by, grant) }
    }
  }
  const end = await records.markEnded(login, { how: 'done', at: Date.now() })
  if (end?.how === 'replaced') return { end, grant: await successor(deciding, end.by, grant) }
  if (end?.how !== 'done') return { end, grant: undefined }
  // Only now, because a login that was overruled must not end another one.
  for (const { grantID } of obsolete) await grants.replace(grantID, grant)
  return { end, grant }
}

/** The grant of another login that this one shares; or `obsolete` if that grant ends as soon as this login is done. */
async function resolveAgainst(
  { grants, records }: Deciding,
  { login, grant, heldID }: MadeLogin,
  other: OtherLogin,
): Promise<Grant | 'obsolete' | undefined> {
  const overruled = () => ({ how: 'replaced', at: Date.now(), by: grant.id }) as const
  for (;;) {
    const record = await records.read(other.grantID)
    if (record === undefined) {
      // Its callback will see this login, unless it was sent before the browser had this one's cookie.
      if (!isLater(login, other) || (await records.announce(login, other))) return undefined
      continue
    }
    const { end } = record
    if (end?.how === 'done' || end?.how === 'replaced') {
      const theirs =
        end.how === 'replaced'
          ? await successor({ grants, records }, end.by, grant)
          : await grants.latest(other.grantID)
      // By a later one only, as below: two logins must not replace each other.
      const mayTakeOver = theirs === undefined && end.how === 'replaced' && isLater(login, other)
      if (mayTakeOver && (await hasFailed(records, end.by))) {
        // Its callback may still be running. If it fails too, its tokens go along with this grant.
        if (await records.overrule(other.grantID, record, overruled())) return undefined
        continue
      }
      // The grant that the session holds is replaced together with the session.
      if (theirs === undefined || theirs.id === heldID) return undefined
      const isSame = isSameUser(theirs.record.user, grant.record.user)
      // The response of a recent login may still arrive after this one's, so both have to present one grant.
      return isSame && isRecent(end) ? theirs : 'obsolete'
    }
    if (end !== undefined) return undefined
    if (isLater(login, other)) {
      if (await records.overrule(other.grantID, record, overruled())) return undefined
    } else {
      // Without a grant it will see this login later. With one it may have read this record already, and is done in a moment.
      const isMade = (await grants.latest(other.grantID)) !== undefined
      if (!isMade || (await records.waitUntilEnded(other.grantID)) === undefined) return undefined
    }
  }
}

async function hasFailed(records: LoginRecords, grantID: string): Promise<boolean> {
  return (await records.read(grantID))?.end?.how === 'failed'
}

/** The grant in whose favour another login was overruled, as soon as that is done. Undefined if it is the given one. */
async function successor(deciding: Deciding, id: string, overruled: Grant): Promise<Grant | undefined> {
  if (id === overruled.id) return undefined
  const end = await deciding.records.waitUntilEnded(id)
  if (end?.how === 'replaced') return successor(deciding, end.by, overruled)
  const grant = end?.how === 'done' ? await deciding.grants.latest(id) : undefined
  return grant && isSameUser(grant.record.user, overruled.record.user) ? grant : undefined
}

/**
 * Ends the logins of a browser that logs out: those that are done, though their response has not arrived there yet, and those
 * whose callback is being finished. One whose callback has not arrived yet counts as a new login.
 */
export async function endLogins(
  { grants, records }: Deciding,
  logins: readonly PendingLogin[],
): Promise<void> {
  await Promise.all(
    logins.map(async (login) => {
      for (;;) {
        const record = await records.read(login.grantID)
        if (record === undefined) return
        if (record.end?.how === 'done') return grants.forget(login.grantID)
        if (record.end?.how === 'replaced') return grants.forget(record.end.by)
        if (record.end !== undefined) return
        if (await records.overrule(login.grantID, record, { how: 'loggedOut', at: Date.now() })) return
      }
    }),
  )
}

/** The login was ended before its session was stored. */
export function loginEnded(): AuthorizationResponseError {
  return new AuthorizationResponseError(
    'You logged out, or logged in in another tab, while this login was in progress. Log in again.',
    {
      code: 'ERR_PAGERDUTY_LOGIN_ENDED',
      status: 403,
      hint: 'The grant that the browser held when the callback arrived was ended, or this login was, before its session was stored.',
    },
  )
}
