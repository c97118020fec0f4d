import { day } from './people'
import { type Course, type Provider, type Scenario, outageLength, run } from './run'

/** What one scenario comes to: on a calm day, and on one with an outage. */
export interface Figures {
  refreshes: number
  perSecond: number
  peakSecond: number
  peakMinute: number
  waits: number
  callsInOutage: number
  catchUpSecond: number
  catchUpMinute: number
  /** Minutes after the outage until no user gets a 503 any more. */
  catchUp: number
  failedMinutes: number
  locks: number
}

/**
 * The calm day is the one before the last; the outage is on the last.
 *
 * @param hour of the day at which the outage begins
 * @param isOnce tokens live so long that each day is another: then the last two count, once in peace and once not
 */
export async function figuresOf(
  scenario: Omit<Scenario, 'provider'>,
  provider: Provider,
  hour: number,
  isOnce = false,
): Promise<{ figures: Figures; course: Course }> {
  const { days } = scenario
  const outage = days * day + hour * 3600
  const course = await run({ ...scenario, provider: { ...provider, outage } })
  const calm = isOnce ? await run({ ...scenario, provider }) : course
  const calmDays = (values: Uint32Array, unit: number) =>
    values.subarray((days - 1) * unit, (isOnce ? days + 1 : days) * unit)
  const refreshes = sum(calmDays(calm.refreshes, day))
  const calls = calmDays(calm.attempts, day)
  const after = course.attempts.subarray(outage + outageLength)
  return {
    course,
    figures: {
      refreshes,
      perSecond: refreshes / (isOnce ? 2 * day : day),
      peakSecond: most(calls, 1),
      peakMinute: most(calls, 60),
      waits: sum(calmDays(calm.waits, 1)),
      callsInOutage: sum(course.attempts.subarray(outage, outage + outageLength)),
      catchUpSecond: most(after, 1),
      catchUpMinute: most(after, 60),
      catchUp: Math.max(Math.ceil((course.lastFailure - outage - outageLength) / 60), 0),
      failedMinutes: course.failedMinutes[days] as number,
      locks: mostLocks(course, provider.latency),
    },
  }
}

export function sum(values: ArrayLike<number>): number {
  let total = 0
  for (let i = 0; i < values.length; i++) total += values[i] as number
  return total
}

/** The largest sum of so many neighbours. */
export function most(values: ArrayLike<number>, width: number): number {
  let [largest, current] = [0, 0]
  for (let i = 0; i < values.length; i++) {
    current += (values[i] as number) - (i >= width ? (values[i - width] as number) : 0)
    largest = Math.max(largest, current)
  }
  return largest
}

/** Refreshes of less than a second follow from the rate of the calls, longer ones were counted. */
function mostLocks({ locks, attempts }: Course, latency: number): number {
  let largest = 0
  for (let second = day; second < attempts.length; second++) {
    largest = Math.max(largest, (locks[second] as number) + (attempts[second] as number) * latency)
  }
  return Math.ceil(largest)
}
