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
  /** A login did not come about. */
  loginFailed: [{ error: Error }]
  /** A login was ended by its user or by the app. */
  logout: [{ user: PagerDutyUser; grantID: string }]
  /** A grant has a new access token. */
  refresh: [{ user: PagerDutyUser; grantID: string; version: number; expiresAt: number }]
  /** A refresh failed; unless the error is a `LoginRequiredError`, the grant lives on. */
  refreshFailed: [{ grantID: string; error: Error }]
  /** Something in the background failed that nobody waits for. */
  warning: [{ error: Error }]
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
