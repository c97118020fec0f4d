// A longer run takes its time.
jest.setTimeout(600_000)

/** How often a property is tried: as usual, or FUZZ_RUNS times as often in a longer run. */
export function runs(usual: number): { numRuns: number } {
  return { numRuns: usual * Number(process.env['FUZZ_RUNS'] ?? 1) }
}
