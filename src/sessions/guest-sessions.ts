import type { IncomingMessage } from 'node:http'
import { sessionOf } from './session'
import { SessionStore } from './session-store'

/** Whether requests come to `pd.auth()` with sessions of another middleware, which hold the logins then. */
export class GuestSessions {
  readonly #own: SessionStore
  readonly #warn: (message: string) => void
  #isGuest = false
  #isWarned = false

  constructor(own: SessionStore, warn: (message: string) => void) {
    this.#own = own
    this.#warn = warn
  }

  /** Whether a request had such a session. */
  get isGuest(): boolean {
    return this.#isGuest
  }

  /** Looks at a request that arrives, and returns whether it has a session already. Warns once of one that is not ours. */
  notice(req: IncomingMessage): boolean {
    if (sessionOf(req) === undefined) return false
    const { sessionStore } = req as { sessionStore?: unknown }
    this.#isGuest ||= sessionStore !== this.#own
    // Several instances in one app share the session of the first.
    if (sessionStore instanceof SessionStore || this.#isWarned) return true
    this.#isWarned = true
    this.#warn(
      'pd.auth() comes after another session middleware and keeps logins in its sessions: with its cookie, store and lifetime. A session that is destroyed where pd.auth() has not run leaves its grant alive. Mount pd.auth() before that middleware, which then uses its sessions; or mount pd.sessionTokens() and pd.strategy instead of pd.auth()',
    )
    return true
  }
}
