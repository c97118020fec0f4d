import type { IncomingMessage } from 'node:http'
import { Throttle } from '../async/throttle'
import { type Grant, type UserGrants, isPresented } from '../grants/grants'
import { type SessionParts, idleTimeOf } from './session-parts'

/**
 * Extends a grant, and the session of `pd.auth()` with it: in the background, from time to time, and always when the grant is
 * first presented. A grant records when it was last extended, so only one process does it. A session of `pd.auth()` without a
 * grant is extended by each process.
 *
 * @returns when the grant expires if nothing else extends it; undefined where that is not known
 */
export function extender(
  grants: UserGrants,
  parts: SessionParts,
): (req: IncomingMessage, grant: Grant | undefined, isTouch: boolean) => number | undefined {
  const throttle = new Throttle(touchInterval(Infinity))
  return (req, grant, isTouch) => {
    const session = parts.sessions?.stored(req)
    const key = grant?.id ?? session?.id
    if (key === undefined) return undefined
    const lifetime = idleTimeOf(req, grants, parts)
    const interval = touchInterval(lifetime)
    const lastUsedAt = grant?.record.lastUsedAt ?? 0
    // A process whose clock is far ahead does not keep the others from doing it.
    const isDue = isTouch && Math.abs(Date.now() - lastUsedAt) >= interval
    const isFirst = grant !== undefined && !isPresented(grant)
    const isExtended = (isDue || isFirst) && throttle.take(key, interval)
    if (isExtended) {
      const once = async () => {
        if (grant !== undefined) await grants.extend(grant, lifetime)
        // One that was made for a new grant has its whole life.
        if (session !== undefined && !isFirst) await parts.sessions?.extend(session, grant)
      }
      // Once more: the next request may come later than a new grant lives.
      once()
        .catch(once)
        .catch((error: Error) => {
          throttle.undo(key)
          grants.events.emit('warning', { error })
        })
    }
    if (grant?.record.isKept && parts.sessions === undefined) return grant.record.absoluteEnd
    return (isExtended ? Date.now() : lastUsedAt) + lifetime
  }
}

/** Milliseconds between two extensions: a tenth of the idle time, at most five minutes. */
export function touchInterval(idle: number): number {
  return Math.min(idle / 10, 5 * 60_000)
}
