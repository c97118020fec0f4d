import { pause } from '../../src/async/timeout'

/** What the store says, and what PostgreSQL says of a lock that was not free in time. */
const isLate = (error: unknown) => /did not complete in time|55P03/.test(String(error))

/**
 * A test of PostgreSQL without faults. Each operation has a second, which on a machine that other tests keep busy may be over before
 * the server was given its turn: then the test is run again a second later, and says so. No other failure is.
 *
 * @param name that of the Jest test which runs, if left out
 */
export function patient(run: () => Promise<void>, name?: string): () => Promise<void> {
  return async () => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await run()
      } catch (error) {
        if (attempt === 10 || !isLate(error)) throw error
        const test = name ?? expect.getState().currentTestName
        process.stderr.write(`\n!!! "${test}" was late, and is run again: ${String(error)}\n`)
        await pause(1_000)
      }
    }
  }
}

/** A test of the battery that is `patient`. */
export function patiently(name: string, run: () => Promise<void>): void {
  test(name, patient(run))
}
