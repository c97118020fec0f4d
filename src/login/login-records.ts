import { randomBytes } from 'node:crypto'
import { pause } from '../async/timeout'
import type { OtherLogin, PendingLogin } from './login-transaction'
import type { TokenStore } from '../store/token-store'

/**
 * How the callback that redeemed a login ended. `done`: with a grant that sessions may present. `replaced`: another login of
 * the same browser, with the grant `by`, took its place. `loggedOut`: the user logged out meanwhile. `failed`: otherwise.
 */
export type LoginEnd =
  | { readonly how: 'done' | 'failed' | 'loggedOut'; readonly at: number }
  | { readonly how: 'replaced'; readonly at: number; readonly by: string }

/** A record as it was read. */
export interface LoginRecord {
  /** The value in the store. */
  readonly value: string
  /** Undefined while the callback that holds the record is still running. */
  readonly end: LoginEnd | undefined
}

/** Milliseconds for which another callback may still get the grant of one that is done: as long as a double click takes. */
const joinableFor = 10_000
/** Milliseconds from the beginning of a login for which it stays redeemed. Its cookie is sent for as long. */
export const redeemedFor = 15 * 60_000
/** Milliseconds that a callback waits for another one. */
const longestWait = 10_000

/**
 * Which pending logins were redeemed, so that each is redeemed once, in all processes. A record is the one place in which it
 * is decided whether a login comes about: its own callback writes how it ended, unless another one has overruled it before.
 */
export class LoginRecords {
  readonly #store: TokenStore
  readonly #owners = new WeakMap<PendingLogin, string>()

  constructor(store: TokenStore) {
    this.#store = store
  }

  /**
   * Takes a pending login for redemption. Exactly one caller, in all processes, succeeds.
   *
   * @returns the logins that were announced to it; undefined for everybody else
   */
  async redeemOnce(login: PendingLogin): Promise<readonly OtherLogin[] | undefined> {
    const owner = randomBytes(12).toString('base64url')
    this.#owners.set(login, owner)
    const key = keyOf(login)
    if (await this.#store.create(key, owner, timeLeft(login))) return []
    let announced: readonly OtherLogin[] = []
    for (;;) {
      const value = await this.#store.get(key)
      // The reply of a command may get lost and it be sent again: then the record is held by this very owner.
      if (value === owner) return announced
      if (value === undefined || !isAnnouncement(value)) return undefined
      announced = decodeAnnouncement(value)
      if (await this.#store.replace(key, value, owner)) return announced
    }
  }

  /**
   * Tells a login whose callback has not come that another one of its browser has made its grant.
   *
   * @returns false when the callback has come meanwhile, or others announce themselves as well
   */
  async announce(login: OtherLogin, to: OtherLogin): Promise<boolean> {
    const key = keyOf(to)
    if (await this.#store.create(key, encodeAnnouncement([login]), timeLeft(to))) return true
    const value = await this.#store.get(key)
    if (value === undefined || !isAnnouncement(value)) return false
    const announced = decodeAnnouncement(value)
    if (announced.some(({ grantID }) => grantID === login.grantID)) return true
    return this.#store.replace(key, value, encodeAnnouncement([...announced, login]))
  }

  /**
   * Writes how a login ended that was claimed here.
   *
   * @returns how it ended: as another callback or a logout has decided before, if one has; undefined when the record is gone
   */
  async markEnded(login: PendingLogin, end: LoginEnd): Promise<LoginEnd | undefined> {
    const owner = this.#owners.get(login) ?? ''
    try {
      if (await this.#store.replace(keyOf(login), owner, encode(end))) return end
    } catch (error) {
      if (end.how === 'failed') throw error
      // It may have been written, and others go by it. After this, either it was, or it never will be.
      const actual = await this.markEnded(login, { how: 'failed', at: end.at })
      if (actual?.how === 'failed') throw error
      return actual
    }
    return (await this.read(login.grantID))?.end
  }

  /** The record on a login, by the id of its grant; undefined while its callback has not come. */
  async read(grantID: string): Promise<LoginRecord | undefined> {
    const value = await this.#store.get(keyOf({ grantID }))
    return value === undefined || isAnnouncement(value) ? undefined : { value, end: decode(value) }
  }

  /** Ends a login whose callback is still running. False if it has ended meanwhile. */
  overrule(grantID: string, record: LoginRecord, end: LoginEnd): Promise<boolean> {
    return this.#store.replace(keyOf({ grantID }), record.value, encode(end))
  }

  /** Waits ten seconds at most for the callback that took a login. Undefined where it has not ended. */
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

/** Whether a login has ended so recently that its answer may not have reached the browser yet. */
export function isRecent(end: LoginEnd | undefined): end is LoginEnd {
  return end !== undefined && Math.abs(Date.now() - end.at) < joinableFor
}

function timeLeft({ startedAt }: OtherLogin): number {
  return startedAt + redeemedFor - Date.now()
}

function keyOf({ grantID }: Pick<PendingLogin, 'grantID'>): string {
  return `login:${grantID}`
}

/** No owner has a dot. */
function encode(end: LoginEnd): string {
  return [end.how, end.at.toString(36), ...(end.how === 'replaced' ? [end.by] : [])].join('.')
}

function decode(value: string): LoginEnd | undefined {
  const [how, at = '', by] = value.split('.')
  if (how === 'replaced' && by !== undefined) return { how, at: parseInt(at, 36), by }
  return how === 'done' || how === 'failed' || how === 'loggedOut' ? { how, at: parseInt(at, 36) } : undefined
}

/** What stands where the record will be, until the callback comes. */
function encodeAnnouncement(logins: readonly OtherLogin[]): string {
  return ['after', ...logins.flatMap(({ grantID, startedAt }) => [grantID, startedAt.toString(36)])].join('.')
}

function isAnnouncement(value: string): boolean {
  return value.startsWith('after.')
}

function decodeAnnouncement(value: string): readonly OtherLogin[] {
  const pairs = value.matchAll(/\.([\w-]+)\.([0-9a-z]+)/g)
  return [...pairs].map(([, grantID = '', startedAt = '']) => ({
    grantID,
    startedAt: parseInt(startedAt, 36),
  }))
}
