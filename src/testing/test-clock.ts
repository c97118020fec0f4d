/** A clock in a test's hands. */
export interface TestClock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Lets so many milliseconds pass at once, for everything in this process. */
  advance(milliseconds: number): void
  /** Gives the true time back. */
  restore(): void
}

/**
 * Takes over the time of this process: `Date` and `performance.now()`, for the library, the simulator and your app alike.
 * Timers are not changed, so nothing that waits hangs. What Redis keeps lives by its own clock.
 *
 * @example
 * const clock = testClock()
 * clock.advance(9 * 60 * 60_000) // the session is idle for nine hours
 * clock.restore()
 */
export function testClock(): TestClock {
  const { Date: TrueDate, performance } = globalThis
  const monotonic = performance.now.bind(performance)
  let offset = 0
  const now = () => TrueDate.now() + offset
  class MovedDate extends TrueDate {
    constructor(...args: []) {
      // With arguments it is a certain time, as ever.
      super(...((args.length === 0 ? [now()] : args) as []))
    }
    static override now(): number {
      return now()
    }
  }
  globalThis.Date = MovedDate as DateConstructor
  performance.now = () => monotonic() + offset
  return {
    now,
    advance(milliseconds) {
      offset += milliseconds
    },
    restore() {
      globalThis.Date = TrueDate
      performance.now = monotonic
    },
  }
}
