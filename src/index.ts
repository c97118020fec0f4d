// The one object
export { pagerduty } from './pagerduty'
export type { PagerDuty } from './pagerduty'
export type { PagerDutyOptions } from './pagerduty-options'
export type { SessionCookie, SessionOptions } from './session-options'
export type { Routes } from './login-routes'
export type { GrantOwner, GrantsByID } from './grants-by-id'
export type { Logger } from './event-log'
export type { Denial, PagerDutyEvents } from './pagerduty-events'

// Parts: login
export { PagerDutyStrategy, PagerDutyStrategy as Strategy } from './strategy'
export type { LoginInfo } from './login-callback'
export type { StrategyOptions } from './strategy-options'
export type { AuthenticateOptions } from './oauth2-strategy'
export type { Login, Profile, TokenParams, VerifyCallback, VerifyDone, VerifyLogin } from './verify'

// Parts: tokens of a session
export { RequestGrant, sessionTokens } from './session-tokens'
export type { SessionTokensOptions } from './session-tokens'
export type { LoginOptions, Logins } from './grant-session'
export { UserGrant } from './user-grant'
export type { GetAccessTokenOptions } from './user-grant'
export type { BearerFetch, BearerInit } from './bearer-fetch'
export type { PagerDutyUser, Region } from './user'
export type { TokenSet } from './token-set'
export type { WaitUntil } from './background'
export type { GrantOptions, SessionLifetimes } from './grant-options'
export type { StoreOptions } from './store-options'
export type { ClientOptions } from './client'
export type { AppType } from './scope'

// Parts: guards
export { requireAnyScope, requireLogin, requireScopes, requireScopesFor } from './require-scopes'
export type { GuardOptions, OperationGuardOptions, ScopeName } from './require-scopes'
export type { PartialGrant, PartialGrantPolicy } from './partial-grant'
export type { OnError } from './answers'

// As the app: tokens and webhooks
export { AppTokens } from './app-tokens'
export type { AppToken, AppTokenInit, AppTokenOptions, AppTokensOptions } from './app-tokens'
export { webhookReceiver } from './webhook-receiver'
export type { WebhookReceiver } from './webhook-receiver'
export type { WebhookHandler, WebhookOptions, WebhookReceiverOptions } from './webhook-options'
export type { WebhookContext } from './webhook-context'
export type { WebhookSecret } from './webhook-secrets'
export { incidentIDOf, webhookEventTypes } from './webhook-events'
export type {
  UnknownWebhookEvent,
  WebhookEvent,
  WebhookEventBase,
  WebhookEventType,
  WebhookIncidentEventType,
} from './webhook-events'
export type {
  WebhookIncident,
  WebhookIncidentDetail,
  WebhookReference,
  WebhookRoleAssignments,
  WebhookService,
  WebhookServiceDetail,
} from './webhook-resources'
export type { WebhookVerdict } from './pagerduty-events'

// Answers of PagerDuty's REST API
export { apiError } from './api-error'

// Where things are kept
export { MemoryTokenStore } from './memory-token-store'
export { RedisTokenStore } from './redis-token-store'
export type { RedisClient } from './redis-client'
export type { RedisTokenStoreOptions } from './redis-token-store'
export type { TokenStore } from './token-store'

// PagerDuty's scopes
export { operationScopes, otherScopes, scopes } from './scope-catalogue'
export type { Operation, Scope } from './scope-catalogue'
export { scopesFor } from './scopes-for'

// Errors
export {
  APIError,
  AuthorizationResponseError,
  ConfigurationError,
  IDTokenError,
  InsufficientScopeError,
  LoginRequiredError,
  PagerDutyOAuthError,
  RequestRefusedError,
  ScopeNotGrantedError,
  TokenEndpointError,
  TokenStoreError,
  UnauthorizedError,
  WebhookError,
} from './errors'
export type { ErrorDetails, StateMismatch } from './errors'
