import type { StateMismatch } from '../errors/pagerduty-errors'
import type { PagerDutyUser } from '../user'

/**
 * Events of `pd.on(name, listener)`, and of the channels `passport-pagerduty:<name>` of `node:diagnostics_channel`. No event carries a token, a code or another secret; durations are milliseconds, and a `reason`
 * is the `code` of the error, or the error's class where it is not this package's.
 */
export interface PagerDutyEvents {
  /** A user logged in. */
  login: [
    {
      user: PagerDutyUser
      grantID: string
      grantedScopes: readonly string[]
      requestedScopes: readonly string[]
    },
  ]
  /** PagerDuty granted less than was requested, or removed scopes at a refresh; `diagnosis` names the likely reason. */
  partialGrant: [
    {
      when: 'login' | 'refresh'
      user: PagerDutyUser
      requestedScopes: readonly string[]
      grantedScopes: readonly string[]
      missing: readonly string[]
      diagnosis: string
    },
  ]
  /** A login failed. */
  loginFailed: [{ reason: string; error: Error }]
  /** A callback belongs to no login that can be finished; `loginFailed` follows. */
  stateMismatch: [{ cause: StateMismatch }]
  /**
   * A grant was ended here. `logout`: its session was, by the user or the app. `revoked`: by `pd.grants.revoke()`. `replaced`: by
   * the next login in its session, a step-up among them. If PagerDuty ends it, `refreshFailed` says so.
   */
  logout: [{ user: PagerDutyUser; grantID: string; reason: 'logout' | 'revoked' | 'replaced' }]
  /** A guard denied a request, or a handler lacked a scope. */
  denied: [Denial]
  /** A grant has a new access token; `duration` includes the exchange and storing the tokens. */
  refresh: [{ user: PagerDutyUser; grantID: string; version: number; expiresAt: number; duration: number }]
  /** A refresh failed; the grant is still valid unless the error is a `LoginRequiredError`. */
  refreshFailed: [{ grantID: string; reason: string; error: Error }]
  /** A refresh was not needed: another request or process had been first, and its token is used. */
  refreshSkipped: [{ grantID: string; version: number }]
  /** The app has a new token of its own; `account` is such as `us.acme`. */
  appToken: [{ account: string; scope: readonly string[]; expiresAt: number }]
  /** PagerDuty issued no app token. */
  appTokenFailed: [{ account: string; scope: readonly string[]; reason: string; error: Error }]
  /** A refresh or a request for an app token had to wait for another process; the wait is over. */
  lockWait: [{ lock: 'refresh' | 'appToken'; grantID?: string; account?: string; duration: number }]
  /** A webhook delivery was processed. */
  webhook: [WebhookOutcome]
  /**
   * Calls of the REST API with one token come near PagerDuty's rate limit, or have reached it; once for each state until the limit
   * is reset.
   */
  rateLimit: [RateLimit]
  /** A response has a status of 500 or more, which shows no reason, or something in the background failed. */
  warning: [{ error: Error }]
}

/** A rate limit of PagerDuty's REST API, as a response reports it. */
export interface RateLimit {
  /** `low`: less than a tenth is left. `exhausted`: nothing is left, or PagerDuty responded with 429. */
  state: 'low' | 'exhausted'
  /** The kind of token: the limit is that of the user in this app, or of the app in the account. */
  token: 'user' | 'app'
  /** Calls in a minute; undefined where the response does not say. */
  limit: number | undefined
  /** Calls that are left. */
  remaining: number
  /** Seconds until the limit is reset. */
  reset: number
  /** Method and path template, where the limit is of this operation alone and the catalogue has it. */
  operation?: string | undefined
  /** The user; undefined for an app token. */
  user?: PagerDutyUser | undefined
  /** The grant of `user`; undefined also during `verify`. */
  grantID?: string | undefined
  /** The account of an app token, such as `us.acme`. */
  account?: string | undefined
}

/** A request that was denied. */
export interface Denial {
  /** The `code` of the error, such as `insufficient_scope` or `ERR_PAGERDUTY_UNAUTHORIZED`. */
  reason: string
  /** The HTTP status of the error; a browser that is redirected gets a 302 or 303 instead. */
  status: number
  /** The response: a redirect to log in, a redirect to consent to more scopes, or the error. */
  action: 'login' | 'stepUp' | 'error'
  /** The HTTP method of the request, in capitals. */
  method: string
  /** The route's path as the app wrote it, such as `/incidents/:id`; undefined for a guard that is mounted with `app.use()`. */
  route: string | undefined
  /** Scopes that the route or PagerDuty's API requires, all or one; empty unless `reason` is `insufficient_scope`. */
  required: readonly string[]
  /** Those of `required` that are not granted, or that the API says the token lacks. */
  missing: readonly string[]
  /** The user; undefined where no user is logged in, or PagerDuty has just ended the login. */
  user: PagerDutyUser | undefined
  /** The grant of `user`, for `pd.grants`; undefined likewise. */
  grantID: string | undefined
}

/** The outcome of a webhook delivery. */
export interface WebhookOutcome {
  /** Name of the receiver. */
  receiver: string
  /**
   * `handled`: the handler has finished. `duplicate`: it had finished before. `inProgress`: another delivery of the event is being
   * handled. `ignored`: a test delivery, or a type without a handler. `expired`: too old. `rejected`: not from PagerDuty, or not
   * a delivery. `failed`: the handler or the store failed; with status 202, after the response, so PagerDuty does not retry.
   */
  outcome: 'handled' | 'duplicate' | 'inProgress' | 'ignored' | 'expired' | 'rejected' | 'failed'
  /** The HTTP status of the response. */
  status: number
  /** Milliseconds from the delivery's arrival to the outcome, including the handler. */
  duration: number
  /** `X-Webhook-Id`: the same for a redelivery. Not signed. */
  deliveryID?: string | undefined
  /** The event's signed `id`; undefined if signature or body were not valid, or not checked. */
  eventID?: string | undefined
  /** Its `event_type`, which this package may not know; undefined in the same cases. */
  eventType?: string | undefined
  /** Why it is `inProgress`, `rejected` or `failed`. What the handler threw is this error, or its `cause`. */
  error?: Error | undefined
}
