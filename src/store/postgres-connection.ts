import { withinDeadline } from '../async/timeout'
import { ConfigurationError, TokenStoreError } from '../errors/errors'

/** What a pool of `pg` has, and whatever is like it: Neon's pool, PGlite. */
export interface PostgresClient {
  /** Sends one statement with its parameters. */
  query(text: string, values: unknown[]): Promise<{ rows: unknown[] }>
}

/** @internal */
export type PostgresRow = Readonly<Record<string, unknown>>

interface Pool extends PostgresClient {
  connect(): Promise<PooledClient>
  end(): Promise<unknown>
  on(event: 'error', listener: () => void): unknown
}

interface PooledClient extends PostgresClient {
  /** Since pg 8.17: "T" or "E" in a transaction. */
  getTransactionStatus?(): string | null
  release(destroy?: boolean): void
  on(event: 'error', listener: () => void): unknown
  off(event: 'error', listener: () => void): unknown
}

/**
 * Sends queries, each with a deadline of its own. Of a pool, a client whose query failed or is late is closed: its connection may
 * be dead, and a pool would hand it out again, or wait for it until nothing is left.
 *
 * @internal
 */
export class PostgresConnection {
  readonly #client: PostgresClient
  readonly #isOurs: boolean

  /** @throws {ConfigurationError} neither a client nor a URL, or `pg` is not installed */
  constructor(client: unknown) {
    this.#isOurs = typeof client === 'string'
    this.#client = typeof client === 'string' ? openPool(client) : requireClient(client)
  }

  /**
   * @param giveUpAt by `performance.now()`
   * @throws {TokenStoreError} it is late, or a row says `is_standby`
   * @throws {Error} the driver's own
   */
  async query(text: string, values: readonly unknown[], giveUpAt: number): Promise<readonly PostgresRow[]> {
    const work = <T>(promise: Promise<T>) => withinDeadline(promise, giveUpAt - performance.now(), late)
    const all = [...values]
    if (!isPool(this.#client)) return rowsOf(await work(this.#client.query(text, all)))
    const connecting = this.#client.connect()
    const client = await work(connecting).catch((error: unknown) => {
      // Not even sent when it comes after all.
      connecting.then(
        (lateClient) => lateClient.release(),
        () => {},
      )
      throw error
    })
    // Left by the app in a transaction, which may be rolled back, and a write with it.
    if (/[TE]/.test(client.getTransactionStatus?.() ?? '')) {
      client.release(true)
      return this.query(text, values, giveUpAt)
    }
    // A connection that breaks emits an error, which ends the process if there is no listener.
    client.on('error', ignore)
    try {
      const rows = rowsOf(await work(client.query(text, all)))
      client.off('error', ignore)
      client.release()
      return rows
    } catch (error) {
      client.release(!isAboutQuery(error))
      throw error
    }
  }

  /** Closes a pool that was made here. */
  async close(): Promise<void> {
    if (this.#isOurs) await withinDeadline((this.#client as Pool).end(), 1_000, late).catch(ignore)
  }
}

function ignore(): void {}

/** Whether the server rejected the query, and the connection is as good as before. One to a read-only server (25006) is not. */
function isAboutQuery(error: unknown): boolean {
  const { severity, code } = Object(error) as { severity?: unknown; code?: unknown }
  return severity !== undefined && /^(?!08|25|53|57|58|XX)\w{5}$/.test(String(code))
}

/** @internal */
export function late(): TokenStoreError {
  return new TokenStoreError('PostgreSQL did not respond within a second')
}

/** @throws {TokenStoreError} the server has been demoted: what it reads may be old */
function rowsOf({ rows }: { rows: unknown[] }): readonly PostgresRow[] {
  const found = rows as readonly PostgresRow[]
  if (!found[0]?.['is_standby']) return found
  throw new TokenStoreError('The PostgreSQL server is a replica: nothing can be written, and reads are stale')
}

function isPool(client: PostgresClient): client is Pool {
  const { connect, totalCount } = client as { connect?: unknown; totalCount?: unknown }
  return typeof connect === 'function' && typeof totalCount === 'number'
}

function requireClient(client: unknown): PostgresClient {
  if (typeof (client as Partial<PostgresClient> | null)?.query === 'function') return client as PostgresClient
  throw new ConfigurationError(
    'tokenStore',
    'of PostgreSQL needs a URL or a pool with query(text, values), such as that of the package pg',
  )
}

function openPool(url: string): Pool {
  // Several hosts are for libpq; pg would look up one of that name.
  if (!/^postgres(ql)?:\/\/\S*$/i.test(url) || !URL.canParse(url) || new URL(url).hostname.includes(',')) {
    throw new ConfigurationError(
      'tokenStore',
      'must be a URL with one host, such as postgres://user:password@host:5432/database',
    )
  }
  const { Pool } = requirePg()
  const pool = new Pool({
    connectionString: url,
    connectionTimeoutMillis: 1_000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    // What a silent server leaves open does not keep a process that has closed its pool.
    allowExitOnIdle: true,
    fallback_application_name: 'passport-pagerduty',
  })
  // Of idle connections; the pool replaces them.
  pool.on('error', ignore)
  return pool
}

function requirePg(): { Pool: new (options: object) => Pool } {
  try {
    return require('pg') as ReturnType<typeof requirePg>
  } catch (error) {
    if ((error as { code?: string }).code !== 'MODULE_NOT_FOUND') throw error
    throw new ConfigurationError(
      'tokenStore',
      'is a PostgreSQL URL, which needs the package pg, and that is not installed',
      'Install it: npm install pg',
    )
  }
}
