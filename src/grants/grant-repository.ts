import { isSameUser } from '../user'
import { type GrantRecord, decodeGrant, encodeGrant } from './grant-record'
import { isText, parseJSON } from '../store/decode'
import { DecryptedGrantCache } from './decrypted-grant-cache'
import type { KeyRing, Sealer } from '../store/encryption'
import type { TokenStore } from '../store/token-store'

/** A grant as it was read: the record, and the exact value in the store, which identifies its version. */
export interface Grant {
  readonly id: string
  readonly record: GrantRecord
  readonly sealed: string
}

/** The logical key of a grant. */
export function grantKey(id: string): string {
  return `grant:${id}`
}

/** Whether a session presents a grant. A new one that none presents has a minute to live. */
export function isPresented({ record }: Grant): boolean {
  return record.lastUsedAt !== record.createdAt || record.isKept
}

/** Whether the session of a grant has reached its absolute end; a kept grant may outlive it. */
export function isOver(grant: Grant): boolean {
  return Date.now() >= grant.record.absoluteEnd
}

/** Milliseconds until a grant expires that is used now. */
export function lifeLeft(grant: Grant, idle: number): number {
  return Math.max(Math.min(idle, grant.record.absoluteEnd - Date.now()), 1)
}

/** Milliseconds for which a replaced grant leads to its successor: longer than a refresh of it can take. */
const forwardedFor = 2 * 60_000
const mostSuperseded = 50
/** Each successor is newer than the one before, so that there is no cycle. This limits the damage of one. */
const mostHops = 100

/** Grants in the token store, encrypted and bound to their keys. */
export class GrantRepository {
  readonly #store: TokenStore
  readonly #sealer: Sealer
  readonly #decrypted = new DecryptedGrantCache()

  constructor(store: TokenStore, keys: KeyRing) {
    this.#store = store
    this.#sealer = keys.sealer('grant')
  }

  /** The stored grant. */
  async read(id: string): Promise<Grant | undefined> {
    const sealed = await this.#store.get(grantKey(id))
    return sealed === undefined ? undefined : this.open(id, sealed)
  }

  /** The same, or the grant that replaced it in the last two minutes. */
  async latest(id: string, hops = mostHops): Promise<Grant | undefined> {
    const sealed = await this.#store.get(grantKey(id))
    if (sealed === undefined) return undefined
    const grant = this.open(id, sealed)
    if (grant !== undefined) return grant
    const successor = this.successorOf(id, sealed)
    return successor === undefined || hops === 0 ? undefined : this.latest(successor, hops - 1)
  }

  /** A grant from a value that was read elsewhere. What cannot be decrypted counts as none. */
  open(id: string, sealed: string): Grant | undefined {
    const record = this.#decrypted.getOrDecrypt(id, sealed, () => {
      const text = this.#sealer.open(sealed, grantKey(id))
      return text === undefined ? undefined : decodeGrant(text)
    })
    return record && { id, record, sealed }
  }

  /** The id of the grant that replaced this one, if the value is such a reference. */
  successorOf(id: string, sealed: string): string | undefined {
    const { to } = this.#referenceIn(id, sealed)
    return isText(to) ? to : undefined
  }

  /** Stores the first version of a grant, for `ttl` milliseconds. Undefined when there is one already. */
  async create(id: string, record: GrantRecord, ttl: number): Promise<Grant | undefined> {
    const sealed = this.#seal(id, record)
    const isStored = await this.#store.create(grantKey(id), sealed, ttl)
    return isStored ? { id, record, sealed } : undefined
  }

  /**
   * Stores the next version, only if the one that was read is still there: what was logged out is not revived, and what
   * another process wrote is not overwritten. Without `ttl` the expiry stays.
   *
   * @returns undefined when it was not stored
   */
  async update(grant: Grant, record: GrantRecord, ttl?: number): Promise<Grant | undefined> {
    const sealed = this.#seal(grant.id, record)
    const isStored = await this.#store.replace(grantKey(grant.id), grant.sealed, sealed, ttl)
    return isStored ? { ...grant, record, sealed } : undefined
  }

  /**
   * Replaces an unchanged grant with a reference to its successor. Where that is another user's, nothing may follow the reference:
   * it only says that the grant was replaced, and not logged out.
   *
   * @returns whether it was unchanged
   */
  async forward(grant: Grant, successor: string, isSameUser = true): Promise<boolean> {
    this.#decrypted.forget(grant.id)
    const key = grantKey(grant.id)
    const reference = isSameUser ? { to: successor } : { replacedBy: successor }
    const sealed = this.#sealer.seal(JSON.stringify(reference), key)
    return this.#store.replace(key, grant.sealed, sealed, forwardedFor)
  }

  /** Whether this live grant, of any user, took the place of another one in the last two minutes. */
  async hasReplaced(id: string, successor: string, hops = mostHops): Promise<boolean> {
    const sealed = await this.#store.get(grantKey(id))
    if (sealed === undefined || hops === 0) return false
    if (id === successor) return this.open(id, sealed) !== undefined
    const { to, replacedBy = to } = this.#referenceIn(id, sealed)
    return isText(replacedBy) && this.hasReplaced(replacedBy, successor, hops - 1)
  }

  /**
   * Adds tokens to those that are revoked with a grant, or with its successor.
   *
   * @param user only if the grant is this user's; undefined where the user of the tokens is unknown
   * @returns the grant that has them now; undefined when there is none
   */
  async attach(
    id: string,
    tokens: readonly string[],
    user: GrantRecord['user'] | undefined,
  ): Promise<Grant | undefined> {
    const grant = await this.latest(id)
    if (grant === undefined) return undefined
    const { record } = grant
    if (user !== undefined && !isSameUser(record.user, user)) return undefined
    const superseded = [...new Set([...record.superseded, ...tokens])].slice(-mostSuperseded)
    return (await this.update(grant, { ...record, superseded })) ?? this.attach(id, tokens, user)
  }

  /** Lets an unchanged grant expire `ttl` milliseconds from now, and notes that it is used. Without `ttl` the expiry stays. */
  async extend(grant: Grant, ttl: number | undefined): Promise<boolean> {
    const { record } = grant
    // Later than `createdAt`, also in the same millisecond: see isPresented.
    const lastUsedAt = Math.max(Date.now(), record.createdAt + 1)
    return (await this.update(grant, { ...record, lastUsedAt }, ttl)) !== undefined
  }

  /** Removes a grant; given the grant as it was read, only if it has not changed. */
  async delete(id: string, unchanged?: Grant): Promise<boolean> {
    this.#decrypted.forget(id)
    return this.#store.delete(grantKey(id), unchanged?.sealed)
  }

  #referenceIn(id: string, sealed: string): { readonly to?: unknown; readonly replacedBy?: unknown } {
    const text = this.#sealer.open(sealed, grantKey(id))
    return Object(parseJSON(text ?? '')) as object
  }

  #seal(id: string, record: GrantRecord): string {
    return this.#sealer.seal(encodeGrant(record), grantKey(id))
  }
}
