import type { OnError } from './http/error-response'
import type { ClientOptions } from './oauth/client-options'
import type { ClientSecret } from './oauth/client-secret'
import type { Logger } from './observability/logger'
import type { Routes } from './login/route-options'
import type { RedisClient } from './store/redis-client'
import { type OptionType, requireKnown, requireTypes } from './errors/known-members'
import { type StrategyOptions, insteadOfOAuth2, strategyOptionNames } from './login/strategy-options'
import type { SessionOptions } from './sessions/session-options'
import type { TokenStore } from './store/token-store'
import type { VerifyLogin } from './login/verify'
import type { WebhookSecret } from './webhooks/secrets'

const table: Record<Exclude<keyof PagerDutyOptions, keyof StrategyOptions>, OptionType> = {
  account: true,
  appScope: true,
  from: true,
  webhookSecret: true,
  redis: true,
  prefix: true,
  verify: true,
  routes: true,
  onError: 'function',
  logger: true,
}

/** @throws {ConfigurationError} an option is unknown, and would be ignored, or of a wrong type */
export function requireOptions(options: object): void {
  requireKnown('pagerduty()', options, [...strategyOptionNames, ...Object.keys(table)], insteadOfOAuth2)
  requireTypes(Object(options) as object, table)
}

/** Options of `pagerduty()`. What is left out is taken from the environment variable that is named with it. */
export interface PagerDutyOptions
  extends
    Omit<ClientOptions, 'clientID' | 'callbackURL' | 'scope'>,
    Omit<StrategyOptions, keyof ClientOptions | 'session' | 'state' | 'pkce' | 'tokenStore'> {
  /** The app's Client ID. `PAGERDUTY_CLIENT_ID` */
  clientID?: string | undefined
  /** The app's Client Secret; a list or a function rotates it. `PAGERDUTY_CLIENT_SECRET` */
  clientSecret?: ClientSecret | undefined
  /**
   * Where PagerDuty sends the browser back to, as registered there; a list where the app has several origins. All share one path
   * and one scheme. `PAGERDUTY_CALLBACK_URL`
   */
  callbackURL?: string | readonly string[] | undefined
  /** Other origins of the same app, such as that of a single-page app. `PAGERDUTY_TRUSTED_ORIGINS` */
  trustedOrigins?: ClientOptions['trustedOrigins']
  /** Scopes to request. `PAGERDUTY_SCOPE` */
  scope?: string | readonly string[] | undefined
  /** `scoped` or `classic`. `PAGERDUTY_APP_TYPE` @default 'scoped' */
  appType?: ClientOptions['appType'] | undefined
  /** Origin of PagerDuty's identity service. `PAGERDUTY_IDENTITY_URL` */
  identityURL?: string | undefined
  /** REST API for every user. `PAGERDUTY_API_URL` */
  apiURL?: string | undefined
  /** Origin of the remote MCP server, to which `fetch` sends tokens too. `PAGERDUTY_MCP_URL` @default PagerDuty's, by region */
  mcpURL?: string | undefined
  /** Accepted issuers of id_tokens. `PAGERDUTY_ISSUER` */
  issuer?: string | readonly string[] | undefined
  /** The account that app tokens are for: service region and subdomain, such as `us.acme`. `PAGERDUTY_ACCOUNT` */
  account?: string | undefined
  /** Accounts whose users may log in, such as `us.acme`. In the variable, commas. `PAGERDUTY_ACCOUNTS` */
  accounts?: string | readonly string[] | undefined
  /** Scopes that app tokens have where a call names none. @default the option `scope` */
  appScope?: string | readonly string[] | undefined
  /**
   * E-mail address of a user: the `From` header of calls with app tokens whose operation declares one. `PAGERDUTY_FROM`
   */
  from?: string | undefined
  /** Secret of the webhook subscription; a list, or a function that returns one, rotates. `PAGERDUTY_WEBHOOK_SECRET` */
  webhookSecret?: WebhookSecret | undefined
  /** 32 random characters or more; a list rotates. `SESSION_SECRET` */
  secret?: string | readonly string[] | undefined
  /**
   * Where sessions, grants and all other state live: a store, or the URL of one. `sqlite:./var/pagerduty.db` is a file, from the
   * working directory (`sqlite:///` from the root); `postgres://…` needs the package `pg`; `redis://…`, `rediss://…`,
   * `valkey://…` and `valkeys://…` are the option `redis`; `memory:` is lost with the process. `pd.close()` closes what a URL
   * opened. `PAGERDUTY_TOKEN_STORE` @default in memory
   */
  tokenStore?: TokenStore | string | undefined
  /**
   * Sessions and grants live in Redis or Valkey: a URL, or a client of ioredis 5 or 6, iovalkey or node-redis (the package
   * `redis`) that the app connects and closes; standalone, Sentinel or Cluster. Only a `duplicate()` of the client is used:
   * a command is over within a second, and after an outage the connection is back within two. A client that reads from
   * replicas is rejected. `REDIS_URL`
   */
  redis?: RedisClient | string | undefined
  /**
   * What keys in Redis, and tables, begin with, before the instance's name: apps that share a store need one each. Up to 64 characters of
   * printable ASCII, the name included, without spaces and braces. @default none
   */
  prefix?: string | undefined
  /** Decides who a login is to the app: returns the user for `req.user`, kept with the grant as JSON, or denies it. */
  verify?: VerifyLogin | undefined
  /** How long logins last, and their cookie. */
  session?: SessionOptions | undefined
  /** Paths of the routes of `pd.auth()`. */
  routes?: Routes | undefined
  /** Takes over the responses to denials and failures. */
  onError?: OnError | undefined
  /** Takes what happens, by level; see {@link Logger}. @default mistakes and failures are process warnings */
  logger?: Logger | undefined
}
