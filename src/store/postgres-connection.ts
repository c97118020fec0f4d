import { withinDeadline } from '../async/timeout'
import { ConfigurationError, TokenStoreError } from '../errors'

/** What a pool of `pg` has, and whatever is like it: Neon's pool, PGlite. */
export interface PostgresClient {
  /** Sends one statement with its parameters. */
  query(text: string, values: unknown[]): Promise<{ rows: unknown[] }>
}

export type PostgresRow = Readonly<Record<string, unknown>>

interface Pool extends PostgresClient {
  connect(): Promise<PooledClient>
  end(): Promise<unknown>
  on(event: 'error', listener: () => void): unknown
}

interface PooledClient extends PostgresClient {
  release(destroy?: boolean): void
  on(event: 'error', listener: () => void): unknown
  off(event: 'error', listener: () => void): unknown
}

/**
 * Sends queries, each with a deadline of its own. Of a pool, a client whose query failed or is late is closed: its connection may
 * be dead, and a pool would hand it out again, or wait for it until nothing is left.
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
   * @throws {TokenStoreError} it is late
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
    // A connection that breaks emits an error, which ends the process if nobody listens.
    client.on('error', ignore)
    try {
      const result = await work(client.query(text, all))
      client.off('error', ignore)
      client.release()
      return rowsOf(result)
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

/** Whether the server rejected the query, and the connection is as good as before. */
function isAboutQuery(error: unknown): boolean {
  const { severity, code } = Object(error) as { severity?: unknown; code?: unknown }
  return severity !== undefined && /^(?!08|53|57|58|XX)\w{5}$/.test(String(code))
}

export function late(): TokenStoreError {
  return new TokenStoreError('PostgreSQL did not answer within a second')
}

function rowsOf({ rows }: { rows: unknown[] }): readonly PostgresRow[] {
  return rows as readonly PostgresRow[]
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
  if (!/^postgres(ql)?:\/\/\S*$/.test(url) || !URL.canParse(url)) {
    throw new ConfigurationError(
      'tokenStore',
      'must be a URL such as postgres://user:password@host:5432/database',
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
