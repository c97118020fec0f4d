import { randomBytes } from 'node:crypto'
import { pause } from '../async/timeout'
import type { OtherLogin, PendingLogin } from './login-transaction'
import { parseJSON } from '../store/decode'
import type { TokenStore } from '../store/token-store'

/**
 * How the callback that redeemed a login ended. `done`: with a grant that sessions may present. `replaced`: another login of
 * the same browser, with the grant `by`, took its place. `loggedOut`: the user logged out meanwhile. `failed`: otherwise.
 */
export type LoginEnd =
  | { readonly how: 'done' | 'failed' | 'loggedOut'; readonly at: number }
  | { readonly how: 'replaced'; readonly at: number; readonly by: string }

export interface LoginRecord {
  /** As it was read from the store. */
  readonly value: string
  /** Undefined while the callback that redeemed the login is still running. */
  readonly end: LoginEnd | undefined
}

/** Milliseconds for which another callback may still get the grant of one that is done: as long as a double click takes. */
const joinableFor = 10_000
/** Milliseconds from the beginning of a login for which it stays redeemed. Its cookie is sent for as long. */
export const redeemedFor = 15 * 60_000
/** Milliseconds that a callback waits for another one. */
const longestWait = 10_000

/**
 * One record for each login that was redeemed, so that each is redeemed once in all processes. The record alone decides how a
 * login ends: its own callback writes that, unless another callback or a logout has overruled it before.
 */
export class LoginRecords {
  readonly #store: TokenStore
  readonly #owners = new WeakMap<PendingLogin, string>()

  constructor(store: TokenStore) {
    this.#store = store
  }

  /**
   * Redeems a pending login. Exactly one caller, in all processes, succeeds.
   *
   * @returns the logins that were announced to it; undefined for all other callers
   */
  async redeemOnce(login: PendingLogin): Promise<readonly OtherLogin[] | undefined> {
    const owner = randomBytes(12).toString('base64url')
    this.#owners.set(login, owner)
    const key = keyOf(login)
    if (await this.#store.create(key, owner, timeLeft(login))) return []
    for (;;) {
      const value = await this.#store.get(key)
      const announced = decodeAnnouncement(value)
      if (value === undefined || announced === undefined) return undefined
      if (await this.#store.replace(key, value, owner)) return announced
    }
  }

  /**
   * Announces a login that has created its grant to another one of its browser whose callback has not arrived.
   *
   * @returns false when the callback has arrived meanwhile, or another login was announced at the same time
   */
  async announce(login: OtherLogin, to: OtherLogin): Promise<boolean> {
    const key = keyOf(to)
    const own = { grantID: login.grantID, startedAt: login.startedAt }
    if (await this.#store.create(key, JSON.stringify([own]), timeLeft(to))) return true
    const value = await this.#store.get(key)
    const announced = decodeAnnouncement(value)
    if (value === undefined || announced === undefined) return false
    if (announced.some(({ grantID }) => grantID === login.grantID)) return true
    return this.#store.replace(key, value, JSON.stringify([...announced, own]))
  }

  /**
   * Writes how a login ended that was redeemed here.
   *
   * @returns how it ended, which another callback or a logout may have decided before; undefined when the record is gone
   */
  async markEnded(login: PendingLogin, end: LoginEnd): Promise<LoginEnd | undefined> {
    const owner = this.#owners.get(login) ?? ''
    try {
      if (await this.#store.replace(keyOf(login), owner, JSON.stringify(end))) return end
    } catch (error) {
      if (end.how === 'failed') throw error
      // The write may still take effect and others may rely on it. Writing again settles whether it did.
      const actual = await this.markEnded(login, { how: 'failed', at: end.at })
      if (actual?.how === 'failed') throw error
      return actual
    }
    return (await this.read(login.grantID))?.end
  }

  /** The record of a login, by the id of its grant; undefined until its callback arrives. */
  async read(grantID: string): Promise<LoginRecord | undefined> {
    const value = await this.#store.get(keyOf({ grantID }))
    return value === undefined || decodeAnnouncement(value) ? undefined : { value, end: decodeEnd(value) }
  }

  /** Ends a login whose callback is still running. False if it has ended meanwhile. */
  overrule(grantID: string, record: LoginRecord, end: LoginEnd): Promise<boolean> {
    return this.#store.replace(keyOf({ grantID }), record.value, JSON.stringify(end))
  }

  /** Whether a login is done, or another one that took its place, as soon as that has ended. */
  async isDone(grantID: string): Promise<boolean> {
    const end = await this.waitUntilEnded(grantID)
    return end?.how === 'replaced' ? this.isDone(end.by) : end?.how === 'done'
  }

  /** Waits up to ten seconds for the callback that redeemed a login. Undefined where it has not ended. */
  async waitUntilEnded(grantID: string): Promise<LoginEnd | undefined> {
    const giveUpAt = performance.now() + longestWait
    while (performance.now() < giveUpAt) {
      const record = await this.read(grantID)
      if (record === undefined || record.end !== undefined) return record?.end
      await pause(100)
    }
    return undefined
  }
}

/** Whether a login has ended so recently that its response may not have reached the browser yet. */
export function isRecent(end: LoginEnd | undefined): end is LoginEnd {
  return end !== undefined && Math.abs(Date.now() - end.at) < joinableFor
}

function timeLeft({ startedAt }: OtherLogin): number {
  return startedAt + redeemedFor - Date.now()
}

function keyOf({ grantID }: Pick<PendingLogin, 'grantID'>): string {
  return `login:${grantID}`
}

/** How a login ended; undefined for the owner that redeems it. */
function decodeEnd(value: string): LoginEnd | undefined {
  return value.startsWith('{') ? (parseJSON(value) as LoginEnd | undefined) : undefined
}

/** The logins that were announced to one whose callback has not arrived; undefined for anything else. */
function decodeAnnouncement(value: string | undefined): readonly OtherLogin[] | undefined {
  return value?.startsWith('[') ? (parseJSON(value) as OtherLogin[] | undefined) : undefined
}
