import { inSimulatedTime } from './clock'
import { Fleet, failures } from './fleet'
import { type People, day } from './people'
import type { Policy } from './policy'

/** PagerDuty's token endpoint, as the simulation has it. Times are in seconds. */
export interface Provider {
  /** How long a refresh takes. */
  latency: number
  /** When an outage of an hour begins. */
  outage?: number | undefined
  /** Down: says nothing, so that each exchange lasts its whole minute. Otherwise 503 at once. */
  isSilent?: boolean
  /** Refreshes a second; more get 429. */
  limit?: number
}

export interface Scenario {
  people: People
  policy: Policy
  provider: Provider
  processes: number
  /** Days after that of the logins. */
  days: number
  /** Seconds without a request after which a session has ended, and the grant with it. */
  idle: number
}

/** What happened; the arrays by the second, from the midnight before the logins. */
export interface Course {
  /** Token calls of refreshes, those that failed too. */
  attempts: Uint32Array
  refreshes: Uint32Array
  logins: Uint32Array
  /** Refreshes under way. */
  locks: Int32Array
  /** By the day: minutes, counted for each user, in which a request got a 503. */
  failedMinutes: Uint32Array
  /** By the day: requests that waited for a refresh that succeeded. */
  waits: Uint32Array
  /** When the last request got a 503. */
  lastFailure: number
}

const exchangeTimeout = 60
export const outageLength = 3600

/** Plays one scenario. Grants only meet at the provider, and in the pauses that its failures begin. */
export function run(scenario: Scenario): Promise<Course> {
  const { seed } = scenario.people.habits
  return inSimulatedTime(seed, (clock) => play(scenario, new Fleet(scenario.processes, seed, clock), clock))
}

async function play(scenario: Scenario, fleet: Fleet, clock: { seconds: number }): Promise<Course> {
  const { people, policy, provider, days, idle } = scenario
  const { grants } = people.habits
  const seconds = (days + 1) * day
  const course: Course = {
    attempts: new Uint32Array(seconds),
    refreshes: new Uint32Array(seconds),
    logins: new Uint32Array(seconds),
    locks: new Int32Array(seconds + 1),
    failedMinutes: new Uint32Array(days + 1),
    waits: new Uint32Array(days + 1),
    lastFailure: 0,
  }
  const received = new Float64Array(grants).fill(-1) // -1: logged out
  const version = new Uint16Array(grants)
  const busyUntil = new Float64Array(grants)
  const lastFailure = new Int32Array(grants).fill(-1)
  const endsOvernight = idle < day
  // Each grant waits for one event; those of a second are a linked list.
  const first = new Int32Array(seconds).fill(-1)
  const following = new Int32Array(grants)
  const at = new Float64Array(grants)
  let callsNow = 0

  function schedule(who: number, time: number): void {
    if (time >= seconds) return
    const second = Math.floor(time)
    at[who] = time
    following[who] = first[second] as number
    first[second] = who
  }

  function isDown(time: number): boolean {
    return provider.outage !== undefined && time >= provider.outage && time < provider.outage + outageLength
  }

  function fail(who: number, time: number): void {
    const minute = Math.floor(time / 60)
    if (lastFailure[who] !== minute) increase(course.failedMinutes, time / day)
    lastFailure[who] = minute
    course.lastFailure = Math.max(course.lastFailure, time)
  }

  function logIn(who: number, time: number): void {
    increase(course.logins, time)
    if (isDown(time)) {
      fail(who, time)
      return schedule(who, people.nextUse(who, time + 1))
    }
    version[who] = 1
    received[who] = time
    plan(who, time)
  }

  /** Schedules the next request that may do anything other than respond with a valid token. */
  function plan(who: number, time: number): void {
    const since = received[who] as number
    const moment = Math.min(since + policy.renewal(who, version[who] as number), since + policy.end)
    let next = people.nextUse(who, Math.max(moment, time + 1))
    const tomorrow = Math.floor(time / day) + 1
    if (endsOvernight && people.nightBefore(who, tomorrow) > idle) {
      next = Math.min(next, people.arrival(who, tomorrow))
    }
    schedule(who, next)
  }

  /** One token call; says whether it brought tokens. */
  function call(who: number, time: number, process: number): boolean {
    increase(course.attempts, time)
    const error = errorOf(time)
    const duration = error === failures.silent ? exchangeTimeout : provider.latency
    busyUntil[who] = time + duration
    hold(course.locks, time, duration)
    if (error === undefined) {
      fleet.succeeded(process, who)
      increase(course.refreshes, time)
      version[who] = (version[who] as number) + 1
      received[who] = time + duration
      return true
    }
    fleet.willFail(process, who, error, time + duration)
    return false
  }

  function errorOf(time: number) {
    if (isDown(time)) return provider.isSilent ? failures.silent : failures.unavailable
    return ++callsNow > (provider.limit ?? Infinity) ? failures.tooMany : undefined
  }

  /** A promise only where other processes may know better than this one. */
  function use(who: number, time: number): void | Promise<void> {
    if (endsOvernight && people.isFirstOfDay(who, time)) {
      if (people.nightBefore(who, Math.floor(time / day)) > idle) received[who] = -1
    }
    if (received[who] === -1) return logIn(who, time)
    const since = received[who] as number
    const hasEnded = time >= since + policy.end
    const isDue = hasEnded || time >= since + policy.renewal(who, version[who] as number)
    if (!isDue) return plan(who, time)
    const process = fleet.pick(who, time)
    if (time < (busyUntil[who] as number)) return finish(who, time, process, hasEnded, true)
    const isPaused = fleet.isPaused(process, who, time)
    if (typeof isPaused === 'boolean') return finish(who, time, process, hasEnded, isPaused)
    return isPaused.then((answer) => finish(who, time, process, hasEnded, answer))
  }

  function finish(who: number, time: number, process: number, hasEnded: boolean, isPaused: boolean): void {
    const isFresh = !isPaused && call(who, time, process)
    if (hasEnded && isFresh) increase(course.waits, time / day)
    if (hasEnded && !isFresh) fail(who, time)
    plan(who, time)
  }

  for (let who = 0; who < grants; who++) schedule(who, people.login(who))
  // The second's events in order: who in the lower digits, the fraction of the second above.
  const now = new Float64Array(grants)
  for (let second = 0; second < seconds; second++) {
    if (first[second] === -1) continue
    callsNow = 0
    let many = 0
    for (let who = first[second] as number; who !== -1; who = following[who] as number) {
      now[many++] = Math.floor(((at[who] as number) - second) * 2 ** 20) * grants + who
    }
    const inOrder = now.subarray(0, many).sort()
    for (let place = 0; place < many; place++) {
      const who = (inOrder[place] as number) % grants
      const time = at[who] as number
      if (fleet.hasAnswer(time)) await fleet.settle(time)
      clock.seconds = time
      const used = use(who, time)
      if (used !== undefined) await used
    }
  }
  fleet.close()
  let held = 0
  course.locks = course.locks.map((change) => (held += change))
  return course
}

function increase(counts: Uint32Array, place: number): void {
  const index = Math.floor(place)
  counts[index] = (counts[index] as number) + 1
}

/** Locks that are held for less than a second are counted by the rate of the calls. */
function hold(changes: Int32Array, time: number, duration: number): void {
  if (duration < 1) return
  const until = Math.min(Math.floor(time + duration), changes.length - 1)
  changes[Math.floor(time)] = (changes[Math.floor(time)] as number) + 1
  changes[until] = (changes[until] as number) - 1
}
