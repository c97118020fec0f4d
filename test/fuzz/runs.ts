// A longer run takes its time.
jest.setTimeout(600_000)

/** How often a property is tried: a third of this in the suite, FUZZ_RUNS times this in a longer run. */
export function runs(usual: number): { numRuns: number } {
  return { numRuns: Math.ceil(usual * Number(process.env['FUZZ_RUNS'] ?? 1 / 3)) }
}
