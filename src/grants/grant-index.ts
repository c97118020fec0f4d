import { inBatches } from '../async/batches'
import { pause } from '../async/timeout'
import { ConfigurationError, TokenStoreError } from '../errors/errors'
import { AuthorizationResponseError } from '../errors/pagerduty-errors'
import { grantKey } from './grant-repository'
import { type List, decode, empty, encode, endRemembered, fewest, lifeOf } from './index-record'
import type { Events } from '../observability/events'
import type { PagerDutyUser } from '../user'
import type { KeyRing, Sealer } from '../store/encryption'
import type { TokenStore } from '../store/token-store'

export type IndexOwner = Pick<PagerDutyUser, 'accountID' | 'id'>

/** Concurrent logins of one user. */
const most = 10_000
/** Milliseconds for which a change is retried while other processes change the same list. */
const changeTimeout = 5_000

/**
 * Which grants a user has, so that all of them can be found and ended: one record for each user, changed by compare-and-set
 * only. No entry of a live grant is ever dropped. A grant exists before its entry is added, so the grant of an entry that has
 * none has ended.
 */
export class GrantIndex {
  readonly #store: TokenStore
  readonly #sealer: Sealer
  #events: Events | undefined

  constructor(store: TokenStore, keys: KeyRing, events?: Events) {
    this.#store = store
    this.#events = events
    this.#sealer = keys.sealer('grant index')
  }

  /** The list as it is stored, for {@link add}. */
  async read(user: IndexOwner): Promise<{ readonly sealed: string | undefined }> {
    return { sealed: await this.#store.get(keyOf(user)) }
  }

  /** The ids of the user's grants. Some of them may have ended. */
  async list(user: IndexOwner): Promise<readonly string[]> {
    const key = keyOf(user)
    return idsOf(this.#open(await this.#store.get(key), key))
  }

  /**
   * Adds a grant, or extends its entry.
   *
   * @param arrivedAt when the callback of its login arrived; left out where no login adds it
   * @param read the list as {@link read} returned it a moment ago
   * @throws {TokenStoreError} it is not listed: the store failed, or others kept changing the list
   * @throws {AuthorizationResponseError} all logins were ended since then, or the user has too many
   */
  async add(
    user: IndexOwner,
    id: string,
    until: number,
    arrivedAt = Infinity,
    read?: { readonly sealed: string | undefined },
  ): Promise<void> {
    const change = async (list: List) => {
      if (arrivedAt <= (list.endedAt ?? -Infinity)) throw allEnded()
      const known = list.entries.find((entry) => entry.id === id)
      if (known !== undefined && known.until >= until) return undefined
      const others = { ...list, entries: list.entries.filter((entry) => entry !== known) }
      const kept = others.entries.length < others.pruneAt ? others : await this.#pruned(others)
      if (known === undefined && kept.entries.length >= most) throw tooMany()
      return { ...kept, entries: [...kept.entries, { id, until }] }
    }
    await this.#change(keyOf(user), change, read)
  }

  /**
   * Notes that all logins of the user end now. {@link add} rejects those whose callback has arrived by now.
   *
   * @returns the ids of the grants to end. They stay listed, in case that fails.
   */
  async end(user: IndexOwner): Promise<readonly string[]> {
    return idsOf(
      await this.#change(keyOf(user), async (list) => ({
        ...list,
        endedAt: Math.max(Date.now(), list.endedAt ?? 0),
      })),
    )
  }

  /** @param change returns the new list, or undefined to leave it unchanged */
  async #change(
    key: string,
    change: (list: List) => Promise<List | undefined>,
    read?: { readonly sealed: string | undefined },
  ): Promise<List> {
    const giveUpAt = performance.now() + changeTimeout
    for (let known = read; ; known = undefined) {
      const { sealed } = known ?? { sealed: await this.#store.get(key) }
      const list = this.#open(sealed, key)
      const changed = await change(list)
      if (changed === undefined) return list
      const value = this.#sealer.seal(encode(changed), key)
      const isStored =
        sealed === undefined
          ? await this.#store.create(key, value, lifeOf(changed))
          : await this.#store.replace(key, sealed, value, lifeOf(changed))
      if (isStored) return changed
      if (performance.now() >= giveUpAt) throw contended()
      await pause(Math.random() * 50)
    }
  }

  /** The list without entries whose grant has ended. */
  async #pruned(list: List): Promise<List> {
    const grants = await inBatches(list.entries, ({ id }) => this.#store.get(grantKey(id)))
    const entries = list.entries.filter((_entry, position) => grants[position] !== undefined)
    return { ...list, entries, pruneAt: Math.min(Math.max(2 * entries.length, fewest), most) }
  }

  /** Empty where there is no record, or none that can be decrypted. */
  #open(sealed: string | undefined, key: string): List {
    const text = sealed === undefined ? undefined : this.#sealer.open(sealed, key)
    if (sealed !== undefined && text === undefined) {
      this.#events?.emit('warning', { error: new ConfigurationError('secret', foreign) })
      this.#events = undefined // Once: after a secret was dropped it holds for each user.
    }
    const { entries, pruneAt, endedAt } = (text === undefined ? undefined : decode(text)) ?? empty
    const isRemembered = endedAt !== undefined && endedAt + endRemembered > Date.now()
    return {
      entries: entries.filter((entry) => entry.until > Date.now()),
      pruneAt,
      endedAt: isRemembered ? endedAt : undefined,
    }
  }
}

const foreign =
  'is not what encrypted a user’s list of logins: SESSION_SECRET was changed and the old one was not kept, or another app has the same "prefix"; ending all logins misses some'

function idsOf({ entries }: List): readonly string[] {
  return entries.map((entry) => entry.id)
}

function keyOf({ accountID, id }: IndexOwner): string {
  return `user:${accountID} ${id}`
}

function allEnded(): AuthorizationResponseError {
  return new AuthorizationResponseError(
    'All of your logins were ended while this one was in progress. Log in again.',
    {
      code: 'ERR_PAGERDUTY_ALL_LOGINS_ENDED',
      status: 403,
      hint: 'grants.revoke({ accountID, userID }) was called after the callback of this login had arrived.',
    },
  )
}

function tooMany(): AuthorizationResponseError {
  return new AuthorizationResponseError(`You are logged in ${most} times already. Log out somewhere first.`, {
    code: 'ERR_PAGERDUTY_TOO_MANY_LOGINS',
    status: 403,
    hint: 'A script that logs in for each of its runs? Let it keep its session, or end old ones: grants.revoke({ accountID, userID }).',
  })
}

function contended(): TokenStoreError {
  return new TokenStoreError(
    `The list of this user’s logins could not be changed within ${changeTimeout} ms, because others changed it at the same time`,
  )
}
