// The one object
export { pagerduty } from './pagerduty'
export type { PagerDuty } from './pagerduty'
export type { PagerDutyOptions } from './options'
export type { SessionCookie, SessionOptions } from './sessions/session-options'
export type { Routes } from './login/route-options'
export type { GrantOwner, Grants } from './grants/grant-management'
export type { Logger } from './observability/logger'
export type { Denial, PagerDutyEvents, RateLimit } from './observability/event-types'

// Parts: login
export { PagerDutyStrategy, PagerDutyStrategy as Strategy } from './login/strategy'

export type { StrategyOptions } from './login/strategy-options'
export type { AuthenticateOptions } from './login/passport-oauth2'
export type {
  Login,
  LoginInfo,
  Profile,
  TokenParams,
  VerifyCallback,
  VerifyDone,
  VerifyLogin,
} from './login/verify'

// Parts: tokens of a session
export { RequestGrant } from './sessions/request-grant'
export { sessionTokens } from './sessions/session-tokens'
export type { SessionTokensOptions } from './sessions/session-options'
export type { LoginOptions, Logins } from './sessions/session'
export { UserGrant } from './grants/user-grant'
export type { GetAccessTokenOptions } from './grants/grant-options'
export type { BearerFetch, BearerInit } from './oauth/bearer-fetch'
export type { PageInit } from './oauth/paginate'
export type { LoggedIn, PagerDutyUser, Region } from './user'
export type { TokenSet } from './oauth/token-set'
export type { WaitUntil } from './async/background'
export type { GrantOptions, SessionLifetimes } from './grants/grant-options'
export type { StoreOptions } from './store/store-options'
export type { ClientOptions } from './oauth/client-options'
export type { ClientSecret } from './oauth/client-secret'
export type { AppType } from './scopes/scope'

// Parts: guards
export { requireAnyScope, requireLogin, requireScopes, requireScopesFor } from './guards/require-scopes'
export { requireSameOrigin } from './guards/require-same-origin'
export type { SameOriginOptions } from './guards/require-same-origin'
export type { GuardOptions, OperationGuardOptions, ScopeName } from './guards/guard-options'
export type { PartialGrant, PartialGrantPolicy } from './login/partial-grant'
export type { OnError } from './http/error-response'

// As the app: tokens and webhooks
export { AppTokens } from './app-tokens/app-tokens'
export type { AppToken, AppTokenInit, AppTokenOptions, AppTokensOptions } from './app-tokens/app-tokens'
export { webhookReceiver } from './webhooks/receiver'
export type { WebhookReceiver } from './webhooks/receiver'
export type {
  WebhookContext,
  WebhookHandler,
  WebhookOptions,
  WebhookReceiverOptions,
} from './webhooks/options'
export type { WebhookSecret } from './webhooks/secrets'
export { verifyWebhook } from './webhooks/verify-webhook'
export type { WebhookDelivery } from './webhooks/verify-webhook'
export { incidentIDOf, webhookEventTypes } from './webhooks/events'
export type {
  UnknownWebhookEvent,
  WebhookEvent,
  WebhookEventBase,
  WebhookEventType,
  WebhookIncidentEventType,
} from './webhooks/events'
export type {
  WebhookIncident,
  WebhookIncidentDetail,
  WebhookReference,
  WebhookRoleAssignments,
  WebhookService,
  WebhookServiceDetail,
} from './webhooks/resources'
export type { WebhookOutcome } from './observability/event-types'

// Responses of PagerDuty's REST API
export { apiError } from './oauth/api-error'

// Where things are kept
export { MemoryTokenStore } from './store/memory-token-store'
export { RedisTokenStore } from './store/redis-token-store'
export type { RedisClient } from './store/redis-client'
export type { RedisTokenStoreOptions } from './store/redis-token-store'
export { PostgresTokenStore } from './store/postgres-token-store'
export type { PostgresClient } from './store/postgres-connection'
export type { PostgresTokenStoreOptions } from './store/postgres-token-store'
export { SQLiteTokenStore } from './store/sqlite-token-store'
export type { SQLiteTokenStoreOptions } from './store/sqlite-token-store'
export type { TokenStore } from './store/token-store'

// PagerDuty's scopes
export type { ListPath, Operation, Scope } from './scopes/catalogue'
export { operationScopes, scopes, scopesFor } from './scopes/operations'

// Errors
export {
  ConfigurationError,
  InsufficientScopeError,
  LoginRequiredError,
  PagerDutyOAuthError,
  RequestRefusedError,
  TokenStoreError,
  UnauthorizedError,
  WebhookError,
} from './errors/errors'
export type { ErrorDetails } from './errors/errors'
export {
  APIError,
  AuthorizationResponseError,
  IDTokenError,
  ScopeNotGrantedError,
  TokenEndpointError,
} from './errors/pagerduty-errors'
export type { StateMismatch } from './errors/pagerduty-errors'
