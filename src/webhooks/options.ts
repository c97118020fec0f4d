import type { Request } from 'express'
import type { OnError } from '../http/error-response'
import {
  type AppToken,
  type AppTokenInit,
  type AppTokenOptions,
  type AppTokens,
  parseAccount,
} from '../app-tokens/app-tokens'
import type { WaitUntil } from '../async/background'
import { ConfigurationError } from '../errors/errors'
import { type OptionType, requireTypes } from '../errors/known-members'
import type { TokenStore } from '../store/token-store'
import type { UnknownWebhookEvent, WebhookEvent } from './events'
import type { WebhookSecret } from './secrets'

/** Seconds. PagerDuty retries for 48 hours. @internal */
export const defaultMaxAge = 48.25 * 60 * 60
const year = 365 * 24 * 60 * 60
/** Seconds for which a handled event is remembered beyond `maxAge`, so that a replay is never both fresh and unknown. */
const margin = 45 * 60
/** Milliseconds: PagerDuty waits 16 seconds for a custom incident action. */
const longestTimeout = 15_000

/** Handles an event. If it throws or rejects in time, PagerDuty retries. */
export type WebhookHandler<Event = WebhookEvent> = (event: Event, context: WebhookContext) => unknown

/** What a handler works with. */
export interface WebhookContext {
  /** Calls PagerDuty's REST API as the app; see {@link AppTokens.fetch}. */
  readonly fetch: (pathOrURL: string | URL, init?: AppTokenInit) => Promise<Response>
  /** Iterates over one of PagerDuty's lists as the app; see {@link AppTokens.paginate}. */
  readonly paginate: AppTokens['paginate']
  /** A token of the app, for another client; see {@link AppTokens.getToken}. */
  readonly getToken: (scope?: string | readonly string[], options?: AppTokenOptions) => Promise<AppToken>
  /** `X-Webhook-Id`: the same for a redelivery. Not signed. */
  readonly deliveryID: string | undefined
  /** `X-Webhook-Subscription`. Not signed. */
  readonly subscriptionID: string | undefined
  /** The delivery, with its body read. Only the body is signed, no header. The receiver responds to it. */
  readonly request: Request
}

/** How deliveries are received. */
export interface WebhookOptions {
  /** Each receiver handles an event once; the name keeps them apart. At most 64 characters of ASCII. @default 'webhook' */
  name?: string | undefined
  /** The subscription's secret, as PagerDuty showed it when it was created. @default the option `webhookSecret` */
  webhookSecret?: WebhookSecret | undefined
  /**
   * Seconds after which an event is acknowledged and not handled, against replays: at most a year, or Infinity for never.
   * @default 173700, 48 hours and a quarter: PagerDuty retries for 48 hours
   */
  maxAge?: number | undefined
  /** Milliseconds that the response waits for the handler. PagerDuty waits five seconds. @default 3500 */
  timeout?: number | undefined
  /**
   * Checks the bearer token that PagerDuty sends if the subscription is configured for it, in addition to the signature.
   * Anything but true gets a 401: PagerDuty then tries once with a new token, and drops the delivery.
   */
  verifyBearer?: ((token: string | undefined, req: Request) => boolean | Promise<boolean>) | undefined
  /** Handles events of a type that this package does not know. @default they are acknowledged */
  onUnknownEvent?: WebhookHandler<UnknownWebhookEvent> | undefined
  /** Scopes of the handler's `fetch` and `getToken`. @default the option `appScope` */
  appScope?: string | readonly string[] | undefined
  /** The account that the handler's `fetch` and `getToken` are for, such as `us.acme`. @default the option `account` */
  account?: string | undefined
  /**
   * Responds to deliveries that are rejected or fail. Keep to `error.status`: PagerDuty counts a 2xx as handled, and drops what
   * gets a 4xx other than 429.
   */
  onError?: OnError | undefined
}

/** Options of {@link webhookReceiver}. */
export interface WebhookReceiverOptions extends WebhookOptions {
  /** Remembers which events were handled. All processes need the same store. @default in memory */
  tokenStore?: TokenStore | undefined
  /** Gives the handler its `fetch` and `getToken`. */
  appTokens?:
    | Pick<AppTokens, 'fetch' | 'getToken'>
    | (() => Pick<AppTokens, 'fetch' | 'getToken'>)
    | undefined
  /** Gets a promise of each handler, which may run on after the response; see the option of `pagerduty()`. */
  waitUntil?: WaitUntil | undefined
}

const table: Record<keyof WebhookOptions, OptionType> = {
  name: true,
  webhookSecret: true,
  maxAge: true,
  timeout: true,
  verifyBearer: 'function',
  onUnknownEvent: 'function',
  appScope: ['string', 'list'],
  account: true,
  onError: 'function',
}

/** @internal */
export const webhookOptionNames: readonly string[] = Object.keys(table)
const receiverTable: Record<Exclude<keyof WebhookReceiverOptions, keyof WebhookOptions>, OptionType> = {
  tokenStore: true,
  appTokens: ['object', 'function'],
  waitUntil: 'function',
}
/** @internal */
export const receiverOptionNames = [...webhookOptionNames, ...Object.keys(receiverTable)]

/** An option of earlier tutorials and other packages, and what to use instead. @internal */
export const insteadOfSecret: Readonly<Record<string, string>> = {
  secret: 'The secret of the subscription is the option "webhookSecret".',
}

/**
 * The options that were checked, with their defaults. A handled event is remembered for `retention` milliseconds: as long as
 * a replay would not be expired.
 *
 * @throws {ConfigurationError} an option is missing or contradictory
 * @internal
 */
export function webhookSettings(options: WebhookReceiverOptions, handler: unknown) {
  requireTypes(options, { ...table, ...receiverTable })
  const { name = 'webhook', timeout = 3_500, maxAge = defaultMaxAge } = options
  if (typeof handler !== 'function') {
    throw new ConfigurationError('handler', 'is required: a function that takes the event')
  }
  if (typeof name !== 'string' || !/^[ -~]{1,64}$/.test(name)) {
    throw new ConfigurationError('name', 'must be 1 to 64 characters of ASCII: it becomes part of a key')
  }
  if (typeof timeout !== 'number' || !(timeout >= 0 && timeout <= longestTimeout)) {
    throw new ConfigurationError('timeout', `must be milliseconds between 0 and ${longestTimeout}`)
  }
  requireMaxAge(maxAge)
  if (options.account !== undefined) parseAccount(options.account)
  const retention = ((Number.isFinite(maxAge) ? maxAge : defaultMaxAge) + margin) * 1000
  return { name, timeout, maxAge, retention }
}

/** @throws {ConfigurationError} @internal */
export function requireMaxAge(maxAge: unknown): void {
  if (typeof maxAge === 'number' && maxAge > 0 && (maxAge <= year || maxAge === Infinity)) return
  throw new ConfigurationError('maxAge', 'must be a number of seconds, at most a year, or Infinity')
}
