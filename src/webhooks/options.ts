import type { Request } from 'express'
import type { OnError } from '../http/error-response'
import type { AppTokens } from '../app-tokens/app-tokens'
import type { WaitUntil } from '../async/background'
import { ConfigurationError } from '../errors'
import type { Events } from '../observability/events'
import type { TokenStore } from '../store/token-store'
import type { WebhookContext } from './context'
import type { UnknownWebhookEvent, WebhookEvent } from './events'
import type { WebhookSecret } from './secrets'

/** Seconds. PagerDuty retries for 48 hours; nothing of its own is older. */
const longestDelay = 48.25 * 60 * 60
/** Seconds: a year. */
const longestAge = 365 * 24 * 60 * 60
/** Seconds by which a mark outlives the freshness of its event. */
const margin = 45 * 60
/** Milliseconds: less than the 16 seconds that PagerDuty waits for a custom incident action. */
const longestWait = 15_000

/** Does what an event asks for. When it fails in time, PagerDuty delivers the event again. */
export type WebhookHandler<Event = WebhookEvent> = (event: Event, context: WebhookContext) => unknown

/** How deliveries are received. */
export interface WebhookOptions {
  /** Tells receivers apart: each handles an event once. At most 64 characters of ASCII. @default 'webhook' */
  name?: string | undefined
  /** The subscription's secret, as PagerDuty showed it when it was created. @default the option `webhookSecret` */
  webhookSecret?: WebhookSecret | undefined
  /**
   * Seconds after which an event is acknowledged and not handled, so that nobody replays it: at most a year, or Infinity for
   * never.
   * @default 173700, 48 hours and a quarter: PagerDuty delivers again for 48 hours
   */
  maxAge?: number | undefined
  /** Milliseconds that the answer waits for the handler. PagerDuty waits five seconds. @default 3500 */
  timeout?: number | undefined
  /**
   * Checks the bearer token that PagerDuty sends where the subscription is configured to, besides the signature. Whatever it
   * returns but true is answered with 401: PagerDuty then tries once with a new token, and drops the delivery.
   */
  verifyBearer?: ((token: string | undefined, req: Request) => boolean | Promise<boolean>) | undefined
  /** Handles events of a type that this package does not know. @default they are acknowledged */
  onUnknownEvent?: WebhookHandler<UnknownWebhookEvent> | undefined
  /** Scopes of the handler's `fetch` and `getToken`. @default the option `appScope` */
  appScope?: string | readonly string[] | undefined
  /** The account that the handler's `fetch` and `getToken` are for, such as `us.acme`. @default the option `account` */
  account?: string | undefined
  /**
   * Takes over the answers to what is not accepted. Keep to `error.status`: PagerDuty counts a 2xx as handled, and drops for
   * good what gets a 4xx other than 429.
   */
  onError?: OnError | undefined
}

/** Options of {@link webhookReceiver}. */
export interface WebhookReceiverOptions extends WebhookOptions {
  /** Where it is remembered what was handled. All processes need the same. @default in memory */
  tokenStore?: TokenStore | undefined
  /** Gives the handler its `fetch` and `getToken`. */
  appTokens?:
    Pick<AppTokens, 'fetch' | 'getToken'> | (() => Pick<AppTokens, 'fetch' | 'getToken'>) | undefined
  /** Is given a promise of a handler that goes on after its answer; see the option of `pagerduty()`. */
  waitUntil?: WaitUntil | undefined
  /** @internal */
  events?: Events | undefined
  /** @internal Where warnings go. */
  warn?: ((message: string) => void) | undefined
}

/** What follows from the options, checked. */
export interface WebhookSettings {
  readonly name: string
  /** Milliseconds. */
  readonly timeout: number
  /** Seconds. */
  readonly maxAge: number
  /** Milliseconds for which a handled event is known: as long as a replay of it would be fresh. */
  readonly remembered: number
}

/** @throws {ConfigurationError} naming the option that is missing or contradictory */
export function webhookSettings(options: WebhookOptions, handler: unknown): WebhookSettings {
  const { name = 'webhook', timeout = 3_500, maxAge = longestDelay } = options
  if (typeof handler !== 'function') {
    throw new ConfigurationError('handler', 'is required: a function that takes the event')
  }
  if (typeof name !== 'string' || !/^[ -~]{1,64}$/.test(name)) {
    throw new ConfigurationError('name', 'must be 1 to 64 characters of ASCII: it becomes part of a key')
  }
  if (!(timeout >= 0 && timeout <= longestWait)) {
    throw new ConfigurationError('timeout', `must be milliseconds between 0 and ${longestWait}`)
  }
  if (!(maxAge > 0) || (maxAge > longestAge && maxAge !== Infinity)) {
    throw new ConfigurationError('maxAge', 'must be a number of seconds, at most a year, or Infinity')
  }
  const remembered = ((Number.isFinite(maxAge) ? maxAge : longestDelay) + margin) * 1000
  return { name, timeout, maxAge, remembered }
}
