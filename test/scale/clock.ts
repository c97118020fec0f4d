import { random } from './random'

/**
 * Lets the library's own code live in simulated time: while `work` runs, the monotonic clock says what `clock` says, and
 * dice fall the same way each time.
 */
export async function inSimulatedTime<T>(
  seed: number,
  work: (clock: { seconds: number }) => Promise<T> | T,
): Promise<T> {
  const now = performance.now.bind(performance)
  const [dice, stack] = [Math.random, Error.stackTraceLimit]
  const clock = { seconds: 0 }
  let throws = 0
  performance.now = () => clock.seconds * 1000
  // Millions of errors are created here, and no one reads their stacks.
  Error.stackTraceLimit = 0
  Math.random = () => random(seed, throws++, 0)
  try {
    return await work(clock)
  } finally {
    performance.now = now
    Math.random = dice
    Error.stackTraceLimit = stack
  }
}
