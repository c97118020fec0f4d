import { touchInterval } from '../../src/session-tokens'
import { Throttle } from '../../src/throttle'
import { inSimulatedTime } from './clock'
import { random } from './random'

/**
 * How many of the guarded requests also extend session and grant, by the library's own throttle: one process is watched
 * for a quarter of an hour, while requests of all users are spread over the processes at random.
 *
 * @param period seconds between two requests of a user
 * @param idle milliseconds
 */
export function touchesPerRequest(
  users: number,
  period: number,
  processes: number,
  idle: number,
  seed: number,
): Promise<number> {
  return inSimulatedTime(seed, (clock) => {
    const throttle = new Throttle(touchInterval(idle))
    const requests = Math.round((900 / period) * (users / processes))
    let [touches, watched] = [0, 0]
    for (let request = 0; request < requests; request++) {
      clock.seconds = (900 * request) / requests
      const isTouch = throttle.take(`grant ${Math.floor(random(seed, request, 7) * users)}`)
      if (clock.seconds < 600) continue
      watched++
      if (isTouch) touches++
    }
    return touches / watched
  })
}
