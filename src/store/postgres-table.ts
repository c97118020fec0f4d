import { TokenStoreError } from '../errors/errors'
import type { PostgresConnection } from './postgres-connection'
import { type SQLTable, requireColumns, sweepBatch } from './sql-table'

/** The database's clock in milliseconds since 1970. That of `now()` stands still while a statement waits for a lock. */
const clock = 'extract(epoch FROM clock_timestamp())::double precision * 1000'

/**
 * Milliseconds that a write may wait for a lock. Together with the time until which it may begin, this bounds when it takes effect.
 */
const lockTimeout = 300

/** The statements over a table. The driver's count of rows differs between clients, so each write returns what it did as a row. */
export function statementsOf({ name }: SQLTable) {
  const isAlive = 'expires_at > clock_timestamp()'
  const fromNow = (ttl: string) => `clock_timestamp() + ${ttl}::double precision * interval '1 millisecond'`
  // set_config() as SET LOCAL does it: until the end of the statement, so it works through PgBouncer, too.
  const write = (change: string) => `WITH in_time AS MATERIALIZED (
      SELECT set_config('lock_timeout', '${lockTimeout}', true) WHERE ${clock} < $1::double precision
    ), changed AS (${change} RETURNING 1)
    SELECT (SELECT count(*) FROM in_time)::int AS in_time, (SELECT count(*) FROM changed)::int AS changed, ${clock} AS now`
  return {
    // A row at least, which says whether the others can be trusted.
    getMany: `SELECT key, value, pg_is_in_recovery() AS is_standby FROM (SELECT) AS one
      LEFT JOIN ${name} ON key = ANY ($1::text[]) AND ${isAlive}`,
    create: write(`INSERT INTO ${name} AS kept (key, value, expires_at)
      SELECT $2::text, $3::text, ${fromNow('$4')} FROM in_time
      ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at
      WHERE kept.expires_at <= clock_timestamp()`),
    replace: write(`UPDATE ${name} SET value = $4::text, expires_at = coalesce(${fromNow('$5')}, expires_at)
      FROM in_time WHERE key = $2::text AND value = $3::text AND ${isAlive}`),
    delete: write(`DELETE FROM ${name} USING in_time
      WHERE key = $2::text AND ($3::text IS NULL OR value = $3::text) AND ${isAlive}`),
    // Rows that are being written are left to the next sweep, so it waits for no lock.
    sweep: `WITH expired AS MATERIALIZED (
        SELECT key FROM ${name} WHERE expires_at <= now() LIMIT ${sweepBatch} FOR UPDATE SKIP LOCKED
      ), swept AS (DELETE FROM ${name} AS kept USING expired WHERE kept.key = expired.key RETURNING 1)
      SELECT count(*)::int AS changed FROM swept`,
  }
}

/** The statements that make the table and its index. */
export function schemaOf({ name, index }: SQLTable): string {
  return `CREATE TABLE IF NOT EXISTS ${name} (key text COLLATE "C" PRIMARY KEY, value text COLLATE "C" NOT NULL, expires_at timestamptz NOT NULL);
CREATE INDEX IF NOT EXISTS ${index} ON ${name} (expires_at);`
}

/**
 * Makes the table where it is missing.
 *
 * @returns the database's clock
 * @throws {TokenStoreError} it is a replica, or its encoding is not UTF-8
 * @throws {ConfigurationError} the table is another one
 * @throws {Error} of the driver
 */
export async function prepareTable(
  connection: PostgresConnection,
  table: SQLTable,
  giveUpAt: number,
): Promise<number> {
  const [row] = await connection.query(
    `SELECT (SELECT string_agg(attname, ' ') FROM pg_attribute WHERE attrelid = to_regclass($1)) AS columns,
      pg_is_in_recovery() AS is_standby, current_setting('server_encoding') AS encoding, ${clock} AS now`,
    [table.name],
    giveUpAt,
  )
  const { columns, encoding, now } = row ?? {}
  if (encoding !== 'UTF8')
    throw new TokenStoreError(`The database must have the encoding UTF8, not ${String(encoding)}`)
  if (columns) requireColumns(table, (columns as string).split(' '))
  else {
    // One statement, and one process at a time: IF NOT EXISTS alone fails where two come at once.
    const block = `BEGIN PERFORM set_config('lock_timeout', '${lockTimeout}', true); PERFORM pg_advisory_xact_lock(6749211);
      ${schemaOf(table)} END`
    await connection.query(`DO $passport_pagerduty$ ${block} $passport_pagerduty$`, [], giveUpAt)
  }
  return now as number
}
