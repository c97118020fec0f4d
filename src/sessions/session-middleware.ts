import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Request, RequestHandler } from 'express'
import session from 'express-session'
import type { Context } from '../context'
import { ConfigurationError } from '../errors'
import { carryOthers } from './login-session'
import { type Session, grantIDOf, holdsOthers, noteArrival, promised, sessionOf } from './session'
import { newSessionID } from './session-lifecycle'
import type { RedisClient } from '../store/redis-client'
import { pathOf, targetOf } from '../http/request-url'
import { redisSessions, storedSessions } from './session-storage'
import { type SessionCookie, type SessionOptions, requireSessionOptions } from './session-options'
import { SessionStore } from './session-store'
import { type Middleware, touchInterval } from './session-tokens'
import type { OwnSessions } from './request-grant'
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
  requireSessionOptions(options, client.callbackURL)
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
  const ownSession = session({
    name,
    secret: keys.texts('session cookie'),
    store,
    genid: (req) => newSessionID(req, client.name),
    resave: false,
    saveUninitialized: false,
    proxy: client.isSecure ? true : undefined,
    cookie,
  })
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
    mindCookie(res, name, () => isHeld(req))
    ownSession(req as Request, res as Parameters<RequestHandler>[1], next)
  }

  return {
    // A session that the app brought along is used as it is; express-session sees to that.
    middleware,
    own: {
      grantReadWith: (req) => (isOwn(req) ? store.grantReadWith(req as Request) : undefined),
      extend(req, grant) {
        const current = sessionOf(req)
        if (current === undefined || !isOwn(req) || grantIDOf(current.id) !== grant.id) return false
        if (store.isDue(current, current.id)) extendBoth(current, grant).catch(warnOf)
        return true
      },
      async end(req, res) {
        const current = sessionOf(req)
        if (current === undefined) return
        const isAll = !carryOthers(req, client.name) && isOwn(req)
        await promised((callback) => (isAll ? current.destroy(callback) : current.regenerate(callback)))
        if (isAll && !res.headersSent) clearCookie(res, name, cookie)
      },
      requireCookiePath(req) {
        // As express-session compares them. A proxy may ask for a whole URL (RFC 9112 section 3.2.2).
        const asked = pathOf(targetOf(req)).replace(/^https?:\/\/[^/]*/i, '')
        if (asked.startsWith(path)) return
        throw new ConfigurationError(
          'session.cookie.path',
          `is "${path}", so no session comes with a request for "${asked}", which a guard is to check`,
          'Mount guards below that path, or let the path include all of them.',
        )
      },
    },
  }
}

/** A refresh or `keep()` came between; how long the grant is to live is seen from what it is now. */
async function extendAsItIs(grants: UserGrants, id: string, idle: number): Promise<void> {
  const current = await grants.read(id)
  if (current !== undefined) await grants.extend(current, idle)
}

/** Where there is a response to write to. */
function clearCookie(res: ServerResponse, name: string, { path = '/', domain, secure }: SessionCookie): void {
  if (typeof res.appendHeader !== 'function' || res.headersSent) return
  const attributes = [
    `Path=${path}`,
    'Max-Age=0',
    ...(secure ? ['Secure'] : []),
    ...(domain === undefined ? [] : [`Domain=${domain}`]),
  ]
  res.appendHeader('Set-Cookie', `${name}=; ${attributes.join('; ')}`)
}

/**
 * An answer with a session's cookie is for one browser: a cache in between would give the session to everybody. And to a browser
 * that has the cookie it is not sent again, as express-session does for a session that was written on: a login may have put
 * another session in the place of this one meanwhile, and the old cookie would take the place of the new one.
 */
function mindCookie(res: ServerResponse, cookieName: string, isHeld: () => boolean): void {
  // The upgrade of a connection may come without a response.
  if (typeof res.writeHead !== 'function') return
  const { writeHead } = res as { writeHead: (...args: unknown[]) => ServerResponse }
  // express-session adds its cookie at this very moment, before it calls what was here before.
  res.writeHead = (...args: unknown[]) => {
    const header = res.getHeader('Set-Cookie')
    if (header !== undefined) {
      const cookies = [header].flat().map(String)
      const others = cookies.filter((cookie) => !cookie.startsWith(`${cookieName}=`))
      if (others.length < cookies.length) {
        if (!isHeld()) res.setHeader('Cache-Control', 'no-store')
        else if (others.length > 0) res.setHeader('Set-Cookie', others)
        else res.removeHeader('Set-Cookie')
      }
    }
    return writeHead.apply(res, args)
  }
}
