import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Client } from '../oauth/client'
import { ConfigurationError } from '../errors/errors'
import type { StateMismatch } from '../errors/pagerduty-errors'
import { redeemedFor } from './login-records'
import {
  type PendingLogin,
  decodePendingLogin,
  encodePendingLogin,
  isLater,
  stateOf,
} from './login-transaction'
import type { KeyRing, Sealer } from '../store/encryption'

/** A pending login whose callback arrived. */
export interface FoundLogin {
  readonly login: PendingLogin
  readonly isExpired: boolean
}

/** Milliseconds. The cookie and the record live longer, so that a late callback is recognised. */
const lifetime = 10 * 60_000
const mostPending = 5
const mostBytes = 800
const mostBytesTogether = 4096
/** Per response: proxies reject headers that are too large, and anyone on a sibling domain can set hundreds of cookies. */
const mostCleared = 20

/**
 * Pending logins, each in an encrypted cookie of its own: tabs do not disturb each other, and a visitor who never comes back
 * costs the store nothing. Bound to browser, strategy, client and redirect URI.
 */
export class StateStore {
  readonly #sealer: Sealer
  readonly #prefix: string
  readonly #attributes: string
  readonly #client: Client

  constructor(client: Client, keys: KeyRing) {
    this.#sealer = keys.sealer('pending login')
    this.#prefix = `${client.isSecure ? '__Host-' : ''}${client.name}-login-`
    this.#attributes = `Path=/; HttpOnly; SameSite=Lax${client.isSecure ? '; Secure' : ''}`
    this.#client = client
  }

  /** Saves a login in the browser. The oldest ones are removed when there are more than five, or they grow too large. */
  save(req: IncomingMessage, res: ServerResponse, login: PendingLogin): void {
    const name = this.#prefix + login.startedAt.toString(36) + '-' + fingerprint(stateOf(login))
    const cookie = `${name}=${this.#sealer.seal(encodePendingLogin(login), this.#binding(login.callbackURL))}`
    if (cookie.length > mostBytes) {
      throw new ConfigurationError(
        'state',
        'is too large, together with returnTo and scope, to be kept in a cookie',
      )
    }
    // Of two begun in one millisecond, the later one comes later: browsers send the cookie first that they got first.
    const kept = this.#cookies(req)
      .reverse()
      .sort((a, b) => b.startedAt - a.startedAt)
    let size = cookie.length
    const surplus = kept.filter((other, position) => {
      size += other.name.length + 1 + other.value.length
      return position + 1 >= mostPending || size > mostBytesTogether
    })
    for (const { name: old } of surplus.slice(0, mostCleared)) this.#clear(res, old)
    res.appendHeader('Set-Cookie', `${cookie}; ${this.#attributes}; Max-Age=${redeemedFor / 1000}`)
  }

  /** The pending login that a callback's `state` belongs to, if it was begun in this browser by this strategy. */
  find(req: IncomingMessage, state: string): FoundLogin | undefined {
    const login = this.#cookies(req)
      .filter((cookie) => cookie.fingerprint === fingerprint(state))
      .map((cookie) => this.#open(cookie.value))
      .find((opened) => opened !== undefined && isSame(stateOf(opened), state))
    return login && { login, isExpired: Date.now() - login.startedAt >= lifetime }
  }

  /** All pending logins of the browser, the latest first. */
  all(req: IncomingMessage): readonly PendingLogin[] {
    return this.#cookies(req)
      .map((cookie) => this.#open(cookie.value))
      .filter((login) => login !== undefined)
      .toSorted((one, other) => (isLater(one, other) ? -1 : 1))
      .slice(0, mostPending)
  }

  /** Whether the browser holds any pending login of this strategy. If it does, its cookies are not blocked. */
  hasAny(req: IncomingMessage): boolean {
    return this.#cookies(req).length > 0
  }

  /** The likely reason why {@link find} found nothing. */
  mismatch(req: IncomingMessage, state: string): StateMismatch {
    const own = this.#cookies(req)
    if (own.some((cookie) => cookie.fingerprint === fingerprint(state))) return 'unreadable'
    const isAnothers = new RegExp(`-login-[0-9a-z]{8,9}-${fingerprint(state)}=`).test(
      req.headers.cookie ?? '',
    )
    if (isAnothers) return 'otherStrategy'
    return own.length > 0 ? 'unknown' : 'otherBrowser'
  }

  /** Removes a pending login from the browser. */
  remove(req: IncomingMessage, res: ServerResponse, login: PendingLogin): void {
    const cookie = this.#cookies(req).find((other) => other.fingerprint === fingerprint(stateOf(login)))
    if (cookie !== undefined) this.#clear(res, cookie.name)
  }

  #clear(res: ServerResponse, name: string): void {
    if (res.headersSent) return
    res.appendHeader('Set-Cookie', `${name}=; ${this.#attributes}; Max-Age=0`)
  }

  #open(value: string): PendingLogin | undefined {
    for (const url of this.#client.callbackURLs) {
      const text = this.#sealer.open(value, this.#binding(url))
      const login = text === undefined ? undefined : decodePendingLogin(text, url)
      if (login !== undefined) return Date.now() - login.startedAt < redeemedFor ? login : undefined
    }
    return undefined
  }

  /** Which redirect URI a cookie was encrypted for says which one its login used. */
  #binding(callbackURL: string): string {
    return `${this.#client.name} ${this.#client.clientID} ${callbackURL}`
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

function fingerprint(state: string): string {
  return createHash('sha256').update(state).digest('base64url').slice(0, 8)
}

/** Compares in constant time, because an attacker may hold the cookie of a login without its state. */
function isSame(own: string, other: string): boolean {
  const [a, b] = [Buffer.from(own), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}
