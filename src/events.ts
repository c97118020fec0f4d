import { EventEmitter } from 'node:events'
import type { PagerDutyUser } from './id-token'

/** What can be listened to with `pd.on(name, listener)`. No event carries a token or another secret. */
export interface PagerDutyEvents {
  /** Somebody logged in. */
  login: [
    {
      user: PagerDutyUser
      grantID: string
      grantedScopes: readonly string[]
      requestedScopes: readonly string[]
    },
  ]
  /**
   * PagerDuty granted less than was asked for, or took scopes away at a refresh; `diagnosis` says what the likely reason is.
   */
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
  /** A login did not come about. */
  loginFailed: [{ error: Error }]
  /** A login was ended by its user or by the app. */
  logout: [{ user: PagerDutyUser; grantID: string }]
  /** A grant has a new access token. */
  refresh: [{ user: PagerDutyUser; grantID: string; version: number; expiresAt: number }]
  /** A refresh failed; unless the error is a `LoginRequiredError`, the grant lives on. */
  refreshFailed: [{ grantID: string; error: Error }]
  /** The app has a new token of its own; `account` is such as `us.acme`. */
  mint: [{ account: string; scope: readonly string[]; expiresAt: number }]
  /** PagerDuty gave no app token. */
  mintFailed: [{ account: string; scope: readonly string[]; error: Error }]
  /** A webhook delivery was judged. */
  webhook: [WebhookVerdict]
  /** Something in the background failed that nobody waits for. */
  warning: [{ error: Error }]
}

/** What became of a webhook delivery. */
export interface WebhookVerdict {
  /** Name of the receiver. */
  receiver: string
  /**
   * `handled`: the handler is through. `duplicate`: it was before. `running`: another delivery of the event is being handled.
   * `ignored`: a test delivery, or a type that nobody handles. `stale`: too old. `refused`: not PagerDuty’s, or no delivery.
   * `failed`: the handler or the store failed; with the status 202, after the answer, so that PagerDuty does not deliver again.
   */
  verdict: 'handled' | 'duplicate' | 'running' | 'ignored' | 'stale' | 'refused' | 'failed'
  /** The HTTP status it was answered with. */
  status: number
  /** `X-Webhook-Id`: the same for a redelivery. Not signed. */
  deliveryID?: string | undefined
  eventID?: string | undefined
  eventType?: string | undefined
  error?: Error | undefined
}

/** Emits {@link PagerDutyEvents}. A listener that throws is the app's fault, and must not undo a login or a refresh. */
export class Events extends EventEmitter<PagerDutyEvents> {
  tell<Name extends keyof PagerDutyEvents>(name: Name, ...detail: PagerDutyEvents[Name]): void {
    try {
      ;(this as EventEmitter).emit(name, ...detail)
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error))
    }
  }
}
