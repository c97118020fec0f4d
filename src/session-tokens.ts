import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { ConfigurationError, TokenStoreError } from './errors'
import type { GrantOptions } from './grant-options'
import { carryOthers, guardGrant, nameInstance, sessionOf } from './grant-session'
import type { AuthenticateOptions } from './oauth2-strategy'
import { type PagerDutyStrategy, startLogin } from './strategy'
import { Throttle } from './throttle'
import { UserGrant } from './user-grant'
import { type Grant, UserGrants, isOver } from './user-grants'

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
  strategy?: PagerDutyStrategy | undefined
  /** @internal */
  grants?: UserGrants
  /** @internal */
  sessions?: OwnSessions
}

/** What the drop-in does better, because the session is its own. */
export interface OwnSessions {
  /** The grant as it was read together with the session. */
  grantReadWith(req: Request): { sealed: string | undefined } | undefined
  /** Whether another process has extended them of late. */
  wasExtended(req: Request): boolean
  /** Extends session and grant together. */
  extend(req: Request, grant: Grant): Promise<void>
  /** Ends the session. */
  end(req: Request, res: Response): Promise<void>
}

/** The PagerDuty login of a request. */
export class RequestGrant extends UserGrant {
  readonly #req: Request
  readonly #grants: UserGrants
  readonly #options: SessionTokensOptions

  /** @internal */
  constructor(grants: UserGrants, grant: Grant | undefined, req: Request, options: SessionTokensOptions) {
    super(grants, grant)
    this.#grants = grants
    this.#req = req
    this.#options = options
  }

  /**
   * Answers this request with a redirect to PagerDuty.
   *
   * @param options `scope` to ask for besides what is granted (where nobody is logged in: instead of the configured one),
   * `returnTo` a path to go on to
   */
  login(options: Pick<AuthenticateOptions, 'scope' | 'returnTo'> = {}): void {
    const { strategy } = this.#options
    if (strategy === undefined) {
      throw new ConfigurationError('strategy', 'is needed by login(): give sessionTokens() the strategy')
    }
    startLogin(strategy, this.#req, { ...options, stepUp: options.scope !== undefined })
  }

  /** Forgets the grant, everywhere and at once, and ends the login it made. */
  async logout(): Promise<void> {
    const { grantID } = this
    const session = sessionOf(this.#req)
    if (grantID === undefined || session === undefined) return
    await this.#grants.forget(grantID)
    this.drop()
    if (this.#options.sessions !== undefined) {
      return this.#options.sessions.end(this.#req, this.#req.res as Response)
    }
    carryOthers(this.#req, this.#grants.client.name)
    const { logout } = this.#req as { logout?: (callback: (error?: unknown) => void) => void }
    const end =
      session['passport'] !== undefined && logout ? logout.bind(this.#req) : session.regenerate.bind(session)
    await new Promise<void>((resolve, reject) => {
      end((error?: unknown) => (error ? reject(error as Error) : resolve()))
    })
  }

  /** @internal */
  override confirm(): void | Promise<void> {
    // Without a session nobody can be told to be logged out: express-session leaves it away when its store is down.
    if (sessionOf(this.#req) === undefined) throw new TokenStoreError('This request has no session')
    return super.confirm()
  }
}

/**
 * Puts `req.pagerduty` on every request: who is logged in, what was granted, and tokens that are kept fresh. Mount it
 * after the session middleware. It reads the grant once, for a request that has a session with one, and never refreshes.
 */
export function sessionTokens(options: SessionTokensOptions): RequestHandler {
  const grants = options.grants ?? requireShared(options)
  const { name } = grants.client
  const extendIfDue = extender(grants, options)
  nameInstance(name)

  return function pagerdutySessionTokens(req: Request, _res: Response, next: NextFunction): void {
    const session = sessionOf(req)
    const id = session?.[name]
    const attach = (grant: Grant | undefined) => {
      const current = grant !== undefined && isOver(grant) ? undefined : grant
      const holder = req as unknown as Record<string, RequestGrant>
      holder[name] = new RequestGrant(grants, current, req, options)
      if (current !== undefined) extendIfDue(req, current)
      next()
    }
    if (typeof id !== 'string') return attach(undefined)
    guardGrant(req, grants)
    const read = options.sessions?.grantReadWith(req)
    if (read !== undefined)
      return attach(read.sealed === undefined ? undefined : grants.open(id, read.sealed))
    grants.read(id).then(attach, next)
  }
}

/** Extends a grant with its session: in the background, now and then, and surely when it is presented first. */
function extender(grants: UserGrants, options: SessionTokensOptions): (req: Request, grant: Grant) => void {
  const { idle } = grants.lifetimes
  const throttle = new Throttle(touchInterval(idle))
  return (req, grant) => {
    if (options.sessions?.wasExtended(req) || !throttle.take(grant.id)) return
    const cookie = sessionOf(req)?.cookie
    const lifetime = options.session?.idle ?? cookie?.originalMaxAge ?? idle
    const extended = options.sessions?.extend(req, grant) ?? grants.extend(grant, lifetime)
    extended.catch((error: Error) => {
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
