import type { IncomingMessage, ServerResponse } from 'node:http'
import { asError } from '../async/call-app'
import { Throttle } from '../async/throttle'
import { type Context, createContext } from '../context'
import { ConfigurationError } from '../errors'
import { grantOptionNames } from '../grants/grant-options'
import { type Grant, UserGrants, grantKey, isOver } from '../grants/grants'
import { effectiveExpiry } from '../oauth/token-expiry'
import { endLogin } from './passport-login'
import { requireSpelling } from '../known-members'
import { RequestGrant, grantOf } from './request-grant'
import type { SessionTokensOptions } from './session-options'
import { type SessionParts, idleTimeOf } from './session-parts'
import { touchDecider } from './should-touch'
import { grantIn, isLoginBy, sessionOf } from './session'
import { sessionRefusal } from './session-check'
import { guardGrant } from './session-lifecycle'

/**
 * A middleware for Express, and for whatever has a request of Node's: the upgrade to a WebSocket, `io.engine.use()`. Where
 * there is no response to write to, any object can take its place, and a failure goes to `next`.
 */
export type Middleware = (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void

/**
 * Puts `req.pagerduty` on every request: who is logged in, what was granted, and tokens that are kept fresh. Mount it
 * after the session middleware. It reads the grant once, for a request that has a session with one, and waits for no
 * refresh. When the grant is over, replaced, or sealed with another secret, so is the Passport login that it made.
 */
export function sessionTokens(options: SessionTokensOptions): Middleware {
  requireSpelling('sessionTokens()', options, [...grantOptionNames, 'strategy'])
  if (options.tokenStore === undefined) {
    throw new ConfigurationError(
      'tokenStore',
      'is required: the store that the strategy keeps its grants in',
      'Give strategy and sessionTokens() the same options, with a tokenStore and a secret.',
    )
  }
  const context = createContext(options)
  return createSessionTokens(context, new UserGrants(context, options), options)
}

/** The same with the grants of an instance. @internal */
export function createSessionTokens(context: Context, grants: UserGrants, parts: SessionParts): Middleware {
  const { client, store, events } = context
  const { name } = client
  const extendIfDue = extender(grants, parts)
  const shouldTouch = touchDecider(parts.session?.shouldTouch)

  return function pagerdutySessionTokens(req, res, next) {
    if ((grantOf(req, name)?.grants ?? grants) !== grants) return next(sameName(name))
    const deferred = parts.sessions?.deferred(req)
    let isTouch = false
    try {
      isTouch = (deferred ?? sessionOf(req)) === undefined || shouldTouch(req)
    } catch (error) {
      return next(asError(error))
    }
    const attach = (grant: Grant | undefined, idleEnd?: number) => {
      const holder = req as unknown as Record<string, RequestGrant>
      holder[name] = new RequestGrant(grants, grant, req, res, parts, idleEnd)
    }
    /** For the rest of the request. */
    const logOut = () => grantOf(req, name)?.drop()
    const accept = (grant: Grant, isLogin: boolean) => {
      attach(grant, extendIfDue(req, grant, isTouch))
      if (isLogin) renewIfEnded(grants, grant)
    }
    const carried = deferred && grants.open(deferred.grantID, deferred.sealed)
    if (deferred !== undefined && carried !== undefined && !isOver(carried)) {
      deferred.onceMade = () => {
        guardGrant(req, grants, parts.strategy, logOut)
      }
      accept(carried, true)
      return next()
    }
    const refusal = sessionRefusal(req)
    if (refusal !== undefined) return next(refusal)
    const session = sessionOf(req)
    const id = grantIn(session, name)
    const isLogin = parts.sessions !== undefined || isLoginBy(session, name)
    const finish = (work: Promise<void>) =>
      void work
        .then(() => next())
        .catch(next)
        // What comes after this middleware failed twice. It must not end the process.
        .catch((error: Error) => events.emit('warning', { error }))
    /** Takes what the store has; undefined when the caller has to wait for the end of a login. */
    const present = (held: string, sealed: string | undefined): Promise<void> | undefined => {
      const grant = sealed === undefined ? undefined : grants.open(held, sealed)
      if (grant === undefined || isOver(grant)) {
        attach(undefined)
        // Where there is something else, it leads to another grant, or another process may be able to read it.
        const keepsID = sealed !== undefined && grant === undefined
        return endLogin(req, name, held, keepsID)
      }
      accept(grant, isLogin)
      return undefined
    }
    if (id === undefined) {
      extendIfDue(req, undefined, isTouch)
      attach(undefined)
      return isLoginBy(session, name) ? finish(endLogin(req, name, undefined)) : next()
    }
    guardGrant(req, grants, parts.strategy, logOut)
    const read = parts.sessions?.grantReadWith(req)
    if (read === undefined) return finish(store.get(grantKey(id)).then((sealed) => present(id, sealed)))
    const ending = present(id, read.sealed)
    return ending === undefined ? next() : finish(ending)
  }
}

/**
 * Whether PagerDuty still stands behind a login is known when its access token is renewed. Guards wait for that; for the
 * routes without one it is begun here, and the next request knows.
 */
function renewIfEnded(grants: UserGrants, grant: Grant): void {
  if (Date.now() < effectiveExpiry(grant.record.tokens)) return
  // Events tell of failures.
  Promise.resolve(grants.ensureFresh(grant)).catch(() => {})
}

/**
 * Extends a grant, and the drop-in's session with it: in the background, now and then, and surely when the grant is presented
 * first. A grant says when it was extended last, so that one process does it and not each. A session of the drop-in without a
 * grant is extended by each process.
 *
 * @returns when the grant expires if nothing else extends it; undefined where that is not known
 */
function extender(
  grants: UserGrants,
  parts: SessionParts,
): (req: IncomingMessage, grant: Grant | undefined, isTouch: boolean) => number | undefined {
  const throttle = new Throttle(touchInterval(grants.lifetimes.idle))
  return (req, grant, isTouch) => {
    const session = parts.sessions?.stored(req)
    const key = grant?.id ?? session?.id
    if (key === undefined) return undefined
    const lifetime = idleTimeOf(req, grants, parts)
    const interval = touchInterval(lifetime)
    const lastUsedAt = grant?.record.lastUsedAt ?? 0
    // A process whose clock is far ahead does not keep the others from doing it.
    const isDue = isTouch && Math.abs(Date.now() - lastUsedAt) >= interval
    const isExtended = (isDue || (grant !== undefined && isNew(grant))) && throttle.take(key, interval)
    if (isExtended) {
      const once = async () => {
        // First: a new grant has a minute to live.
        if (grant !== undefined) await grants.extend(grant, lifetime)
        if (session !== undefined) await parts.sessions?.extend(session, grant)
      }
      // Once more: the next request may come later than a new grant lives.
      once()
        .catch(once)
        .catch((error: Error) => {
          throttle.undo(key)
          grants.events.emit('warning', { error })
        })
    }
    if (grant?.record.isKept && parts.sessions === undefined) return grant.record.absoluteEnd
    return (isExtended ? Date.now() : lastUsedAt) + lifetime
  }
}

/** Whether no request has presented the grant so far. It has a minute to live then. */
function isNew({ record }: Grant): boolean {
  return record.lastUsedAt === record.createdAt
}

/** Milliseconds between two extensions: a tenth of the idle time, at most five minutes. */
export function touchInterval(idle: number): number {
  return Math.min(idle / 10, 5 * 60_000)
}

/** Each would end the login of the other, and send the browser to log in again. */
function sameName(name: string): ConfigurationError {
  return new ConfigurationError(
    'name',
    `is "${name}" for two instances that serve the same request`,
    'Give one of them another name: pagerduty({ name: "…" }).',
  )
}
