import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { Client } from './client'
import { ConfigurationError, type StateMismatch } from './errors'
import { type PendingLogin, decodePendingLogin, encodePendingLogin } from './pending-login'
import type { KeyRing, Sealer } from './seal'
import type { TokenStore } from './token-store'

/** A pending login whose callback arrived, and whether its time is over. */
export interface FoundLogin {
  readonly login: PendingLogin
  readonly isExpired: boolean
}

const lifetime = 10 * 60_000
/** The cookie and the claim outlive the seal, so that a late callback is recognised and cannot be played twice. */
const grace = 5 * 60_000
const mostPending = 5
const mostBytes = 800
const mostBytesTogether = 4096
/** Per answer: hundreds of them, which no login of ours has set, would make headers that no proxy hands on. */
const mostCleared = 20
const duplicateWait = 10_000

/**
 * Pending logins, each in a sealed cookie of its own: tabs do not disturb each other, and a visitor who never comes back
 * costs the store nothing. Bound to browser, strategy, client and redirect URI; redeemed once.
 */
export class PendingLogins {
  readonly #sealer: Sealer
  readonly #store: TokenStore
  readonly #prefix: string
  readonly #attributes: string
  readonly #binding: string
  readonly #owners = new WeakMap<PendingLogin, string>()

  constructor(client: Client, store: TokenStore, keys: KeyRing) {
    this.#store = store
    this.#sealer = keys.sealer('pending login')
    this.#prefix = `${client.isSecure ? '__Host-' : ''}${client.name}-login-`
    this.#attributes = `Path=/; HttpOnly; SameSite=Lax${client.isSecure ? '; Secure' : ''}`
    this.#binding = `${client.name} ${client.clientID} ${client.callbackURL}`
  }

  /** Remembers a login in the browser. The oldest ones go when there are more than five, or they grow too large. */
  begin(req: IncomingMessage, res: ServerResponse, login: PendingLogin): void {
    const name = this.#prefix + login.startedAt.toString(36) + '-' + fingerprint(login.state)
    const cookie = `${name}=${this.#sealer.seal(encodePendingLogin(login), this.#place(login.state))}`
    if (cookie.length > mostBytes) {
      throw new ConfigurationError(
        'state',
        'is too large, together with returnTo and scope, to be kept in a cookie',
      )
    }
    const kept = this.#cookies(req).sort((a, b) => b.startedAt - a.startedAt)
    let size = cookie.length
    const surplus = kept.filter((other, position) => {
      size += other.name.length + 1 + other.value.length
      return position + 1 >= mostPending || size > mostBytesTogether
    })
    for (const { name: old } of surplus.slice(0, mostCleared)) this.#clear(res, old)
    res.appendHeader('Set-Cookie', `${cookie}; ${this.#attributes}; Max-Age=${(lifetime + grace) / 1000}`)
  }

  /** The pending login that a callback's `state` belongs to, if it was begun in this browser by this strategy. */
  find(req: IncomingMessage, state: string): FoundLogin | undefined {
    const cookie = this.#cookies(req).find((other) => other.fingerprint === fingerprint(state))
    const text = cookie && this.#sealer.open(cookie.value, this.#place(state))
    if (text === undefined) return undefined
    const login = decodePendingLogin(text, state)
    if (login === undefined) return undefined
    const age = Date.now() - login.startedAt
    return age < lifetime + grace ? { login, isExpired: age >= lifetime } : undefined
  }

  /** Whether the browser holds any pending login of this strategy: tells a lost cookie from a forged callback. */
  hasAny(req: IncomingMessage): boolean {
    return this.#cookies(req).length > 0
  }

  /** Why {@link find} found nothing, as far as the browser's cookies tell. */
  mismatch(req: IncomingMessage, state: string): StateMismatch {
    const own = this.#cookies(req)
    if (own.some((cookie) => cookie.fingerprint === fingerprint(state))) return 'unreadable'
    const isAnothers = new RegExp(`-login-[0-9a-z]{8,9}-${fingerprint(state)}=`).test(
      req.headers.cookie ?? '',
    )
    if (isAnothers) return 'otherStrategy'
    return own.length > 0 ? 'unknown' : 'otherBrowser'
  }

  /** Takes a pending login for redemption. Exactly one caller, in all processes, gets true. */
  async claim(login: PendingLogin): Promise<boolean> {
    const owner = randomBytes(12).toString('base64url')
    const ttl = login.startedAt + lifetime + grace - Date.now()
    // The reply of a create may get lost and the command be sent again: then the claim is held by this very owner.
    const isMine =
      (await this.#store.create(claimKey(login), owner, ttl)) ||
      (await this.#store.get(claimKey(login))) === owner
    if (isMine) this.#owners.set(login, owner)
    return isMine
  }

  /** Tells callbacks that wait for this one that it is over; without it they stop waiting by themselves. */
  async settle(login: PendingLogin): Promise<void> {
    const owner = this.#owners.get(login)
    if (owner !== undefined) await this.#store.replace(claimKey(login), owner, settled).catch(() => {})
  }

  /** Waits until the callback that took the login is over. */
  async settled(login: PendingLogin): Promise<void> {
    const giveUpAt = performance.now() + duplicateWait
    while (performance.now() < giveUpAt) {
      const claim = await this.#store.get(claimKey(login))
      if (claim === undefined || claim === settled) return
      await pause(100)
    }
  }

  /** Forgets a pending login in the browser. */
  end(req: IncomingMessage, res: ServerResponse, login: PendingLogin): void {
    const cookie = this.#cookies(req).find((other) => other.fingerprint === fingerprint(login.state))
    if (cookie !== undefined) this.#clear(res, cookie.name)
  }

  #clear(res: ServerResponse, name: string): void {
    res.appendHeader('Set-Cookie', `${name}=; ${this.#attributes}; Max-Age=0`)
  }

  #place(state: string): string {
    return `${this.#binding} ${state}`
  }

  #cookies(req: IncomingMessage) {
    const found = []
    for (const pair of (req.headers.cookie ?? '').split(';')) {
      const [name = '', value = ''] = pair.trim().split('=', 2)
      if (!name.startsWith(this.#prefix) || value.length > mostBytes) continue
      const match = /^([0-9a-z]{8,9})-([\w-]{8})$/.exec(name.slice(this.#prefix.length))
      if (match?.[1] === undefined) continue
      found.push({ name, value, startedAt: parseInt(match[1], 36), fingerprint: match[2] })
    }
    return found
  }
}

const settled = 'settled'

function claimKey(login: PendingLogin): string {
  return `login:${login.grantID}`
}

function fingerprint(state: string): string {
  return createHash('sha256').update(state).digest('base64url').slice(0, 8)
}
