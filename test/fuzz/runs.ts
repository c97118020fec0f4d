// A longer run takes its time.
jest.setTimeout(600_000)

/**
 * How often a property is tried. As usual, the values are the same in each run: a failure is that of the change it comes with.
 * A longer run tries FUZZ_RUNS times as many, which are new.
 *
 * @param round of properties that are tried several times
 */
export function runs(usual: number, round = 0): { numRuns: number; seed?: number } {
  const times = process.env['FUZZ_RUNS']
  return times === undefined ? { numRuns: usual, seed: 1 + round } : { numRuns: usual * Number(times) }
}
