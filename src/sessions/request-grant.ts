import type { IncomingMessage, ServerResponse } from 'node:http'
import { ConfigurationError, TokenStoreError } from '../errors/errors'
import type { Grant, UserGrants } from '../grants/grants'
import { UserGrant } from '../grants/user-grant'
import { targetOf } from '../http/request-url'
import { requireKnown } from '../errors/known-members'
import { carryOthers } from './login-session'
import { clearUser } from './passport-login'
import { type SessionParts, idleTimeOf } from './session-parts'
import {
  type LoginOptions,
  forgetGrant,
  heldIn,
  isLoginBy,
  loginOptionNames,
  promised,
  sessionOf,
} from './session'

declare global {
  // As in `@types/passport`, which need not be installed: where both are, they merge.
  namespace Express {
    /** What `req.user` is to the app. Declare its members in your own code, in `namespace Express`. */
    interface User {}
    interface Request {
      /**
       * Who is logged in: what `verify` returned, without `verify` the {@link PagerDutyUser}. Put here by `pd.auth()`, or by
       * Passport; undefined when no user is logged in.
       */
      user?: User | undefined
      /** The PagerDuty login of this request; put here by `pd.auth()` or `sessionTokens()`. */
      pagerduty: RequestGrant
    }
  }
}

/** The PagerDuty login of a request. */
export class RequestGrant extends UserGrant {
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #grants: UserGrants
  readonly #parts: SessionParts
  #idleEnd: number | undefined
  #published: unknown
  #isDropped = false
  #logout: Promise<void> | undefined

  /** @internal */
  constructor(
    grants: UserGrants,
    grant: Grant | undefined,
    req: IncomingMessage,
    res: ServerResponse,
    parts: SessionParts,
    idleEnd?: number,
  ) {
    super(grants, grant)
    this.#grants = grants
    this.#req = req
    this.#res = res
    this.#parts = parts
    this.#idleEnd = idleEnd
  }

  /**
   * When the login ends unless it is extended, in milliseconds since the epoch: `session.idle` after its last extension, at the
   * latest at its absolute end. It is extended at most once in a tenth of `session.idle`, and in five minutes, so its
   * last use may be that much later than its last extension.
   *
   * Undefined when no user is logged in. With a session middleware of your own it is the end of the grant; your session may
   * end earlier.
   */
  get sessionExpiresAt(): number | undefined {
    const { absoluteEnd } = this
    if (absoluteEnd === undefined || this.#idleEnd === undefined) return undefined
    return Math.min(absoluteEnd, this.#idleEnd)
  }

  /**
   * Responds to this request with a redirect to PagerDuty.
   *
   * @throws {ConfigurationError} an option is unknown or of a wrong type, `sessionTokens()` has no strategy, a scope is not one, or
   * `authorizationParams` has a parameter of the protocol
   */
  login(options: LoginOptions = {}): void {
    const { strategy } = this.#parts
    requireKnown(`req.${this.#grants.client.name}.login()`, options, loginOptionNames)
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
    await this.#parts.strategy?.endLogins(this.#req)
    if (grantID === undefined) return
    const { name } = this.#grants.client
    // It may have been destroyed meanwhile.
    const session = sessionOf(this.#req)
    if (session === undefined) return
    if (this.#parts.sessions !== undefined) return this.#parts.sessions.end(this.#req, this.#res)
    if (heldIn(session).login === undefined) return forgetGrant(session, name)
    carryOthers(this.#req, name)
    await promised((callback) => session.regenerate(callback))
  }

  /** @internal */
  override adopt(grant: Grant): void {
    super.adopt(grant)
    this.#idleEnd = Date.now() + idleTimeOf(this.#req, this.#grants, this.#parts)
  }

  /** @internal */
  override confirm(): void | Promise<void> {
    // `OPTIONS *` has no path that a cookie could be for, and so no login.
    const isUnknown = this.grantID === undefined && !this.#isDropped
    if (isUnknown && sessionOf(this.#req) === undefined && targetOf(this.#req) !== '*') {
      this.#parts.sessions?.requireCookiePath(this.#req)
      // Without a session, no user counts as logged out: express-session omits it when its store is down.
      throw withoutSession()
    }
    return super.confirm()
  }

  /**
   * Writes the session of a login before it is made, together with the login's outcome.
   *
   * @internal
   */
  prepareSession(grantID: string): void {
    this.#parts.sessions?.prepare(this.#req, this.#res, grantID)
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

  /**
   * The request's user goes with the grant. The session forgets it with the next request, which finds no grant.
   *
   * @internal
   */
  override drop(): void {
    super.drop()
    this.#isDropped = true
    const holder = this.#req as { user?: unknown }
    if (this.#published !== undefined && holder.user === this.#published) holder.user = undefined
    if (isLoginBy(sessionOf(this.#req), this.#grants.client.name)) clearUser(this.#req)
  }
}

/** The login of a request, by the name of its instance. Only what `sessionTokens()` made counts, not what looks like it. */
export function grantOf(req: IncomingMessage, name: string): RequestGrant | undefined {
  const grant = (req as unknown as Record<string, unknown>)[name]
  return UserGrant.is(grant) ? (grant as RequestGrant) : undefined
}

function withoutSession(): TokenStoreError {
  const error = new TokenStoreError(
    'This request has no session, so it is not known whether a user is logged in',
  )
  const hint =
    'Mount your session middleware before pd.sessionTokens(). express-session leaves the session out while its store is disconnected.'
  return Object.assign(error, { hint })
}
