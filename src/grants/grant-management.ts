import type { IncomingMessage } from 'node:http'
import { inBatches } from '../async/batches'
import { ConfigurationError } from '../errors/errors'
import { isSameUser } from '../user'
import { requireKnown } from '../errors/known-members'
import { UserGrant } from './user-grant'
import { type Grant, type UserGrants, isOver } from './grants'

/** Whose grants are meant. */
export interface GrantOwner {
  /** PagerDuty's id of the account, as `user.accountID` has it; not the subdomain. */
  accountID: string
  /** As `user.id` has it: a user within that account. */
  userID: string
}

/** Grants without a request: for background jobs and administration. */
export interface Grants {
  /**
   * The grant with this id, or for two minutes after a step-up or another login the one that replaced it: see its `grantID`.
   * Undefined when it has ended.
   *
   * @throws {ConfigurationError} no id was given
   */
  get(id: string): Promise<UserGrant | undefined>
  /**
   * Lets a grant outlive its session, for background jobs. A logout of the session that holds it ends it, and `revoke` does. After
   * a step-up or another login in that session, the session holds the new grant: a logout then ends that one, and only `revoke`
   * the kept one. False when there is none. May be called again after a failure.
   *
   * If a grant was replaced in the last two minutes, the one that replaced it is kept: use the `grantID` of what `get(id)`
   * returns then.
   *
   * @throws {ConfigurationError} no id was given
   */
  keep(id: string): Promise<boolean>
  /**
   * The grant of a request that went through no middleware: a WebSocket's upgrade, a plain `http` server, HTTP/2. Undefined when
   * no user is logged in. It reads the session cookie as `pd.auth()` does, and extends and writes nothing.
   *
   * Where the app has sessions of its own, or logins are in the session of another instance's `pd.auth()`, run that middleware on
   * the request first. A process that mounts neither can only know the sessions of `pd.auth()`.
   *
   * @throws {RequestRefusedError} an upgrade that a page of another origin sent
   * @throws {TokenStoreError} it is not known whether a user is logged in
   * @throws {ConfigurationError} logins are in another session, and the request has none
   */
  fromRequest(req: IncomingMessage): Promise<UserGrant | undefined>
  /**
   * All grants of a user: where the user is logged in, by `createdAt`, `lastUsedAt` and `label`, and what background jobs use, by
   * `isKept`.
   *
   * @throws {ConfigurationError} no user was named
   */
  list(owner: GrantOwner): Promise<UserGrant[]>
  /**
   * Ends a grant, or all grants of a user, everywhere and at once. Logins of the user whose callback has arrived by then fail.
   *
   * With `except`, the id of a grant of this user, that grant is left, or the one that has just replaced it:
   * `revoke({ accountID, userID, except: req.pagerduty.grantID })` logs the user out everywhere else.
   *
   * @throws {TokenStoreError} some grants may be left: call it again
   * @throws {ConfigurationError} neither an id nor a user was named, or `except` is not the id of a grant of this
   * user that is still alive
   */
  revoke(which: string | (GrantOwner & { except?: string })): Promise<void>
}

/** @internal */
export function grantsOf(grants: UserGrants, fromRequest: Grants['fromRequest']): Grants {
  return {
    fromRequest,
    get: async (id) => withoutRequest(grants, await grants.latest(idFrom(id))),
    keep: async (id) => grants.keep(idFrom(id)),
    async list(owner) {
      const ids = await grants.index.list(userOf(owner))
      // Not the latest version: a grant that replaced it has an entry of its own.
      const found = await inBatches(ids, async (id) => withoutRequest(grants, await grants.read(id)))
      return found.filter((grant) => grant !== undefined)
    },
    async revoke(which) {
      if (typeof which !== 'string') return revokeAll(grants, which)
      return grants.forget(idFrom(which), 'revoked')
    },
  }
}

/** @throws {ConfigurationError} such as the `grantID` of a request without a login */
function idFrom(id: unknown): string {
  if (typeof id === 'string' && id !== '') return id
  throw notNamed()
}

async function revokeAll(grants: UserGrants, which: GrantOwner & { except?: string }): Promise<void> {
  const user = userOf(which, ['except'])
  const { except } = which
  // Undefined may be the `grantID` of a request without a login. Taken as none, it would end all grants.
  if ('except' in which && (typeof except !== 'string' || except === '')) throw notExcepted()
  const left = except === undefined ? undefined : await grants.latest(except)
  // A grant that has ended would leave none, and log out the user who wants to log out the others.
  if (except !== undefined && (left === undefined || !isSameUser(left.record.user, user))) throw notExcepted()
  await grants.forgetAll(user, except)
}

/**
 * @param more members besides those of the owner
 * @throws {ConfigurationError} half a name matches no user, and revoking nothing must not look like success
 */
function userOf(owner: GrantOwner, more: readonly string[] = []): { accountID: string; id: string } {
  const { accountID, userID } = Object(owner) as { accountID?: unknown; userID?: unknown }
  if (typeof accountID !== 'string' || typeof userID !== 'string' || !accountID || !userID) throw notNamed()
  // One that is misspelt counts even if it is undefined: `except` would be missing, and all grants be ended.
  const given = Object.fromEntries(Object.keys(owner).map((name) => [name, true]))
  requireKnown('pd.grants', given, ['accountID', 'userID', ...more])
  return { accountID, id: userID }
}

function notExcepted(): ConfigurationError {
  return new ConfigurationError(
    'except',
    'must be the id of a grant of this user',
    'Give the grantID of req.pagerduty, on a route that requires a login. Leave it out to end all grants.',
  )
}

function notNamed(): ConfigurationError {
  return new ConfigurationError(
    'owner',
    'must be { accountID, userID }, two strings, or the id of a grant',
    'Of a user of this package these are user.accountID and user.id.',
  )
}

/** A grant for background jobs and administration. Undefined for one that has ended. */
function withoutRequest(grants: UserGrants, grant: Grant | undefined): UserGrant | undefined {
  return grant === undefined || (isOver(grant) && !grant.record.isKept)
    ? undefined
    : new UserGrant(grants, grant)
}
