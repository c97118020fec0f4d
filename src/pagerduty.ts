import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express'
import { AppTokens } from './app-tokens/app-tokens'
import { callApp } from './async/call-app'
import { createContext } from './context'
import { withEnvironment, withVariable } from './environment'
import { InsufficientScopeError, type PagerDutyOAuthError } from './errors/errors'
import type { GrantOptions } from './grants/grant-options'
import { UserGrants } from './grants/grants'
import { type Grants, grantsOf } from './grants/grant-management'
import { createGuards } from './guards/create-guards'
import { deny } from './guards/denial'
import type { GuardOptions, OperationGuardOptions, ScopeName } from './guards/guard-options'
import { denialOf } from './guards/require-scopes'
import { type ErrorResponseOptions, sendError, wasPassedOn } from './http/error-response'
import { loginPathOf } from './login/route-options'
import { loginRoutes } from './login/routes'
import { PagerDutyStrategy } from './login/strategy'
import { requireName } from './oauth/client'
import type { PagerDutyEvents } from './observability/event-types'
import { Events } from './observability/events'
import { logEvents, warnOfPartialGrants, warnerOf } from './observability/logger'
import { requireEvent } from './observability/messages'
import { type PagerDutyOptions, requireOptions } from './options'
import type { Operation } from './scopes/catalogue'
import { parseScopeOption } from './scopes/scope'
import { unknownScopeWarner } from './scopes/unknown-scopes'
import { createSessions } from './sessions/create-sessions'
import type { Middleware } from './sessions/session-tokens'
import { type OpenStore, openStore } from './store/open-store'
import { createWebhooks } from './webhooks/create-webhooks'
import type { WebhookHandler, WebhookOptions } from './webhooks/options'
import type { WebhookReceiver } from './webhooks/receiver'

/** One instance: `auth()`, and the individual middleware that it is made of. */
export interface PagerDuty {
  /** Everything at once: session, login, callback and logout routes, `req.pagerduty` and `req.user`. */
  auth(): Middleware
  /** Puts `req.pagerduty` on each request, for apps with a session middleware of their own. */
  sessionTokens(): Middleware
  /** The strategy, for `passport.use()`. */
  readonly strategy: PagerDutyStrategy
  /** Guard: a user is logged in. */
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
  /**
   * Guard: a page of this app, at an origin of `callbackURL` or `trustedOrigins`, sent the request, or no browser did. GET, HEAD
   * and OPTIONS pass. Mount it before routes that change something, as cookies of `SameSite=Lax` come along from sibling subdomains.
   */
  requireSameOrigin(): RequestHandler
  /** Grants without a request: background jobs, administration. */
  readonly grants: Grants
  /**
   * Tokens of the app itself, for server-to-server work.
   *
   * @throws {ConfigurationError} for a Classic app, which PagerDuty gives none
   */
  readonly appTokens: AppTokens
  /** Receives PagerDuty's webhooks: `app.post('/webhooks/pagerduty', pd.webhook(handler))`; see {@link webhookReceiver}. */
  webhook(handler: WebhookHandler, options?: WebhookOptions): WebhookReceiver
  /** Error handler that responds to this package's errors, thrown anywhere, as the guards do. Mount it last. */
  errors(): ErrorRequestHandler
  /**
   * Listens to what happens; see {@link PagerDutyEvents}.
   *
   * @throws {ConfigurationError} there is no event of that name
   */
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
  // A missing option is rejected by name when the client is created.
  requireOptions(options)
  const resolved = withEnvironment(options, process.env) as PagerDutyOptions & GrantOptions
  const { logger } = resolved
  const name = requireName(resolved.name)
  const warn = warnerOf(logger)
  const events = new Events(name)
  if (logger) logEvents(events, logger)
  const store = openStore(resolved, name, {
    warn,
    failed: (error) => events.emit('warning', { error }),
  })
  try {
    const { tokenStore, secret } = store
    return assemble({ ...resolved, name, tokenStore, secret }, store, events, warn)
  } catch (error) {
    // A connection made for an app that cannot start would keep the process alive.
    void store.close()
    throw withVariable(error, resolved)
  }
}

function assemble(
  options: PagerDutyOptions & GrantOptions & { name: string },
  store: OpenStore,
  events: Events,
  warn: (message: string) => void,
): PagerDuty {
  const { name, onError, stepUpScope, routes = {} } = options
  const context = createContext(options, events)
  const { client } = context
  const grants = new UserGrants(context, options)
  const appTokens = client.appType === 'scoped' ? new AppTokens(options, context) : undefined
  // A Classic app gets none: the constructor throws the error that says so.
  const requireAppTokens = () => appTokens ?? new AppTokens(options, context)
  const strategy = new PagerDutyStrategy(options, options.verify, context, grants)
  const warnOfUnknown = unknownScopeWarner(client.appType, options.extraScopes ?? [], warn)
  warnOfUnknown('scope', client.scope)
  warnOfUnknown('stepUpScope', stepUpScope ?? [])
  warnOfUnknown('appScope', parseScopeOption(options.appScope ?? []))
  warnOfPartialGrants(events, typeof options.partialGrant === 'function', warn)
  const { callbackPath: callback } = client
  const login = loginPathOf(client, routes)
  const { home } = routes
  const report = (error: PagerDutyOAuthError) => events.report(error)
  const links = { login, callback, home, onError, report }
  const guard: GuardOptions = { name, loginPath: login, home, stepUpScope, onError, events }
  const { webhookSecret, appScope, tokenStore, waitUntil } = options
  const ofWebhooks = { webhookSecret, appScope, tokenStore, waitUntil, appTokens: requireAppTokens }
  const webhooks = createWebhooks(ofWebhooks, events, warn)
  const ofSessions = { session: options.session, strategy }
  const sessions = createSessions(context, grants, ofSessions, warn)
  const served = new WeakSet<object>()

  return {
    strategy,
    grants: grantsOf(grants, sessions.fromRequest),
    auth() {
      const session = sessions.auth()
      const ofLogin = loginRoutes(strategy, client, routes, onError)
      return inOrder([...session, ofLogin as Middleware], links, served)
    },
    sessionTokens: () => sessions.sessionTokens(),
    ...createGuards(client, guard, warnOfUnknown),
    get appTokens() {
      return requireAppTokens()
    },
    webhook: (handler, own) => webhooks.webhook(handler, own),
    errors: () => errorHandler(guard, links),
    on(event, listener) {
      requireEvent(event, listener)
      events.on(event, listener as never)
      return this
    },
    async close() {
      await webhooks.close()
      await Promise.all([grants.close(), appTokens?.close()])
      await store.close()
    },
  }
}

/** Responds to an error of this package as the guards do. */
function errorHandler(guard: GuardOptions, links: ErrorResponseOptions): ErrorRequestHandler {
  return function pagerdutyErrors(error, req, res, next) {
    if (error instanceof InsufficientScopeError || wasPassedOn(req, error))
      deny(error, req, res, next, denialOf(guard))
    else sendError(error, req, res, next, links)
  }
}

/** Combines several handlers into one that runs once per request. Their errors get the same response as those of the guards. */
function inOrder(
  handlers: readonly Middleware[],
  links: ErrorResponseOptions,
  served: WeakSet<object>,
): Middleware {
  return function pagerdutyAuth(req, res, next) {
    if (served.has(req)) return next()
    served.add(req)
    const fail = (error: unknown) => sendError(error, req as Request, res as Response, next, links)
    const step = (position: number) => (error?: unknown) => {
      if (error) return fail(error)
      const handler = handlers[position]
      if (handler === undefined) return next()
      callApp(() => handler(req, res, step(position + 1)), fail)
    }
    step(0)()
  }
}
