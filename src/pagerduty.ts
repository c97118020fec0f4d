import type { ErrorRequestHandler, NextFunction, Request, RequestHandler, Response } from 'express'
import { type AnswerOptions, answer } from './http/error-response'
import { AppTokens } from './app-tokens/app-tokens'
import { callApp, warnOf } from './async/call-app'
import { definedOf } from './defined'
import { deny } from './guards/denial'
import { dropInSession } from './sessions/session-middleware'
import { withEnvironment } from './environment'
import { ConfigurationError, InsufficientScopeError, TokenStoreError } from './errors'
import { Throttle } from './async/throttle'
import { logEvents } from './observability/logger'
import { Events } from './observability/events'
import type { GrantOptions } from './grants/grant-options'
import { type GrantsByID, grantsByID } from './grants/grants-by-id'
import { loginPathOf, loginRoutes } from './login/routes'
import { MemoryTokenStore } from './store/memory-token-store'
import type { PagerDutyEvents } from './observability/event-types'
import type { PagerDutyOptions } from './options'
import { connectRedis } from './store/redis-connection'
import { orClose, randomSecret, storeOf } from './store/open-store'
import {
  type GuardOptions,
  type OperationGuardOptions,
  type ScopeName,
  denialOf,
  requireAnyScope,
  requireLogin,
  requireScopes,
  requireScopesFor,
  scopesOfOperations,
  splitGuard,
} from './guards/require-scopes'
import { parseScopeOption, requireScope } from './scopes/scope'
import type { Operation } from './scopes/catalogue'
import { type Middleware, type RequestGrant, sessionTokens } from './sessions/session-tokens'
import { PagerDutyStrategy } from './login/strategy'
import { requireStepUpScope } from './login/strategy-options'
import { unknownScopeWarner } from './scopes/unknown-scopes'
import { UserGrants } from './grants/grants'
import type { WebhookHandler, WebhookOptions } from './webhooks/options'
import { type WebhookReceiver, webhookReceiver } from './webhooks/receiver'

/** One instance: the drop-in, and the parts it is made of. */
export interface PagerDuty {
  /** Everything at once: session, login, callback and logout routes, `req.pagerduty` and `req.user`. */
  auth(): Middleware
  /** Puts `req.pagerduty` on each request, for apps with a session middleware of their own. */
  sessionTokens(): Middleware
  /** The strategy, for `passport.use()`. */
  readonly strategy: PagerDutyStrategy
  /** Guard: somebody is logged in. */
  requireLogin(options?: GuardOptions): RequestHandler
  /** Guard: all of these scopes are granted. The last argument may be options. */
  requireScopes(...scopes: readonly (ScopeName | GuardOptions)[]): RequestHandler
  /** Guard: at least one of these scopes is granted. The last argument may be options. */
  requireAnyScope(...scopes: readonly (ScopeName | GuardOptions)[]): RequestHandler
  /**
   * Guard: the scopes that these operations of PagerDuty's REST API declare are granted; see {@link requireScopesFor}. The
   * last argument may be options.
   */
  requireScopesFor(...operations: readonly (Operation | OperationGuardOptions)[]): RequestHandler
  /** Grants without a request: background jobs, administration. */
  readonly grants: GrantsByID
  /**
   * Tokens of the app itself, for server-to-server work.
   *
   * @throws {ConfigurationError} for a Classic app, which PagerDuty gives none
   */
  readonly appTokens: AppTokens
  /** Receives PagerDuty's webhooks: `app.post('/webhooks/pagerduty', pd.webhook(handler))`; see {@link webhookReceiver}. */
  webhook(handler: WebhookHandler, options?: WebhookOptions): WebhookReceiver
  /** Error handler that answers this package's errors, thrown anywhere, as the guards do. Mount it last. */
  errors(): ErrorRequestHandler
  /** Listens to what happens; see {@link PagerDutyEvents}. */
  on<Name extends keyof PagerDutyEvents>(
    name: Name,
    listener: (...args: PagerDutyEvents[Name]) => unknown,
  ): this
  /** Starts nothing more, finishes and stores what runs, and closes the Redis connection made here. */
  close(): Promise<void>
}

/**
 * PagerDuty for one Express app.
 *
 * @param options what is left out comes from the environment
 * @throws {ConfigurationError} naming the option that is missing or contradictory
 */
export function pagerduty(options: PagerDutyOptions = {}): PagerDuty {
  // What is missing is refused by name when the client is made.
  const resolved = withEnvironment(options, process.env) as PagerDutyOptions & GrantOptions
  const { logger } = resolved
  const warn = (message: string) => {
    if (logger) callApp(() => logger.warn(message), warnOf)
    else process.emitWarning(message, { code: 'PASSPORT_PAGERDUTY' })
  }
  const name = resolved.name ?? 'pagerduty'
  const events = new Events(name)
  if (logger) logEvents(events, logger)
  const redis =
    resolved.redis === undefined
      ? undefined
      : connectRedis(resolved.redis, (error) => events.tell('warning', { error }))
  const store = resolved.tokenStore ?? storeOf(redis, name, warn)
  const isOwn = resolved.tokenStore === undefined && store instanceof MemoryTokenStore
  const { grants, strategy, appTokens, loginPath } = orClose(redis, () => {
    const keep = { tokenStore: store, secret: resolved.secret ?? randomSecret(isOwn) }
    const kept = new UserGrants({ ...resolved, ...keep }, events)
    const isScoped = kept.client.appType === 'scoped'
    return {
      grants: kept,
      appTokens: isScoped ? new AppTokens({ ...resolved, ...keep, events }) : undefined,
      strategy: new PagerDutyStrategy({ ...resolved, grants: kept }, resolved.verify),
      loginPath: loginPathOf(kept.client, resolved.routes),
    }
  })
  const { client } = grants
  const guard: GuardOptions = {
    name,
    loginPath,
    stepUpScope: resolved.stepUpScope,
    onError: resolved.onError,
  }
  const warnOfUnknown = unknownScopeWarner(client.appType, resolved.extraScopes ?? [], warn)
  warnOfUnknown('scope', client.scope)
  warnOfUnknown('stepUpScope', resolved.stepUpScope ?? [])
  warnOfUnknown('appScope', parseScopeOption(resolved.appScope ?? []))
  warnOfPartialGrants(events, typeof resolved.partialGrant === 'function', warn)
  /** The options of a guard, with what this instance knows for those left out; and its scopes, looked over. */
  const guarding = <Options extends GuardOptions>(own: Options, scopes: readonly string[]): Options => {
    requireScope(scopes, client.appType, 'scopes')
    requireStepUpScope(own.stepUpScope, client.appType)
    warnOfUnknown('requireScopes', scopes)
    warnOfUnknown('stepUpScope', own.stepUpScope ?? [])
    // A guard may be for the login of another instance.
    const isOwn = (own.name ?? name) === name
    return { ...guard, ...definedOf(own), ...(isOwn && { client }) } as Options
  }
  // Whoever wants the tokens that a Classic app does not get is told so by the attempt.
  const requireAppTokens = () => appTokens ?? new AppTokens({ ...resolved, tokenStore: store, events })
  const receivers = new Map<string, WebhookReceiver>()
  const links = { login: guard.loginPath, onError: resolved.onError }
  const reportOutage = outageReporter(events)

  return {
    strategy,
    grants: grantsByID(grants),
    auth() {
      // A session is read together with its grant, so both live where the grants are.
      const session = dropInSession(
        grants,
        resolved.session ?? {},
        resolved.tokenStore ? undefined : redis,
        warn,
      )
      const tokens = sessionTokens({ ...resolved, grants, strategy, sessions: session.own })
      const routes = loginRoutes(strategy, client, resolved.routes ?? {}, resolved.onError)
      return inOrder([session.middleware, tokens, setUser(name), routes as Middleware], links, reportOutage)
    },
    sessionTokens: () => sessionTokens({ ...resolved, grants, strategy }),
    requireLogin: (own) => requireLogin({ ...guard, ...definedOf(own) }),
    requireScopes(...args) {
      const { names, options: own } = splitGuard<GuardOptions>(args)
      return requireScopes(...(names as ScopeName[]), guarding(own, names))
    },
    requireAnyScope(...args) {
      const { names, options: own } = splitGuard<GuardOptions>(args)
      return requireAnyScope(...(names as ScopeName[]), guarding(own, names))
    },
    requireScopesFor(...args) {
      const { names, options: own } = splitGuard<OperationGuardOptions>(args)
      const scopes = scopesOfOperations(names, own)[client.appType]
      return requireScopesFor(...(names as Operation[]), guarding(own, scopes))
    },
    get appTokens() {
      return requireAppTokens()
    },
    webhook(handler, own = {}) {
      const { name: receiver = 'webhook' } = own
      if (receivers.has(receiver)) {
        throw new ConfigurationError(
          'name',
          `is "${receiver}" for two webhooks: what one has handled, the other would take for done`,
          'Give each a name of its own: pd.webhook(handler, { name: "…" }). One may be mounted on several paths.',
        )
      }
      const made = webhookReceiver(
        {
          ...own,
          webhookSecret: own.webhookSecret ?? resolved.webhookSecret,
          appScope: own.appScope ?? resolved.appScope,
          tokenStore: store,
          appTokens: requireAppTokens,
          waitUntil: resolved.waitUntil,
          events,
          warn,
        },
        handler,
      )
      receivers.set(receiver, made)
      return made
    },
    errors: () => (error: unknown, req: Request, res: Response, next: NextFunction) => {
      reportOutage(error)
      if (error instanceof InsufficientScopeError) deny(error, req, res, next, denialOf(guard))
      else answer(error, req, res, next, links)
    },
    on(event, listener) {
      grants.events.on(event, listener as never)
      return this
    },
    async close() {
      await Promise.all([...receivers.values()].map((receiver) => receiver.close()))
      await Promise.all([grants.close(), appTokens?.close()])
      if (store instanceof MemoryTokenStore && isOwn) store.close()
      await redis?.close()
    },
  }
}

/** Each difference is told once. What a function of the app's decides about at a login, the app knows. */
function warnOfPartialGrants(events: Events, appDecides: boolean, warn: (message: string) => void): void {
  const told = new Set<string>()
  events.on('partialGrant', ({ when, diagnosis }) => {
    if (told.has(diagnosis) || (appDecides && when === 'login')) return
    told.add(diagnosis)
    warn(diagnosis)
  })
}

/** A store that fails is reported now and then, not with each request. */
function outageReporter(events: Events): (error: unknown) => void {
  const throttle = new Throttle(10_000)
  return (error) => {
    if (error instanceof TokenStoreError && throttle.take(error.message)) events.tell('warning', { error })
  }
}

/** `req.user`, as Passport users know it: what verify returned, else who PagerDuty says it is. */
function setUser(name: string): Middleware {
  return function pagerdutyUser(req, _res, next) {
    ;(req as unknown as Record<string, RequestGrant>)[name]?.publishUser()
    next()
  }
}

/** Several handlers as one. What they fail with, thrown or passed on, is answered as the guards answer. */
function inOrder(
  handlers: readonly Middleware[],
  links: AnswerOptions,
  report: (error: unknown) => void,
): Middleware {
  return function pagerdutyAuth(req, res, next) {
    const fail = (error: unknown) => {
      report(error)
      answer(error, req as Request, res as Response, next, links)
    }
    const step = (position: number) => (error?: unknown) => {
      if (error) return fail(error)
      const handler = handlers[position]
      if (handler === undefined) return next()
      callApp(() => handler(req, res, step(position + 1)), fail)
    }
    step(0)()
  }
}
