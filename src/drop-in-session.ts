import type { Request, RequestHandler, Response } from 'express'
import session from 'express-session'
import { definedOf } from './defined'
import { carryOthers, grantIDOf, newSessionID, sessionOf } from './grant-session'
import type { PagerDutyOptions } from './pagerduty-options'
import type { RedisConnection } from './redis-connection'
import { redisSessions, storedSessions } from './session-records'
import { SessionStore } from './session-store'
import { type OwnSessions, touchInterval } from './session-tokens'
import { type Grant, type UserGrants, lifeLeft } from './user-grants'

const redisTimeout = 1000

/** The drop-in's session middleware, and what it knows to do with its own sessions. */
export function dropInSession(
  grants: UserGrants,
  options: PagerDutyOptions,
  redis: RedisConnection | undefined,
  warn: (message: string) => void,
): { middleware: RequestHandler; own: OwnSessions } {
  const { client, lifetimes, keys } = grants
  const records =
    redis === undefined
      ? storedSessions(grants.store)
      : redisSessions(redis.client, `${client.name}:`, redisTimeout)
  const store = new SessionStore(records, lifetimes.idle, touchInterval(lifetimes.idle))
  const { cookie: overrides, name = cookieName(client.isSecure, client.name, options) } =
    options.session ?? {}
  const cookie = {
    httpOnly: true,
    sameSite: 'lax' as const,
    secure: client.isSecure,
    path: '/',
    maxAge: lifetimes.absolute,
    ...definedOf(overrides),
  }
  if (cookie.sameSite !== 'lax') {
    warn(
      `"session.cookie.sameSite" is "${cookie.sameSite}": browsers come back from PagerDuty without a strict cookie, and send one of none with every request of another site`,
    )
  }
  const ownSession = session({
    name,
    secret: keys.texts('session cookie'),
    store,
    genid: (req) => newSessionID(req as Request, client.name),
    resave: false,
    saveUninitialized: false,
    proxy: client.isSecure ? true : undefined,
    cookie,
  })
  const middleware: RequestHandler = (req, res, next) => {
    keepFromCaches(res, name)
    ownSession(req, res, next)
  }
  const isOwn = (req: Request) => (req as { sessionStore?: unknown }).sessionStore === store

  return {
    // A session that the app brought along is used as it is; express-session sees to that.
    middleware,
    own: {
      grantReadWith: (req) => (isOwn(req) ? store.grantReadWith(req) : undefined),
      wasExtended: (req) => {
        const current = sessionOf(req)
        return isOwn(req) && current !== undefined && store.wasExtended(current)
      },
      async extend(req: Request, grant: Grant) {
        const idle = lifeLeft(grant, lifetimes.idle)
        if (!isOwn(req) || grantIDOf(req.sessionID) !== grant.id) return grants.extend(grant, lifetimes.idle)
        const current = sessionOf(req)
        await records.extend(req.sessionID, grant.record.isKept ? undefined : grant.id, idle)
        if (current !== undefined) store.noteExtended(current)
      },
      async end(req: Request, res: Response) {
        const current = sessionOf(req)
        const isAll = !carryOthers(req, client.name) && isOwn(req)
        const end = isAll ? current?.destroy.bind(current) : current?.regenerate.bind(current)
        await new Promise<void>((resolve, reject) => {
          end?.((error) => (error ? reject(error as Error) : resolve()))
        })
        if (isAll) res.clearCookie(name, { path: cookie.path, secure: cookie.secure, ...domainOf(cookie) })
      },
    },
  }
}

/** `__Host-` binds a cookie to this very host; browsers demand https, the path `/` and no domain for it. */
function cookieName(isSecure: boolean, name: string, options: PagerDutyOptions): string {
  const { path = '/', domain, secure = isSecure } = options.session?.cookie ?? {}
  return `${secure && path === '/' && domain === undefined ? '__Host-' : ''}${name}`
}

function domainOf({ domain }: { domain?: string | undefined }): { domain?: string } {
  return domain === undefined ? {} : { domain }
}

/** An answer with a session's cookie is for one browser: a cache in between would give the session to everybody. */
function keepFromCaches(res: Response, cookieName: string): void {
  const writeHead = res.writeHead.bind(res) as (...args: unknown[]) => Response
  // express-session adds its cookie at this very moment, before it calls what was here before.
  res.writeHead = (...args: unknown[]) => {
    const cookies = res.getHeader('Set-Cookie')
    if (
      cookies !== undefined &&
      [cookies].flat().some((cookie) => `${cookie}`.startsWith(`${cookieName}=`))
    ) {
      res.setHeader('Cache-Control', 'no-store')
    }
    return writeHead(...args)
  }
}
