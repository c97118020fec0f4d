import type { PagerDutyUser } from './user'
import { UserGrant, getGrant } from './user-grant'
import type { UserGrants } from './user-grants'

/** Whose grants are meant. */
export interface GrantOwner {
  /** PagerDuty's id of the account, as `user.accountID` has it; not the subdomain. */
  accountID: string
  /** As `user.id` has it: a person within that account. */
  userID: string
}

/** Grants without a request: for background jobs and administration. */
export interface GrantsByID {
  /** The grant with this id; undefined when it has ended. */
  get(id: string): Promise<UserGrant | undefined>
  /**
   * Lets a grant outlive its session, for background jobs: also a step-up or another login that takes its place there. Only
   * a logout of the session that holds it, or `revoke`, ends it. False when there is none.
   */
  keep(id: string): Promise<boolean>
  /** All grants of a user. */
  list(owner: GrantOwner): Promise<UserGrant[]>
  /** Ends a grant, or all grants of a user, everywhere and at once. */
  revoke(which: string | GrantOwner): Promise<void>
}

/** @internal */
export function grantsByID(grants: UserGrants): GrantsByID {
  const idsOf = ({ accountID, userID }: GrantOwner) =>
    grants.index.list({ accountID, id: userID } satisfies Pick<PagerDutyUser, 'accountID' | 'id'>)
  return {
    get: (id) => getGrant(grants, id),
    keep: (id) => grants.keep(id),
    async list(owner) {
      const found = await Promise.all((await idsOf(owner)).map((id) => getGrant(grants, id)))
      return found.filter((grant) => grant !== undefined)
    },
    async revoke(which) {
      const ids = typeof which === 'string' ? [which] : await idsOf(which)
      await Promise.all(ids.map((id) => grants.forget(id)))
    },
  }
}
