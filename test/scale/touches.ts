import { touchInterval } from '../../src/sessions/extension'
import { random } from './random'

/** Enough to estimate the share. */
const watchedUsers = 2_000

/**
 * How many of the guarded requests also extend session and grant. When that was last done stands with the session, for
 * all processes to see; so it does not matter which of them a request goes to. Requests come at random moments, and the
 * last five of fifteen minutes count.
 *
 * @param period seconds between two requests of a user
 * @param idle milliseconds
 */
export function touchesPerRequest(period: number, idle: number, seed: number): number {
  const interval = touchInterval(idle) / 1000
  const extendedAt = new Float64Array(watchedUsers).fill(-Infinity)
  const requests = Math.round((900 / period) * watchedUsers)
  let [touches, watched] = [0, 0]
  for (let request = 0; request < requests; request++) {
    const second = (900 * request) / requests
    const user = Math.floor(random(seed, request, 7) * watchedUsers)
    const isTouch = second - (extendedAt[user] as number) >= interval
    if (isTouch) extendedAt[user] = second
    if (second < 600) continue
    watched++
    if (isTouch) touches++
  }
  return touches / watched
}
