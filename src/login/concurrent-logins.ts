import { AuthorizationResponseError } from '../errors'
import { isSameUser } from '../user'
import { type LoginRecords, type LoginEnd, isRecent } from './login-records'
import { type OtherLogin, type PendingLogin, isLater } from './login-transaction'
import type { Grant, UserGrants } from '../grants/grants'

/** What decides between the logins of one browser. */
interface Deciding {
  readonly grants: UserGrants
  readonly records: LoginRecords
}

/** A login that has made its grant. */
export interface MadeLogin {
  readonly login: PendingLogin
  readonly grant: Grant
  /** The id of the grant that its browser's session held when the callback arrived. */
  readonly heldID: string | undefined
}

/** How a login ended, and the grant of the same user that its session is to present. */
export interface Decision {
  readonly end: LoginEnd | undefined
  readonly grant: Grant | undefined
}

/**
 * Decides between a login and others of its browser that are finished at the same time, as in several tabs. One grant has to
 * come of them: a session that another answer overwrites in the browser would be ended by no logout. If they are the same user's,
 * all of their sessions present the grant that was done first, so that it does not matter which answer arrives last.
 *
 * Each login has made its grant before it looks at the others, so of two at least one sees the other. While both are being
 * finished, the one that began last goes first: it overrules the other one in that one's record.
 *
 * @param others those whose cookies came with the callback, and those that have announced themselves to it, the latest first
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
      // Or a third one has overruled this one meanwhile.
      return { end, grant: end.by === theirs.id ? theirs : await successor(deciding, end.by, grant) }
    }
  }
  const end = await records.markEnded(login, { how: 'done', at: Date.now() })
  if (end?.how === 'replaced') return { end, grant: await successor(deciding, end.by, grant) }
  if (end?.how !== 'done') return { end, grant: undefined }
  // Not before: an overruled login ends no other one.
  for (const { grantID } of obsolete) await grants.replace(grantID, grant)
  return { end, grant }
}

/** The grant of another login, if this one is to present it; or whether that one is to end when this one is done. */
async function resolveAgainst(
  { grants, records }: Deciding,
  { login, grant, heldID }: MadeLogin,
  other: OtherLogin,
): Promise<Grant | 'obsolete' | undefined> {
  for (;;) {
    const record = await records.read(other.grantID)
    if (record === undefined) {
      // When its callback comes, it will see this one. But it may have been sent before this one's cookie was there.
      if (!isLater(login, other) || (await records.announce(login, other))) return undefined
      continue
    }
    const { end } = record
    if (end?.how === 'done' || end?.how === 'replaced') {
      const theirs =
        end.how === 'replaced'
          ? await successor({ grants, records }, end.by, grant)
          : await grants.latest(other.grantID)
      // One that the session held already is replaced with the session.
      if (theirs === undefined || theirs.id === heldID) return undefined
      const isSame = isSameUser(theirs.record.user, grant.record.user)
      // Another user's, or its response never arrived. Else that may be on its way still, and arrive after this one's.
      return isSame && isRecent(end) ? theirs : 'obsolete'
    }
    if (end !== undefined) return undefined
    if (isLater(login, other)) {
      const overruled = { how: 'replaced', at: Date.now(), by: grant.id } as const
      if (await records.overrule(other.grantID, record, overruled)) return undefined
    } else {
      // Without a grant it will see this one later. With one it may have looked already, and is done in a moment.
      const isMade = (await grants.latest(other.grantID)) !== undefined
      if (!isMade || (await records.waitUntilEnded(other.grantID)) === undefined) return undefined
    }
  }
}

/** The grant that another login presents since it was replaced, when that one's is done. Undefined for the very grant given. */
async function successor(deciding: Deciding, id: string, overruled: Grant): Promise<Grant | undefined> {
  if (id === overruled.id) return undefined
  const end = await deciding.records.waitUntilEnded(id)
  if (end?.how === 'replaced') return successor(deciding, end.by, overruled)
  const grant = end?.how === 'done' ? await deciding.grants.latest(id) : undefined
  return grant && isSameUser(grant.record.user, overruled.record.user) ? grant : undefined
}

/**
 * Ends the logins of a browser that logs out: those that have come about, though their answer has not arrived there yet, and
 * those whose callback is being finished. One that is still at PagerDuty is a new login when it comes back.
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

/** The login was ended before its session was there. */
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
