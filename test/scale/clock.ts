import { random } from './random'

/** When the simulated wall clock begins, in milliseconds since the epoch. */
const epoch = Date.UTC(2030, 0, 1)

/** Lets the library's own code live in simulated time: while `work` runs, both clocks follow `clock`, and dice fall the same way each time. */
export async function inSimulatedTime<T>(
  seed: number,
  work: (clock: { seconds: number }) => Promise<T> | T,
): Promise<T> {
  const now = performance.now.bind(performance)
  const [wallClock, dice, stack] = [Date.now, Math.random, Error.stackTraceLimit]
  const clock = { seconds: 0 }
  let throws = 0
  performance.now = () => clock.seconds * 1000
  Date.now = () => epoch + Math.floor(clock.seconds * 1000)
  // Millions of errors are created here, and no one reads their stacks.
  Error.stackTraceLimit = 0
  Math.random = () => random(seed, throws++, 0)
  try {
    return await work(clock)
  } finally {
    performance.now = now
    Date.now = wallClock
    Math.random = dice
    Error.stackTraceLimit = stack
  }
}
