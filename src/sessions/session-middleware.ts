import type { IncomingMessage } from 'node:http'
import type { Request, RequestHandler } from 'express'
import session from 'express-session'
import type { Context } from '../context'
import { ConfigurationError } from '../errors'
import { deferSession, deferredSession, keepPlace } from './deferred-session'
import { noSession } from './from-request'
import { GuestSessions } from './guest-sessions'
import { carryOthers } from './login-session'
import { type Session, grantIDOf, holdsOthers, noteArrival, promised, sessionOf } from './session'
import { newSessionID } from './session-lifecycle'
import type { RedisClient } from '../store/redis-client'
import { pathOf, targetOf } from '../http/request-url'
import { type SessionRecord, redisSessions, storedSessions } from './session-storage'
import { clearCookie, mindCookie, sessionIDOf } from './session-cookie'
import { type SessionOptions, requireSessionOptions } from './session-options'
import { SessionStore } from './session-store'
import { type Middleware, touchInterval } from './session-tokens'
import type { OwnSessions } from './session-parts'
import { type Grant, type UserGrants, lifeLeft } from '../grants/grants'

const redisTimeout = 1000

/** The drop-in's session middleware, and what it knows to do with its own sessions. */
export function dropInSession(
  context: Context,
  grants: UserGrants,
  options: SessionOptions,
  redis: { readonly client: RedisClient; readonly prefix: string } | undefined,
  warn: (message: string) => void,
): { middleware: Middleware; own: OwnSessions } {
  const { client, keys } = context
  const { lifetimes } = grants
  for (const url of client.callbackURLs) requireSessionOptions(options, url)
  const records =
    redis === undefined
      ? storedSessions(context.store)
      : redisSessions(redis.client, redis.prefix, redisTimeout)
  const { idle } = lifetimes
  const warnOf = (error: Error) => grants.events.emit('warning', { error })
  const store = new SessionStore(records, {
    idle,
    touchInterval: touchInterval(idle),
    isGrant: (id, sealed) => sealed !== undefined && grants.open(id, sealed) !== undefined,
    report: warnOf,
  })
  const { path = '/', domain, secure = client.isSecure, sameSite = 'lax' } = options.cookie ?? {}
  const cookie = {
    httpOnly: true,
    sameSite,
    secure,
    path,
    maxAge: options.cookie?.maxAge ?? lifetimes.absolute,
    ...(domain !== undefined && { domain }),
  }
  // `__Host-` binds a cookie to this very host; browsers demand https, the path `/` and no domain for it.
  const isForHost = secure && path === '/' && domain === undefined
  const { name = `${isForHost ? '__Host-' : ''}${client.name}` } = options
  if (cookie.sameSite !== 'lax') {
    warn(
      `"session.cookie.sameSite" is "${cookie.sameSite}": browsers come back from PagerDuty without a strict cookie, and send one of none with every request of another site`,
    )
  }
  const secrets = keys.texts('session cookie')
  const ownSession = session({
    name,
    secret: secrets,
    store,
    genid: (req) => newSessionID(req, client.name),
    resave: false,
    saveUninitialized: false,
    proxy: client.isSecure ? true : undefined,
    cookie,
  })
  const deferredHere = (req: IncomingMessage) => {
    const current = deferredSession(req)
    return current?.store === store ? current : undefined
  }
  // As express-session compares them. A proxy may ask for a whole URL (RFC 9112 section 3.2.2).
  const isBelow = (req: IncomingMessage) =>
    pathOf(targetOf(req))
      .replace(/^https?:\/\/[^/]*/i, '')
      .startsWith(path)
  const guests = new GuestSessions(store, warn)
  const isOwn = (req: IncomingMessage) => (req as { sessionStore?: unknown }).sessionStore === store
  /** Whether the browser has the cookie of the session, as it was set by its login. */
  const isHeld = (req: IncomingMessage) => {
    const current = sessionOf(req)
    if (current === undefined || !isOwn(req) || grantIDOf(current.id) === undefined) return false
    const isRead = store.grantReadWith(req as Request) !== undefined
    return isRead && current.cookie.originalMaxAge === cookie.maxAge
  }
  const extendBoth = async (current: Session, grant: Grant): Promise<void> => {
    const ttl = lifeLeft(grant, idle)
    // The grant of another instance in it may have a later end.
    const ofSession = holdsOthers(current, client.name) ? idle : ttl
    const { id, sealed, record } = grant
    const read = { id, sealed, used: grants.sealUsed(grant), ttl: record.isKept ? undefined : ttl }
    // Each once more if it fails: a new grant has a minute to live, and the next request may come later.
    const both = () => store.extend(current, current.id, ofSession, read)
    if (await both().catch(both)) return
    const itself = () => extendAsItIs(grants, grant.id, idle)
    await itself().catch(itself)
  }
  const middleware: Middleware = (req, res, next) => {
    // Only a callback asks for it.
    if (req.url?.includes('state=')) noteArrival(req)
    const makeSession = (done: (error?: unknown) => void) => {
      mindCookie(res, name, () => isHeld(req))
      ownSession(req as Request, res as Parameters<RequestHandler>[1], done)
    }
    const id = guests.notice(req) || !isBelow(req) ? undefined : sessionIDOf(req, name, secrets)
    const grantID = id === undefined ? undefined : grantIDOf(id)
    if (id === undefined || grantID === undefined) return makeSession(next)
    const found = store.read(id).then((record) => {
      const make = (done: (error?: unknown) => void) => store.give(id, record, () => makeSession(done))
      const { grant: sealed, extendedAt } = record
      if (sealed === undefined || !holdsGrant(record, client.name, grantID)) return make(next)
      const inPlace = keepPlace(res)
      let isMade = false
      // express-session keeps the function, for a session that cannot be saved at the end of the response.
      const failed = (error: unknown) => {
        if (isMade) return next(error)
        throw error
      }
      deferSession(req, { store, id, grantID, sealed, extendedAt }, () => {
        inPlace(() => make((error) => error && failed(error)))
        isMade = true
      })
      next()
    })
    // What comes after this middleware may throw: that is the request's failure as well.
    found.catch(next).catch(warnOf)
  }

  const requireCookiePath = (req: IncomingMessage): void => {
    if (isBelow(req)) return
    throw new ConfigurationError(
      'session.cookie.path',
      `is "${path}", so no session comes with a request for "${pathOf(targetOf(req))}", which needs one`,
      'Serve it below that path, or let the path include all that needs a session.',
    )
  }

  return {
    // A session that the app brought along is used as it is; express-session sees to that.
    middleware,
    own: {
      deferred: deferredHere,
      skipTouch(req) {
        const current = sessionOf(req)
        if (current !== undefined && isOwn(req)) store.skipTouch(current)
      },
      grantReadWith: (req) => (isOwn(req) ? store.grantReadWith(req as Request) : undefined),
      extend(req, grant, isTouch) {
        const current = deferredHere(req) ?? (isOwn(req) ? store.held(req) : undefined)
        if (current === undefined || grantIDOf(current.id) !== grant.id) return undefined
        const { id, extendedAt } = current
        // A new grant has a minute to live: it is extended whatever the request is.
        const isDue = (isTouch || extendedAt === 0) && store.isDue(id, extendedAt)
        const session = isDue ? sessionOf(req) : undefined
        if (session !== undefined) extendBoth(session, grant).catch(warnOf)
        return (isDue || extendedAt === 0 ? Date.now() : extendedAt) + idle
      },
      async end(req, res) {
        const current = sessionOf(req)
        if (current === undefined) return
        const isAll = !carryOthers(req, client.name) && isOwn(req)
        await promised((callback) => (isAll ? current.destroy(callback) : current.regenerate(callback)))
        if (isAll && !res.headersSent) clearCookie(res, name, cookie)
      },
      async peek(req) {
        const id = isBelow(req) ? sessionIDOf(req, name, secrets) : undefined
        const grantID = id === undefined ? undefined : grantIDOf(id)
        if (id !== undefined && grantID !== undefined) {
          const record = await store.read(id)
          if (holdsGrant(record, client.name, grantID)) return { id: grantID, sealed: record.grant }
        }
        if (targetOf(req) !== '*') requireCookiePath(req)
        if (guests.isGuest) throw noSession()
        return undefined
      },
      requireCookiePath,
    },
  }
}

/** Whether a session was stored with the grant that its id carries. */
function holdsGrant({ session }: SessionRecord, name: string, grantID: string): boolean {
  return session?.includes(`${JSON.stringify(name)}:"${grantID}"`) === true
}

/** A refresh or `keep()` came between; how long the grant is to live is seen from what it is now. */
async function extendAsItIs(grants: UserGrants, id: string, idle: number): Promise<void> {
  const current = await grants.read(id)
  if (current !== undefined) await grants.extend(current, idle)
}
