import { randomBytes } from 'node:crypto'
import { pause } from '../async/timeout'
import type { PendingLogin } from './login-transaction'
import type { TokenStore } from '../store/token-store'

/**
 * How the callback that redeemed a login ended. `done`: with a grant that sessions may present. `replaced`: another login of
 * the same browser, with the grant `by`, took its place. `loggedOut`: the user logged out meanwhile. `failed`: otherwise.
 */
export type LoginEnd =
  | { readonly how: 'done' | 'failed' | 'loggedOut'; readonly at: number }
  | { readonly how: 'replaced'; readonly at: number; readonly by: string }

/** A claim as it was read. */
export interface Claim {
  /** The value in the store. */
  readonly value: string
  /** Undefined while the callback that holds the claim is still running. */
  readonly end: LoginEnd | undefined
}

/** Milliseconds for which another callback may still get the grant of one that is done: as long as a double click takes. */
const joinableFor = 10_000
/** Milliseconds from the beginning of a login for which it stays redeemed. Its cookie is sent for as long. */
export const claimedFor = 15 * 60_000
/** Milliseconds that a callback waits for another one. */
const longestWait = 10_000

/**
 * Which pending logins were redeemed, so that each is redeemed once, in all processes. A claim is the one place in which it
 * is decided whether a login comes about: its own callback writes how it ended, unless another one has overruled it before.
 */
export class LoginClaims {
  readonly #store: TokenStore
  readonly #owners = new WeakMap<PendingLogin, string>()

  constructor(store: TokenStore) {
    this.#store = store
  }

  /** Takes a pending login for redemption. Exactly one caller, in all processes, gets true. */
  async claim(login: PendingLogin): Promise<boolean> {
    const owner = randomBytes(12).toString('base64url')
    const ttl = login.startedAt + claimedFor - Date.now()
    // The reply of a create may get lost and the command be sent again: then the claim is held by this very owner.
    const isMine =
      (await this.#store.create(keyOf(login), owner, ttl)) || (await this.#store.get(keyOf(login))) === owner
    if (isMine) this.#owners.set(login, owner)
    return isMine
  }

  /**
   * Writes how a login ended that was claimed here.
   *
   * @returns how it ended: as another callback or a logout has decided before, if one has; undefined when the claim is gone
   */
  async settle(login: PendingLogin, end: LoginEnd): Promise<LoginEnd | undefined> {
    const owner = this.#owners.get(login) ?? ''
    if (await this.#store.replace(keyOf(login), owner, encode(end))) return end
    return (await this.look(login.grantID))?.end
  }

  /** The claim on a login, by the id of its grant; undefined while its callback has not come. */
  async look(grantID: string): Promise<Claim | undefined> {
    const value = await this.#store.get(keyOf({ grantID }))
    return value === undefined ? undefined : { value, end: decode(value) }
  }

  /** Ends a login whose callback is still running. False if it has ended meanwhile. */
  overrule(grantID: string, claim: Claim, end: LoginEnd): Promise<boolean> {
    return this.#store.replace(keyOf({ grantID }), claim.value, encode(end))
  }

  /** Waits ten seconds at most for the callback that took a login. Undefined where it has not ended. */
  async ended(grantID: string): Promise<LoginEnd | undefined> {
    const giveUpAt = performance.now() + longestWait
    while (performance.now() < giveUpAt) {
      const claim = await this.look(grantID)
      if (claim === undefined || claim.end !== undefined) return claim?.end
      await pause(100)
    }
    return undefined
  }
}

/** Whether a login has ended so recently that its answer may not have reached the browser yet. */
export function isRecent(end: LoginEnd | undefined): end is LoginEnd {
  return end !== undefined && Math.abs(Date.now() - end.at) < joinableFor
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
