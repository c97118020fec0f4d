import type { Operation } from './traffic'

let place = 0

/** The next place in the order of all that happens. */
export function nextPlace(): number {
  return ++place
}

/** One request that brings a code back, and the redirect after it. */
export interface Callback {
  readonly sentAt: number
  /** The session cookie it was sent with. */
  readonly session: string | undefined
  /** When its response was sent. */
  answeredAt?: number
  /** Undefined until it is over. */
  overAt: number | undefined
  readonly operation: Operation | undefined
}

/** A login or step-up as it is seen from outside. The `…At` are places in the order of all that happens. */
export interface Attempt {
  readonly name: string
  readonly browser: number
  readonly owner: string
  readonly begunAt: number
  /** When the user consented, by PagerDuty's clock; different for each attempt. */
  readonly startedAt: number
  readonly callbackURL: string
  readonly code: string | undefined
  readonly callbacks: Callback[]
  /** The cookies that the first callback was sent with. */
  cookies?: ReadonlyMap<string, string>
  delegationID?: string
  grantID?: string
  /** When its grant was made; and the same in milliseconds since the epoch. */
  storedAt?: number
  storedTime?: number
  /** When a page first showed that it is logged in. */
  presentedAt?: number
}

/** A logout or revocation. */
export interface Ending {
  readonly name: string
  readonly kind: 'logout' | 'revoke grant' | 'revoke owner'
  readonly browser: number
  readonly owner: string
  /** What a logout was sent with. */
  readonly session?: string | undefined
  /** What `revoke(id)` is to end. */
  readonly grantID?: string | undefined
  readonly sentAt: number
  /** Undefined until it is over. */
  overAt?: number
  /** The same in milliseconds since the epoch. */
  overTime: number
  /** Whether it reported success. */
  isDone: boolean
  readonly operation: Operation | undefined
}

/** Which login a page shows. */
export interface Who {
  readonly user: string | null
  readonly grantID?: string
  readonly delegationID?: string
}

/** What is seen from outside: by the browsers, on the way to PagerDuty, and through events. */
export class Ledger {
  readonly attempts: Attempt[] = []
  readonly endings: Ending[] = []
  /** Every session cookie that a browser ever had. */
  readonly sessions = new Set<string>()
  readonly grantOfSession = new Map<string, string>()
  /** Grants that `keep()` has confirmed, and when. */
  readonly kept = new Map<string, number>()
  /** Sessions whose grant was to be kept, successfully or not. */
  readonly triedToKeep = new Set<string>()
  /** How often each refresh token was presented, and how often the response was lost. */
  readonly presentations = new Map<string, { sent: number; lost: number }>()
  readonly revocations: { attempt: Attempt; at: number }[] = []
  /** Grants that some cookie still shows at the end. */
  readonly alive = new Set<string>()
  readonly violations: string[] = []
  readonly #ofRefreshToken = new Map<string, Attempt>()

  blame(violation: string): void {
    if (!this.violations.includes(violation)) this.violations.push(violation)
  }

  attemptOf(which: { grantID?: string | undefined; delegationID?: string | undefined }): Attempt | undefined {
    return this.attempts.find(
      ({ grantID, delegationID }) =>
        (which.grantID !== undefined && grantID === which.grantID) ||
        (which.delegationID !== undefined && delegationID === which.delegationID),
    )
  }

  /** The event `login`. */
  stored(grantID: string, delegationID: string | undefined): void {
    const attempt = this.attemptOf({ delegationID })
    if (attempt === undefined) return
    attempt.grantID = grantID
    attempt.storedAt ??= nextPlace()
    attempt.storedTime ??= Date.now()
  }

  /** A page that was requested with this session cookie. */
  saw(session: string | undefined, { grantID, delegationID }: Who): void {
    if (grantID === undefined) return
    if (session !== undefined) this.grantOfSession.set(session, grantID)
    const attempt = this.attemptOf({ delegationID })
    if (attempt === undefined) return
    attempt.grantID = grantID
    attempt.presentedAt ??= nextPlace()
  }

  /** PagerDuty issued a refresh token. */
  issued(refreshToken: string, attempt: Attempt | undefined): void {
    if (attempt !== undefined) this.#ofRefreshToken.set(refreshToken, attempt)
  }

  ofRefreshToken(token: string): Attempt | undefined {
    return this.#ofRefreshToken.get(token)
  }

  presented(refreshToken: string, isLost: boolean): void {
    const { sent, lost } = this.presentations.get(refreshToken) ?? { sent: 0, lost: 0 }
    this.presentations.set(refreshToken, { sent: sent + 1, lost: lost + (isLost ? 1 : 0) })
  }

  revoked(token: string): void {
    const attempt = this.#ofRefreshToken.get(token)
    if (attempt !== undefined) this.revocations.push({ attempt, at: nextPlace() })
  }
}
