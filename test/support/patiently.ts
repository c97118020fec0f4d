/**
 * A test of the battery. Each operation has a second, which on a machine that other tests keep busy may be over before the server
 * was given its turn: then the test is run again, and says so. No other failure is.
 */
export function patiently(name: string, run: () => Promise<void>): void {
  test(name, async () => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await run()
      } catch (error) {
        if (attempt === 3 || !String(error).includes('did not complete in time')) throw error
        process.stderr.write(`\n!!! "${name}" was late, and is run again: ${String(error)}\n`)
      }
    }
  })
}
