import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Request, RequestHandler } from 'express'
import session from 'express-session'
import type { Context } from '../context'
import { ConfigurationError } from '../errors/errors'
import { type DeferredSession, deferSession, deferredSession, keepPlace } from './deferred-session'
import { noSession } from './from-request'
import { GuestSessions } from './guest-sessions'
import { carryOthers } from './login-session'
import { grantIDOf, holdsOthers, noteArrival, promised, sessionMember, sessionOf } from './session'
import { newSessionID, sessionIDFor } from './session-lifecycle'
import { pathOf, targetOf } from '../http/request-url'
import { SessionCookies, clearCookie, mindCookie } from './session-cookie'
import { type CookieSettings, type SessionOptions, cookieSettings } from './session-options'
import type { SessionRecord, StoredSession } from './session-records'
import { SessionStore } from './session-store'
import type { Middleware } from './session-tokens'
import type { OwnSessions } from './session-parts'
import { type Grant, type UserGrants, lifeLeft } from '../grants/grants'
import { parseJSON } from '../store/decode'

/** The session of `pd.auth()`. One that the app brought along is used as it is; express-session sees to that. */
export class DropInSession implements OwnSessions {
  readonly #name: string
  readonly #cookie: CookieSettings
  readonly #cookies: SessionCookies
  readonly #idle: number
  readonly #store: SessionStore
  readonly #expressSession: RequestHandler
  readonly #warn: (error: Error) => void
  readonly #guests: GuestSessions

  /** @throws {ConfigurationError} browsers would not store or send a cookie with these options */
  constructor(
    { client, keys, store, events }: Context,
    grants: UserGrants,
    options: SessionOptions,
    warn: (message: string) => void,
  ) {
    this.#name = client.name
    this.#cookie = cookieSettings(options, client, grants.lifetimes.absolute)
    const secret = keys.texts('session cookie')
    this.#cookies = new SessionCookies(this.#cookie.name, secret)
    this.#warn = (error) => events.emit('warning', { error })
    this.#idle = grants.lifetimes.idle
    this.#store = new SessionStore(store, this.#idle, this.#warn)
    this.#guests = new GuestSessions(this.#store, warn)
    const { name, ...cookie } = this.#cookie
    this.#expressSession = session({
      name,
      secret,
      store: this.#store,
      genid: (req) => this.#store.preparedID(req, newSessionID(req, client.name)),
      resave: false,
      saveUninitialized: false,
      proxy: client.isSecure ? true : undefined,
      cookie: { ...cookie, httpOnly: true },
    })
  }

  readonly middleware: Middleware = (req, res, next) => {
    // Only a callback needs it.
    if (req.url?.includes('state=')) noteArrival(req)
    const id = this.#guests.notice(req) ? undefined : this.#sessionIDOf(req)
    if (id === undefined || grantIDOf(id) === undefined) return this.#makeSession(req, res, next)
    const found = this.#store.read(id).then((record) => this.#defer(req, res, id, record, next))
    // What comes after this middleware may throw: that is the request's failure as well.
    found.catch(next).catch(this.#warn)
  }

  deferred(req: IncomingMessage): DeferredSession | undefined {
    const current = deferredSession(req)
    return current?.store === this.#store ? current : undefined
  }

  grantReadWith(req: IncomingMessage): { sealed: string | undefined } | undefined {
    return this.#isOwn(req) ? this.#store.grantReadWith(req as Request) : undefined
  }

  stored(req: IncomingMessage): StoredSession | undefined {
    return this.deferred(req) ?? (this.#isOwn(req) ? this.#store.stored(req) : undefined)
  }

  extend(current: StoredSession, grant: Grant | undefined): Promise<void> {
    const isShared = holdsOthers(Object(parseJSON(current.text)), this.#name)
    const ttl = grant === undefined || isShared ? this.#idle : lifeLeft(grant, this.#idle)
    return this.#store.extend(current, ttl)
  }

  prepare(req: IncomingMessage, res: ServerResponse, grantID: string): void {
    const current = sessionOf(req)
    if (current === undefined || !this.#isOwn(req) || this.#store.stored(req) !== undefined) return
    // As the renewal writes it.
    const held = { grants: { [this.#name]: grantID }, login: this.#name }
    const data = { cookie: current.cookie, [sessionMember]: held }
    this.#store.prepare(req, res, sessionIDFor(grantID), data)
  }

  async end(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const current = sessionOf(req)
    if (current === undefined) return
    const isAll = !carryOthers(req, this.#name) && this.#isOwn(req)
    await promised((callback) => (isAll ? current.destroy(callback) : current.regenerate(callback)))
    if (isAll && !res.headersSent) clearCookie(res, this.#cookie)
  }

  async peek(req: IncomingMessage): Promise<{ id: string; sealed: string | undefined } | undefined> {
    const id = this.#sessionIDOf(req)
    const grantID = id === undefined ? undefined : grantIDOf(id)
    if (id !== undefined && grantID !== undefined) {
      const record = await this.#store.read(id)
      if (this.#holdsGrant(record, grantID)) return { id: grantID, sealed: record.sealed }
    }
    if (targetOf(req) !== '*') this.requireCookiePath(req)
    if (this.#guests.isGuest) throw noSession()
    return undefined
  }

  requireCookiePath(req: IncomingMessage): void {
    if (this.#isBelowPath(req)) return
    throw new ConfigurationError(
      'session.cookie.path',
      `is "${this.#cookie.path}", so no session comes with a request for "${pathOf(targetOf(req))}", which needs one`,
      'Serve it below that path, or let the path include all that needs a session.',
    )
  }

  /** Where the grant alone may be needed, the session is made when it is used. */
  #defer(
    req: IncomingMessage,
    res: ServerResponse,
    id: string,
    record: SessionRecord,
    next: (error?: unknown) => void,
  ): void {
    const make = (done: (error?: unknown) => void) =>
      this.#store.give(id, record, () => this.#makeSession(req, res, done))
    const { text, sealed } = record
    const grantID = grantIDOf(id) as string
    if (text === undefined || sealed === undefined || !this.#holdsGrant(record, grantID)) return make(next)
    const inPlace = keepPlace(res)
    let isMade = false
    // express-session keeps the function, for a session that cannot be saved at the end of the response.
    const failed = (error: unknown) => {
      if (isMade) return next(error)
      throw error
    }
    deferSession(req, { store: this.#store, id, grantID, sealed, text }, () => {
      inPlace(() => make((error) => error && failed(error)))
      isMade = true
    })
    next()
  }

  #makeSession(req: IncomingMessage, res: ServerResponse, done: (error?: unknown) => void): void {
    mindCookie(res, this.#cookie.name, () => this.#isHeld(req))
    this.#expressSession(req as Request, res as Parameters<RequestHandler>[1], done)
  }

  #sessionIDOf(req: IncomingMessage): string | undefined {
    return this.#isBelowPath(req) ? this.#cookies.idOf(req) : undefined
  }

  /** As express-session compares them. A proxy may request an absolute URL (RFC 9112 section 3.2.2). */
  #isBelowPath(req: IncomingMessage): boolean {
    return pathOf(targetOf(req))
      .replace(/^https?:\/\/[^/]*/i, '')
      .startsWith(this.#cookie.path)
  }

  #isOwn(req: IncomingMessage): boolean {
    return (req as { sessionStore?: unknown }).sessionStore === this.#store
  }

  /** Whether the browser has the cookie of the session, as it was set by its login. */
  #isHeld(req: IncomingMessage): boolean {
    const current = sessionOf(req)
    if (current === undefined || !this.#isOwn(req) || grantIDOf(current.id) === undefined) return false
    const isRead = this.#store.grantReadWith(req as Request) !== undefined
    const { originalMaxAge } = current.cookie
    // express-session computes it again with each use, and may lose a millisecond.
    return isRead && Math.abs((originalMaxAge ?? 0) - this.#cookie.maxAge) < 1_000
  }

  /** Whether a session was stored with the grant that its id carries. */
  #holdsGrant({ text }: SessionRecord, grantID: string): boolean {
    return text?.includes(`${JSON.stringify(this.#name)}:"${grantID}"`) === true
  }
}
