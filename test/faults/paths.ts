import { join } from 'node:path'

const cache = join(__dirname, '../../node_modules/.cache/passport-pagerduty-faults')

/** The worker with all it needs in one file, which starts in a third of the time. */
export const bundledWorker = join(cache, 'worker.cjs')

/** Where the tests leave the rows of the table. */
export const rowsFile = join(cache, 'rows.jsonl')
