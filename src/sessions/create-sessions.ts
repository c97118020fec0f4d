import type { Context } from '../context'
import type { Grants } from '../grants/grant-management'
import type { UserGrants } from '../grants/grants'
import { createFromRequest } from './from-request'
import { grantOf } from './request-grant'
import type { Logins } from './session'
import { DropInSession } from './session-middleware'
import type { SessionOptions } from './session-options'
import { type Middleware, createSessionTokens } from './session-tokens'

/** What one instance does with sessions. */
export interface Sessions {
  /** For `pd.auth()`: the session, `req.pagerduty` and `req.user`. */
  readonly auth: () => readonly Middleware[]
  readonly sessionTokens: () => Middleware
  readonly fromRequest: Grants['fromRequest']
}

export function createSessions(
  context: Context,
  grants: UserGrants,
  { session, strategy }: { session: SessionOptions | undefined; strategy: Logins },
  warn: (message: string) => void,
): Sessions {
  const { name } = context.client
  let dropIn: DropInSession | undefined
  const ownSession = () => (dropIn ??= createDropIn())
  const createDropIn = () => {
    const { sameSite = 'lax' } = session?.cookie ?? {}
    const made = new DropInSession(context, grants, session ?? {}, warn)
    if (sameSite !== 'lax') {
      warn(
        `"session.cookie.sameSite" is "${sameSite}": browsers come back from PagerDuty without a strict cookie, and send one of none with every request of another site`,
      )
    }
    return made
  }
  let mounted: 'auth' | 'sessionTokens' | undefined
  return {
    auth() {
      const own = ownSession()
      mounted = 'auth'
      return [
        own.middleware,
        createSessionTokens(context, grants, { session, strategy, sessions: own }),
        setUser(name),
      ]
    },
    sessionTokens() {
      mounted ??= 'sessionTokens'
      return createSessionTokens(context, grants, { session, strategy })
    },
    // A process without Express mounts neither.
    fromRequest: createFromRequest(grants, () => (mounted === 'sessionTokens' ? undefined : ownSession())),
  }
}

/** `req.user`, as Passport users know it: what verify returned, else who PagerDuty says it is. */
function setUser(name: string): Middleware {
  return function pagerdutyUser(req, _res, next) {
    grantOf(req, name)?.publishUser()
    next()
  }
}
