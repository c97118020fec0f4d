import type { GrantOwner, PagerDutyOptions } from '../../../src'

/** What is particular about a victim. It travels as JSON, so functions have names here. */
export interface VictimSettings {
  /** Whether the app mounts `pd.auth()`, or the individual middleware beside its own Passport and express-session. */
  style: 'drop-in' | 'parts'
  /** Options of `pagerduty()`, beside those that point it at the simulator. */
  options?: PagerDutyOptions
  /** Where the app's own sessions live, with the individual middleware. */
  redis?: string | undefined
  /** `resave` of a session of the app's own. */
  resave?: boolean
  queryParser?: 'simple' | 'extended'
  trustProxy?: boolean
  verify?: 'throws' | 'refuses'
  /** A server in the place of PagerDuty's regional API hosts. */
  regions?: string
  /** Leaves errors to Express's own handler. */
  plainErrors?: boolean
  /** Writes out everything it can get hold of. */
  tellsAll?: boolean
  /** Runs a second instance in the same app, for `second-client`. */
  second?: boolean
}

/** What a victim does when told to. */
export type Order =
  | {
      kind: 'clock'
      offset: number
      /** Where the wall clock stands still; the monotonic one goes on. */
      stoppedAt?: number
    }
  | { kind: 'handled' }
  | { kind: 'size' }
  | { kind: 'revoke'; owner: GrantOwner }
  | { kind: 'token'; scope: string[] }
  | { kind: 'close' }

/** What comes back for each kind of order. */
export interface Results {
  clock: true
  /** How often a handler that needs a login or a signature has run. */
  handled: number
  /** Bytes; `peak` is the most that the process ever had in memory. */
  size: { heapUsed: number; rss: number; peak: number }
  revoke: true
  token: readonly string[]
  /** What ran in the background is done. */
  close: true
}

/** What a victim says: its URL once, results of orders, and what must never happen. */
export type Answer =
  | { url: string }
  | { id: number; result: unknown }
  | { id: number; failure: string }
  | { problem: string }
