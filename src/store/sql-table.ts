import { ConfigurationError } from '../errors/errors'

/** Milliseconds between two sweeps. */
const interval = 60_000
/** Rows that one statement deletes at most, so that nothing waits long for it. */
export const sweepBatch = 200

/** A table of token stores: quoted names, and the columns that all SQL drivers have. */
export interface SQLTable {
  readonly name: string
  readonly index: string
}

/**
 * @param pattern what a name may be
 * @throws {ConfigurationError} names are part of statements, so only plain ones are taken
 */
export function requireTable(table: unknown, pattern: RegExp, example: string): SQLTable {
  if (typeof table !== 'string' || !pattern.test(table)) {
    throw new ConfigurationError(
      'table',
      `must be ${example}, of up to 48 letters, digits and "_" each, none of them a digit at its beginning`,
    )
  }
  const parts = table.split('.')
  return {
    name: parts.map((part) => `"${part}"`).join('.'),
    index: `"${parts.at(-1)}_expires_at"`,
  }
}

/** @throws {ConfigurationError} the table is there, and lacks a column. None at all means that it is not there. */
export function requireColumns({ name }: SQLTable, columns: readonly unknown[]): void {
  const missing = ['key', 'value', 'expires_at'].filter((column) => !columns.includes(column))
  if (columns.length === 0 || missing.length === 0) return
  throw new ConfigurationError(
    'table',
    `${name} is there, and is not of a token store: it has no ${missing.join(' and no ')}`,
    'Choose another "prefix", or "table" of the store.',
  )
}

/**
 * Deletes expired rows once a minute, a batch at a time. A failure is left to the next round: the store's operations report
 * it to its users.
 *
 * @param sweep deletes one batch, and returns how many rows that were
 * @returns stops it
 */
export function sweepRegularly(sweep: () => Promise<number>): () => void {
  let isRunning = false
  const timer = setInterval(() => {
    if (isRunning) return
    isRunning = true
    const sweepAll = async () => {
      while ((await sweep()) >= sweepBatch);
    }
    void sweepAll()
      .catch(() => {})
      .finally(() => (isRunning = false))
  }, interval).unref()
  return () => clearInterval(timer)
}
