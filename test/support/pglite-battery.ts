import { PGlite } from '@electric-sql/pglite'
import { PostgresTokenStore } from '../../src'
import { testTokenStore } from '../../src/testing'
import { patient } from './patiently'

/** A program, as PGlite does not run in Jest: prints how many tests of the battery have passed over it, and what failed. */
async function run(): Promise<void> {
  const database = await PGlite.create()
  const stores: PostgresTokenStore[] = []
  const open = (table: string) => {
    const store = new PostgresTokenStore(database, { table })
    stores.push(store)
    return store
  }
  const tests: [string, () => Promise<void>][] = []
  let tables = 0
  testTokenStore(() => open(`t${++tables}`), {
    another: () => open(`t${tables}`),
    test: (...test) => tests.push(test),
  })
  const failed: string[] = []
  for (const [name, test] of tests)
    await patient(test, name)().catch((error: Error) => failed.push(`${name}: ${error.message}`))
  for (const store of stores) await store.close()
  // A store closes no database that it was given.
  await database.query('SELECT 1')
  await database.close()
  process.stdout.write(JSON.stringify({ tests: tests.length, failed }))
}

void run()
