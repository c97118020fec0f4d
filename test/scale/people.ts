import { bell, random } from './random'

/** Who uses the app, and when. All times of the simulation are seconds since the midnight before the logins. */
export interface Habits {
  seed: number
  grants: number
  /** Share of the grants that are used round the clock: wall boards, open pages that poll, background jobs. */
  roundTheClock: number
  /** Seconds between two guarded requests of a user who is at work. */
  period: number
  /** `morning`: users log in when they come to work; `at once`: all within a minute, as after a change of the secret. */
  logins: 'morning' | 'at once'
}

export const day = 86_400
export const shift = 8 * 3600
const nine = 9 * 3600

/**
 * Users in one time zone. They come to work around nine o'clock (standard deviation one hour, and ten minutes from one day to
 * the next), stay for eight hours, and use the app all that time; then their grant is not used until they are back.
 */
export class People {
  readonly habits: Habits
  readonly #arrival: Float64Array
  readonly #always: number
  // The last result of arrival(), for speed.
  readonly #askedDay: Int16Array
  readonly #asked: Float64Array

  constructor(habits: Habits) {
    this.habits = habits
    this.#always = Math.round(habits.grants * habits.roundTheClock)
    this.#askedDay = new Int16Array(habits.grants).fill(-1)
    this.#asked = new Float64Array(habits.grants)
    this.#arrival = Float64Array.from(
      { length: habits.grants },
      (_, who) => nine + 3600 * bell(habits.seed, who, 0),
    )
  }

  isRoundTheClock(who: number): boolean {
    return who < this.#always
  }

  /** When a user comes to work on a day; on the first day that is the login, if logins are in the morning. */
  arrival(who: number, ofDay: number): number {
    if (this.#askedDay[who] !== ofDay) {
      this.#askedDay[who] = ofDay
      this.#asked[who] =
        ofDay * day + (this.#arrival[who] as number) + 600 * bell(this.habits.seed, who, ofDay + 1)
    }
    return this.#asked[who] as number
  }

  login(who: number): number {
    if (this.habits.logins === 'morning') return this.arrival(who, 0)
    return nine + 60 * random(this.habits.seed, who, 1000)
  }

  /** The first guarded request at `time` or later. */
  nextUse(who: number, time: number): number {
    const { period } = this.habits
    if (this.isRoundTheClock(who)) {
      const phase = (this.#arrival[who] as number) % period
      return phase + Math.ceil((time - phase) / period) * period
    }
    // A working day lies between two midnights.
    const today = Math.floor(time / day)
    const start = this.arrival(who, today)
    if (time <= start) return start
    const next = start + Math.ceil((time - start) / period) * period
    return next <= start + shift ? next : this.arrival(who, today + 1)
  }

  /** Seconds since the request before, for the first request of a day. */
  nightBefore(who: number, ofDay: number): number {
    return this.isRoundTheClock(who) ? 0 : this.arrival(who, ofDay) - this.arrival(who, ofDay - 1) - shift
  }

  isFirstOfDay(who: number, time: number): boolean {
    return !this.isRoundTheClock(who) && time === this.arrival(who, Math.floor(time / day))
  }

  /** How many use the app in each minute of a day. */
  activeByMinute(ofDay = 1): Float64Array {
    const change = new Float64Array(1441)
    for (let who = this.#always; who < this.habits.grants; who++) {
      const start = Math.floor((this.arrival(who, ofDay) - ofDay * day) / 60)
      for (const [minute, by] of [
        [start, 1],
        [start + shift / 60, -1],
      ] as const) {
        change[minute] = (change[minute] as number) + by
      }
    }
    let active = this.#always
    return change.slice(0, 1440).map((by) => (active += by))
  }
}
