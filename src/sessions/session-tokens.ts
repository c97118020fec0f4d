import type { IncomingMessage, ServerResponse } from 'node:http'
import { Throttle } from '../async/throttle'
import { type Context, createContext } from '../context'
import { ConfigurationError } from '../errors'
import { grantOptionNames } from '../grants/grant-options'
import { type Grant, UserGrants, grantKey, isOver } from '../grants/grants'
import { effectiveExpiry } from '../oauth/token-expiry'
import { endLogin } from './passport-login'
import { requireSpelling } from '../known-members'
import { RequestGrant, type SessionParts, type SessionTokensOptions, grantOf } from './request-grant'
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

  return function pagerdutySessionTokens(req, res, next) {
    const refusal = sessionRefusal(req)
    if (refusal !== undefined) return next(refusal)
    if (grantOf(req, name)?.isOf(grants) === false) return next(sameName(name))
    const session = sessionOf(req)
    const id = grantIn(session, name)
    const isLogin = parts.sessions !== undefined || isLoginBy(session, name)
    const finish = (work: Promise<void>) =>
      void work
        .then(() => next())
        .catch(next)
        // What comes after this middleware failed twice. It must not end the process.
        .catch((error: Error) => events.emit('warning', { error }))
    const attach = (grant: Grant | undefined) => {
      const holder = req as unknown as Record<string, RequestGrant>
      holder[name] = new RequestGrant(grants, grant, req, res, parts)
    }
    /** Takes what the store has; undefined when the caller has to wait for the end of a login. */
    const present = (held: string, sealed: string | undefined): Promise<void> | undefined => {
      const grant = sealed === undefined ? undefined : grants.open(held, sealed)
      if (grant === undefined || isOver(grant)) {
        attach(undefined)
        // Where there is something else, it leads to another grant, or another process may be able to read it.
        const keepsID = sealed !== undefined && grant === undefined
        return endLogin(req, name, held, keepsID)
      }
      attach(grant)
      extendIfDue(req, grant)
      if (isLogin) renewIfEnded(grants, grant)
      return undefined
    }
    if (id === undefined) {
      attach(undefined)
      return isLoginBy(session, name) ? finish(endLogin(req, name, undefined)) : next()
    }
    guardGrant(req, grants, parts.strategy)
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

/** Extends a grant with its session: in the background, now and then, and surely when it is presented first. */
function extender(grants: UserGrants, parts: SessionParts): (req: IncomingMessage, grant: Grant) => void {
  const { idle } = grants.lifetimes
  const throttle = new Throttle(touchInterval(idle))
  return (req, grant) => {
    if (parts.sessions?.extend(req, grant)) return
    // A drop-in that is not the first one finds a cookie that says how long the first one's logins last at most.
    const ofCookie = parts.sessions === undefined ? sessionOf(req)?.cookie.originalMaxAge : undefined
    const lifetime = parts.session?.idle ?? ofCookie ?? idle
    if (!throttle.take(grant.id, touchInterval(lifetime))) return
    const extend = () => grants.extend(grant, lifetime)
    // Once more: a new grant has a minute to live, and the next request may come later.
    extend()
      .catch(extend)
      .catch((error: Error) => {
        throttle.undo(grant.id)
        grants.events.emit('warning', { error })
      })
  }
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
