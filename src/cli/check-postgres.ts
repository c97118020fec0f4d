import { PostgresConnection, type PostgresRow } from '../store/postgres-connection'
import { schemaOf } from '../store/postgres-table'
import { requireTable } from '../store/sql-table'
import { type Finding, error, note, ok, warning } from './finding'

/** Oldest PostgreSQL that has what the package sends: AS MATERIALIZED. */
const oldest = 12
/** Milliseconds for the connection and its responses. */
const patience = 2_000
/** Milliseconds; nearly every request waits for one. */
const slow = 50
/** Milliseconds by which two clocks may differ. */
const skew = 30_000

const table = requireTable('pagerduty_tokens', /./, '')

const query = `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
  pg_is_in_recovery() AS is_replica, current_setting('server_encoding') AS encoding, current_schema() AS schema,
  extract(epoch FROM clock_timestamp())::double precision * 1000 AS now,
  has_schema_privilege(current_schema(), 'CREATE') AS may_make,
  CASE WHEN to_regclass($1) IS NOT NULL THEN has_table_privilege($1, 'SELECT') AND has_table_privilege($1, 'INSERT')
    AND has_table_privilege($1, 'UPDATE') AND has_table_privilege($1, 'DELETE') END AS may_use,
  (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped) AS columns`

/** PostgreSQL: there, let in, new enough, and the table is there or can be made. */
export async function checkPostgres(url: string): Promise<Finding[]> {
  const place = placeOf(url)
  let connection: PostgresConnection | undefined
  try {
    connection = new PostgresConnection(url)
    const giveUpAt = performance.now() + patience
    const [row = {}] = await connection.query(query, [table.name], giveUpAt)
    const away = Number(row['now']) - Date.now()
    const roundTrip = await roundTripOf(connection, giveUpAt)
    return [...server(row, place), ...tableOf(row), ...clockOf(away), ...distance(roundTrip)]
  } catch (failure) {
    return [unusable(failure as Error & { code?: string; hint?: string }, place)]
  } finally {
    await connection?.close()
  }
}

function unusable(
  { message, code = '', hint }: Error & { code?: string; hint?: string },
  place: string,
): Finding {
  const remedy = remedies.find(([pattern]) => pattern.test(`${code} ${message}`))?.[1] ?? hint
  const said = message.replace('"tokenStore" ', 'PAGERDUTY_TOKEN_STORE ')
  return error(
    'postgres',
    `PostgreSQL at ${place} cannot be used: ${said}`,
    remedy ?? 'Check PAGERDUTY_TOKEN_STORE.',
  )
}

const remedies: readonly (readonly [RegExp, string])[] = [
  [/npm install|needs the package pg/, 'Install it: npm install pg'],
  [
    /^28|password/,
    'Correct user and password in PAGERDUTY_TOKEN_STORE; special characters have to be percent-encoded.',
  ],
  [/^3D/, 'Make the database (CREATE DATABASE), or correct its name at the end of PAGERDUTY_TOKEN_STORE.'],
  [
    /ECONNREFUSED/,
    'Nothing listens there: start PostgreSQL, or correct host and port in PAGERDUTY_TOKEN_STORE.',
  ],
  [/ENOTFOUND|EAI_AGAIN/, 'The host name is not known here: correct it in PAGERDUTY_TOKEN_STORE.'],
  [
    /certificate|self.signed/i,
    'Let NODE_EXTRA_CA_CERTS name the authority that signed PostgreSQL’s certificate.',
  ],
  [
    /SSL|no encryption/i,
    'Write ?sslmode=verify-full behind the database where the server demands TLS, or sslmode=disable.',
  ],
  [
    /timeout|within a second/,
    'Check host and port, and what is between: a firewall that drops packets looks like this.',
  ],
]

function server({ version, number, is_replica: isReplica, encoding }: PostgresRow, place: string): Finding[] {
  const found = [ok('postgres', `PostgreSQL at ${place} responds`)]
  if (isReplica) {
    const message = `${place} is a replica, where nothing can be written and reads are stale`
    found.push(error('postgres-kind', message, 'Let PAGERDUTY_TOKEN_STORE name the primary server.'))
  }
  if (encoding !== 'UTF8') {
    const message = `The database has the encoding ${encoding as string}, which lacks characters that names have`
    found.push(error('postgres-kind', message, 'Make one with: CREATE DATABASE … ENCODING UTF8.'))
  }
  const isOld = Number(number) < oldest * 10_000
  const name = `PostgreSQL ${version as string}`
  return [
    ...found,
    isOld
      ? error('postgres-version', `${name} is too old`, `Use PostgreSQL ${oldest} or newer.`)
      : ok('postgres-version', name),
  ]
}

function tableOf({ schema, columns, may_use: mayUse, may_make: mayMake }: PostgresRow): Finding[] {
  const check = 'postgres-table'
  const sql = schemaOf(table).replace('\n', ' ')
  if (columns === null) {
    if (mayMake) return [note(check, `The table ${table.name} is not there yet, and is made at first use`)]
    const message = `The table ${table.name} is missing, and the role may not make it in schema ${schema as string}`
    return [error(check, message, `Let a role that may do so run: ${sql}`)]
  }
  if (columns !== 'key text, value text, expires_at timestamp with time zone') {
    const message = `The table ${table.name} has other columns: ${columns as string}`
    return [error(check, message, `Rename it, and let it be made again: ${sql}`)]
  }
  if (mayUse) return [ok(check, `The table ${table.name} is there`)]
  const message = `The role may not read and write the table ${table.name}`
  return [
    error(check, message, `GRANT SELECT, INSERT, UPDATE, DELETE ON ${table.name} TO the role of the app.`),
  ]
}

/** Milliseconds, the least of several: a busy machine is not a long way. */
async function roundTripOf(connection: PostgresConnection, giveUpAt: number): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < 5; i++) {
    const sentAt = performance.now()
    await connection.query('SELECT 1', [], giveUpAt)
    times.push(performance.now() - sentAt)
  }
  return Math.min(...times)
}

function clockOf(difference: number): Finding[] {
  const away = Math.abs(difference)
  if (away < skew) return [ok('postgres-clock', 'Its clock is that of this machine')]
  const message = `PostgreSQL’s clock is ${Math.round(away / 1000)} s away from that of this machine; lifetimes of logins count by both`
  return [warning('postgres-clock', message, 'Let NTP set both clocks.')]
}

function distance(roundTrip: number): Finding[] {
  const message = `${roundTrip.toFixed(1)} ms to PostgreSQL and back`
  if (roundTrip < slow) return [ok('postgres-latency', message)]
  return [
    warning(
      'postgres-latency',
      `${message}, and nearly every request waits for one`,
      'Let app and PostgreSQL run in the same region.',
    ),
  ]
}

/** Without user and password. */
function placeOf(url: string): string {
  if (!URL.canParse(url)) return 'PAGERDUTY_TOKEN_STORE'
  const { hostname, port } = new URL(url)
  return `${hostname || 'localhost'}:${port || 5432}`
}
