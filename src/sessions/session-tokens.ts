import type { IncomingMessage, ServerResponse } from 'node:http'
import { asError } from '../async/call-app'
import { type Context, createContext } from '../context'
import { ConfigurationError } from '../errors/errors'
import { grantOptionNames } from '../grants/grant-options'
import { type Grant, UserGrants, grantKey, isOver } from '../grants/grants'
import { effectiveExpiry } from '../oauth/token-expiry'
import { endLogin } from './passport-login'
import { requireSpelling } from '../errors/known-members'
import { RequestGrant, grantOf } from './request-grant'
import type { SessionTokensOptions } from './session-options'
import { extender } from './extension'
import type { SessionParts } from './session-parts'
import { touchDecider } from './should-touch'
import { grantIn, isLoginBy, sessionOf } from './session'
import { sessionRefusal } from './session-check'
import { guardSession } from './session-lifecycle'

/**
 * A middleware for Express, and for whatever has a request of Node's: the upgrade to a WebSocket, `io.engine.use()`. Where
 * there is no response to write to, any object can take its place, and a failure goes to `next`.
 */
export type Middleware = (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void

/**
 * Puts `req.pagerduty` on every request: who is logged in, what was granted, and tokens that are kept fresh. Mount it
 * after the session middleware. It reads the grant once, for a request that has a session with one, and waits for no
 * refresh. When the grant is over, replaced, or encrypted with another secret, so is the Passport login that it made.
 */
export function sessionTokens(options: SessionTokensOptions): Middleware {
  requireSpelling('sessionTokens()', Object(options) as object, [...grantOptionNames, 'strategy'])
  if (options?.tokenStore === undefined) {
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
  const { name } = context.client
  const loader = new GrantLoader(context, grants, parts)

  return function pagerdutySessionTokens(req, res, next) {
    let loading: Promise<void> | undefined
    try {
      if ((grantOf(req, name)?.grants ?? grants) !== grants) throw sameName(name)
      loading = loader.load(req, res)
    } catch (error) {
      return next(asError(error))
    }
    if (loading === undefined) return next()
    loading
      .then(() => next())
      .catch(next)
      // What comes after this middleware failed twice. It must not end the process.
      .catch((error: Error) => context.events.emit('warning', { error }))
  }
}

/** Puts the grant of a request's session on the request. */
class GrantLoader {
  readonly #context: Context
  readonly #grants: UserGrants
  readonly #parts: SessionParts
  readonly #shouldTouch: (req: IncomingMessage) => boolean
  readonly #extendIfDue: ReturnType<typeof extender>

  constructor(context: Context, grants: UserGrants, parts: SessionParts) {
    this.#context = context
    this.#grants = grants
    this.#parts = parts
    this.#shouldTouch = touchDecider(parts.session?.shouldTouch)
    this.#extendIfDue = extender(grants, parts)
  }

  /** @returns undefined when it is done, as for most requests with `pd.auth()` */
  load(req: IncomingMessage, res: ServerResponse): Promise<void> | undefined {
    const { sessions } = this.#parts
    const deferred = sessions?.deferred(req)
    const isTouch = (deferred ?? sessionOf(req)) === undefined || this.#shouldTouch(req)
    const attach = (grant: Grant | undefined) => {
      const idleEnd = this.#extendIfDue(req, grant, isTouch)
      const holder = req as unknown as Record<string, RequestGrant>
      holder[this.#name] = new RequestGrant(this.#grants, grant, req, res, this.#parts, idleEnd)
      if (grant !== undefined && this.#isLogin(req)) renewIfEnded(this.#grants, grant)
    }
    const carried = deferred && this.#grants.open(deferred.grantID, deferred.sealed)
    if (deferred !== undefined && carried !== undefined && !isOver(carried)) {
      deferred.onceMade = () => this.#guard(req)
      attach(carried)
      return undefined
    }
    const refusal = sessionRefusal(req)
    if (refusal !== undefined) throw refusal
    this.#guard(req)
    const id = grantIn(sessionOf(req), this.#name)
    if (id === undefined) {
      attach(undefined)
      return isLoginBy(sessionOf(req), this.#name) ? endLogin(req, this.#name, undefined) : undefined
    }
    const read = sessions?.grantReadWith(req)
    if (read !== undefined) return this.#present(req, id, read.sealed, attach)
    const reading = this.#context.store.get(grantKey(id))
    return reading.then((sealed) => this.#present(req, id, sealed, attach))
  }

  /** Takes what the store has; a login whose grant is over ends. */
  #present(
    req: IncomingMessage,
    id: string,
    sealed: string | undefined,
    attach: (grant: Grant | undefined) => void,
  ): Promise<void> | undefined {
    const grant = sealed === undefined ? undefined : this.#grants.open(id, sealed)
    if (grant !== undefined && !isOver(grant)) {
      attach(grant)
      return undefined
    }
    attach(undefined)
    // Where there is something else, it leads to another grant, or another process may be able to read it.
    const keepsID = sealed !== undefined && grant === undefined
    return endLogin(req, this.#name, id, keepsID)
  }

  /** What ends the session ends the login of this request too. */
  #guard(req: IncomingMessage): void {
    const ended = () => grantOf(req, this.#name)?.drop()
    guardSession(req, { grants: this.#grants, logins: this.#parts.strategy, ended })
  }

  #isLogin(req: IncomingMessage): boolean {
    return this.#parts.sessions !== undefined || isLoginBy(sessionOf(req), this.#name)
  }

  get #name(): string {
    return this.#context.client.name
  }
}

/**
 * Whether PagerDuty still stands behind a login is known when its access token is renewed. Guards wait for that; for the
 * routes without one it is begun here, and the next request knows.
 */
function renewIfEnded(grants: UserGrants, grant: Grant): void {
  if (Date.now() < effectiveExpiry(grant.record.tokens)) return
  // Events report failures.
  Promise.resolve(grants.ensureFresh(grant)).catch(() => {})
}

/** Each would end the login of the other, and send the browser to log in again. */
function sameName(name: string): ConfigurationError {
  return new ConfigurationError(
    'name',
    `is "${name}" for two instances that serve the same request`,
    'Give one of them another name: pagerduty({ name: "…" }).',
  )
}
