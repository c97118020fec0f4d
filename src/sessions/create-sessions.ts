import type { Context } from '../context'
import type { Grants } from '../grants/grant-management'
import type { UserGrants } from '../grants/grants'
import type { RedisClient } from '../store/redis-client'
import { createFromRequest } from './from-request'
import { grantOf } from './request-grant'
import type { Logins } from './session'
import { dropInSession } from './session-middleware'
import type { SessionOptions } from './session-options'
import { type Middleware, createSessionTokens } from './session-tokens'

/** What one instance does with sessions. */
export interface Sessions {
  /** For `pd.auth()`: the session, `req.pagerduty` and `req.user`. */
  readonly auth: () => readonly Middleware[]
  readonly sessionTokens: () => Middleware
  readonly fromRequest: Grants['fromRequest']
}

/** @param redis where the sessions of `pd.auth()` are; undefined where they are in the token store */
export function createSessions(
  context: Context,
  grants: UserGrants,
  { session, strategy }: { session: SessionOptions | undefined; strategy: Logins },
  redis: { readonly client: RedisClient; readonly prefix: string } | undefined,
  warn: (message: string) => void,
): Sessions {
  const { name } = context.client
  let dropIn: ReturnType<typeof dropInSession> | undefined
  const ownSession = () => (dropIn ??= dropInSession(context, grants, session ?? {}, redis, warn))
  let mounted: 'auth' | 'sessionTokens' | undefined
  return {
    auth() {
      const { middleware, own } = ownSession()
      mounted = 'auth'
      return [
        middleware,
        createSessionTokens(context, grants, { session, strategy, sessions: own }),
        setUser(name),
      ]
    },
    sessionTokens() {
      mounted ??= 'sessionTokens'
      return createSessionTokens(context, grants, { session, strategy })
    },
    // A process without Express mounts neither.
    fromRequest: createFromRequest(grants, () =>
      mounted === 'sessionTokens' ? undefined : ownSession().own,
    ),
  }
}

/** `req.user`, as Passport users know it: what verify returned, else who PagerDuty says it is. */
function setUser(name: string): Middleware {
  return function pagerdutyUser(req, _res, next) {
    grantOf(req, name)?.publishUser()
    next()
  }
}
