import { Throttle } from '../async/throttle'
import { TokenStoreError } from '../errors'
import type { Events } from './events'

/** A store that fails is reported now and then, not with each request. */
export function outageReporter(events: Events): (error: unknown) => void {
  const throttle = new Throttle(10_000)
  return (error) => {
    if (error instanceof TokenStoreError && throttle.take(error.message)) events.emit('warning', { error })
  }
}
