import type { IncomingMessage, ServerResponse } from 'node:http'
import { ConfigurationError, TokenStoreError } from '../errors'
import { effectiveExpiry } from '../oauth/token-expiry'
import type { GrantOptions } from '../grants/grant-options'
import {
  type LoginOptions,
  type Logins,
  isLoginBy,
  loginMember,
  nameInstance,
  promised,
  sessionOf,
} from './session'
import { carryOthers } from './login-session'
import { guardGrant } from './session-lifecycle'
import { clearUser, endLogin } from './passport-login'
import { targetOf } from '../http/request-target'
import { sessionRefusal } from './session-check'
import { Throttle } from '../async/throttle'
import { UserGrant } from '../grants/user-grant'
import { type Grant, UserGrants, grantKey, isOver } from '../grants/grants'

declare global {
  namespace Express {
    interface Request {
      /** The PagerDuty login of this request; put here by `pd.auth()` or `sessionTokens()`. */
      pagerduty: RequestGrant
    }
  }
}

/** Options of {@link sessionTokens}: the client's, with the `tokenStore` and `secret` that the strategy has too. */
export interface SessionTokensOptions extends GrantOptions {
  /** The strategy that `req.pagerduty.login()` begins a login with. */
  strategy?: Logins | undefined
  /** @internal */
  grants?: UserGrants | undefined
  /** @internal */
  sessions?: OwnSessions | undefined
}

/**
 * A middleware for Express, and for whatever has a request of Node's: the upgrade to a WebSocket, `io.engine.use()`. Where
 * there is no response to write to, any object can take its place, and a failure goes to `next`.
 */
export type Middleware = (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void

/** What the drop-in does better, because the session is its own. */
export interface OwnSessions {
  /** The grant as it was read together with the session. */
  grantReadWith(req: IncomingMessage): { sealed: string | undefined } | undefined
  /** Extends session and grant together, if that is due. False where the session does not carry this grant. */
  extend(req: IncomingMessage, grant: Grant): boolean
  /** Ends the session. */
  end(req: IncomingMessage, res: ServerResponse): Promise<void>
  /** @throws {ConfigurationError} the session's cookie is not sent to the path of the request */
  requireCookiePath(req: IncomingMessage): void
}

/** The PagerDuty login of a request. */
export class RequestGrant extends UserGrant {
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #grants: UserGrants
  readonly #options: SessionTokensOptions
  #published: unknown
  #logout: Promise<void> | undefined

  /** @internal */
  constructor(
    grants: UserGrants,
    grant: Grant | undefined,
    req: IncomingMessage,
    res: ServerResponse,
    options: SessionTokensOptions,
  ) {
    super(grants, grant)
    this.#grants = grants
    this.#req = req
    this.#res = res
    this.#options = options
  }

  /**
   * Answers this request with a redirect to PagerDuty.
   *
   * @throws {ConfigurationError} `sessionTokens()` has no strategy, or a scope is not one
   */
  login(options: LoginOptions = {}): void {
    const { strategy } = this.#options
    if (strategy === undefined) {
      throw new ConfigurationError('strategy', 'is needed by login(): give sessionTokens() the strategy')
    }
    strategy.startLogin(this.#req, options)
  }

  /**
   * Forgets the grant, everywhere and at once, and ends the login it made. A login that was made otherwise, to which the
   * grant was added by `passport.authorize`, stays.
   */
  async logout(): Promise<void> {
    this.#logout ??= this.#end()
    try {
      await this.#logout
    } finally {
      // One that failed can be tried again.
      this.#logout = undefined
    }
  }

  async #end(): Promise<void> {
    const { grantID } = this
    if (grantID !== undefined) {
      await this.#grants.forget(grantID)
      this.drop()
    }
    // Afterwards: a login in progress that does not see the end of the grant is seen here.
    await this.#options.strategy?.endLogins(this.#req)
    if (grantID === undefined) return
    const { name } = this.#grants.client
    // It may have been destroyed meanwhile.
    const session = sessionOf(this.#req)
    if (session === undefined) return
    if (this.#options.sessions !== undefined) return this.#options.sessions.end(this.#req, this.#res)
    if (session[loginMember] === undefined) {
      delete session[name]
      return
    }
    carryOthers(this.#req, name)
    await promised((callback) => session.regenerate(callback))
  }

  /** @internal */
  override confirm(): void | Promise<void> {
    // `OPTIONS *` has no path that a cookie could be for, and so no login.
    if (sessionOf(this.#req) === undefined && targetOf(this.#req) !== '*') {
      this.#options.sessions?.requireCookiePath(this.#req)
      // Without a session nobody can be told to be logged out: express-session leaves it away when its store is down.
      throw new TokenStoreError('This request has no session')
    }
    return super.confirm()
  }

  /**
   * Makes `req.user` what verify returned, else who PagerDuty says it is.
   *
   * @internal
   */
  publishUser(): void {
    if (this.user === undefined) return
    this.#published = this.appUser ?? this.user
    ;(this.#req as { user?: unknown }).user = this.#published
  }

  /** The request's user goes with the grant. The session forgets it with the next request, which finds no grant. */
  protected override drop(): void {
    super.drop()
    const holder = this.#req as { user?: unknown }
    if (this.#published !== undefined && holder.user === this.#published) holder.user = undefined
    if (isLoginBy(sessionOf(this.#req), this.#grants.client.name)) clearUser(this.#req)
  }
}

/**
 * Puts `req.pagerduty` on every request: who is logged in, what was granted, and tokens that are kept fresh. Mount it
 * after the session middleware. It reads the grant once, for a request that has a session with one, and waits for no
 * refresh. When the grant is over, so is the Passport login that it made.
 */
export function sessionTokens(options: SessionTokensOptions): Middleware {
  const grants = options.grants ?? requireShared(options)
  const { name } = grants.client
  const extendIfDue = extender(grants, options)
  nameInstance(name)

  return function pagerdutySessionTokens(req, res, next) {
    const refusal = sessionRefusal(req)
    if (refusal !== undefined) return next(refusal)
    const session = sessionOf(req)
    const id = session?.[name]
    const isLogin = options.sessions !== undefined || isLoginBy(session, name)
    const finish = (work: Promise<void>) =>
      void work
        .then(() => next())
        .catch(next)
        // What comes after this middleware failed twice. It must not end the process.
        .catch((error: Error) => grants.events.tell('warning', { error }))
    const attach = (grant: Grant | undefined) => {
      const holder = req as unknown as Record<string, RequestGrant>
      holder[name] = new RequestGrant(grants, grant, req, res, options)
    }
    /** Takes what the store has; undefined when the caller has to wait for the end of a login. */
    const present = (sealed: string | undefined): Promise<void> | undefined => {
      const grant = sealed === undefined ? undefined : grants.open(id as string, sealed)
      const isEnded = sealed === undefined || (grant !== undefined && isOver(grant))
      attach(isEnded ? undefined : grant)
      if (isEnded) return endLogin(req, name, id as string)
      if (grant === undefined) return undefined
      extendIfDue(req, grant)
      if (isLogin) renewIfEnded(grants, grant)
      return undefined
    }
    if (typeof id !== 'string') {
      attach(undefined)
      return isLoginBy(session, name) ? finish(endLogin(req, name, undefined)) : next()
    }
    guardGrant(req, grants, options.strategy)
    const read = options.sessions?.grantReadWith(req)
    if (read === undefined) return finish(grants.store.get(grantKey(id)).then(present))
    const ending = present(read.sealed)
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
  Promise.resolve(grants.usable(grant)).catch(() => {})
}

/** Extends a grant with its session: in the background, now and then, and surely when it is presented first. */
function extender(
  grants: UserGrants,
  options: SessionTokensOptions,
): (req: IncomingMessage, grant: Grant) => void {
  const { idle } = grants.lifetimes
  const throttle = new Throttle(touchInterval(idle))
  return (req, grant) => {
    if (options.sessions?.extend(req, grant)) return
    // A drop-in that is not the first one finds a cookie that says how long the first one's logins last at most.
    const ofCookie = options.sessions === undefined ? sessionOf(req)?.cookie.originalMaxAge : undefined
    const lifetime = options.session?.idle ?? ofCookie ?? idle
    if (!throttle.take(grant.id, touchInterval(lifetime))) return
    const extend = () => grants.extend(grant, lifetime)
    // Once more: a new grant has a minute to live, and the next request may come later.
    extend()
      .catch(extend)
      .catch((error: Error) => {
        throttle.undo(grant.id)
        grants.events.tell('warning', { error })
      })
  }
}

/** Milliseconds between two extensions: a tenth of the idle time, at most five minutes. */
export function touchInterval(idle: number): number {
  return Math.min(idle / 10, 5 * 60_000)
}

function requireShared(options: SessionTokensOptions): UserGrants {
  if (options.tokenStore === undefined) {
    throw new ConfigurationError(
      'tokenStore',
      'is required: the store that the strategy keeps its grants in',
      'Give strategy and sessionTokens() the same options, with a tokenStore and a secret.',
    )
  }
  return new UserGrants(options)
}
