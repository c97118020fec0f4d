import { BatchedReads } from '../async/batched-reads'
import { pause, withinDeadline } from '../async/timeout'
import { messageOf } from '../errors/error-cause'
import { TokenStoreError } from '../errors/errors'
import { type PostgresClient, PostgresConnection, type PostgresRow, late } from './postgres-connection'
import { prepareTable, schemaOf, statementsOf } from './postgres-table'
import { type SQLTable, requireTable, sweepRegularly } from './sql-table'
import { storeFailure } from './store-failure'
import type { TokenStore } from './token-store'

/** Settings of a {@link PostgresTokenStore}. */
export interface PostgresTokenStoreOptions {
  /**
   * The table, also as `schema.table`; made at first use where it is missing and the role may. Apps that share a database need
   * one each. @default 'pagerduty_tokens'
   */
  table?: string | undefined
}

/** Messages of the server that name tables, roles and files, never what is in a row; by code. */
const harmless = /^(08|25|28|3D|3F|42|53|57|58)/
/** Messages of `pg` itself, which have no code and repeat nothing. */
const ofDriver =
  /^(Cannot use a pool|Client (has|was) |Connection term|SASL: |The server does|There was an error est|timeout exc)[\w\s:,-]+$/

/** Where the server denies a user. */
function withoutUser(message: string): string {
  return message.replace(/(user|role) "[^"]*"/g, 'the $1')
}

type Statement = keyof ReturnType<typeof statementsOf>

/** Queries at a time that read, of the ten clients that a pool has by default. */
const readsAtOnce = 4
/** Milliseconds that an operation has. */
const timeout = 1_000
/** Milliseconds after its start at which a write must have begun in the database. */
const startTimeout = 600

/**
 * Stores everything in one table of PostgreSQL (12 or newer), for any number of processes. Works through PgBouncer in transaction
 * mode. Lifetimes count by the database's clock.
 *
 * A query may be late for many reasons: it waits for a client of the pool, in PgBouncer, in a network that is down for a
 * while, or in a server that stands still. Dropping the connection does not stop it. So each write carries the time until which it may
 * begin, by the database's clock, and limits its wait for locks: one that arrives later changes nothing.
 */
export class PostgresTokenStore implements TokenStore {
  readonly #connection: PostgresConnection
  readonly #table: SQLTable
  readonly #statements: Readonly<Record<Statement, string>>
  readonly #reads = new BatchedReads((keys) => this.#readMany(keys), readsAtOnce)
  readonly #stopSweeping: () => void
  #prepared: Promise<void> | undefined
  /** What the database's clock is ahead of `performance.now()`, at least. */
  #offset = 0

  /**
   * @param client a pool of `pg`, or whatever has its `query`, such as Neon's pool or PGlite; or a URL, for which `pg` must be
   * installed
   * @throws {ConfigurationError}
   */
  constructor(client: PostgresClient | string, options: PostgresTokenStoreOptions = {}) {
    this.#table = requireTable(
      options.table ?? 'pagerduty_tokens',
      /^([a-z_]\w{0,47}\.)?[a-z_]\w{0,47}$/i,
      'a table name, or schema.table',
    )
    this.#connection = new PostgresConnection(client)
    this.#statements = statementsOf(this.#table)
    this.#stopSweeping = sweepRegularly(async () => {
      const [row] = await this.#query('sweep', [], performance.now() + timeout)
      return Number(row?.['changed'])
    })
  }

  /** The value, until it expires. All of these methods reject with `TokenStoreError` when PostgreSQL fails, or a second is over. */
  async get(key: string): Promise<string | undefined> {
    return (await this.getMany([key]))[0]
  }

  /** The values of several keys, in their order, by one query. Reads that come at the same time share one. */
  async getMany(keys: readonly string[]): Promise<(string | undefined)[]> {
    try {
      const values = await withinDeadline(this.#reads.read(keys), timeout, late)
      return keys.map((key) => values.get(key))
    } catch (error) {
      throw this.#failure('getMany', error)
    }
  }

  /** `INSERT`, or `UPDATE` of a row that has expired. */
  create(key: string, value: string, ttl: number): Promise<boolean> {
    return this.#write('create', [key, value, ttl])
  }

  /** `UPDATE`, where key and value are as expected. */
  replace(key: string, expected: string, value: string, ttl?: number): Promise<boolean> {
    return this.#write('replace', [key, expected, value, ttl ?? null])
  }

  /** `DELETE`. False where there was nothing, or it had expired. */
  delete(key: string, expected?: string): Promise<boolean> {
    return this.#write('delete', [key, expected ?? null])
  }

  /** Stops sweeping, and closes a pool that was made for a URL. */
  async close(): Promise<void> {
    this.#stopSweeping()
    await this.#connection.close()
  }

  async #readMany(keys: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const giveUpAt = performance.now() + timeout
    await this.#prepare(giveUpAt)
    const rows = await this.#query('getMany', [keys], giveUpAt)
    return new Map(rows.map((row) => [row['key'] as string, row['value'] as string]))
  }

  async #write(name: 'create' | 'replace' | 'delete', values: readonly unknown[]): Promise<boolean> {
    const startedAt = performance.now()
    for (;;) {
      try {
        const inTime = await this.#writeOnce(name, values, startedAt)
        if (inTime !== undefined) return inTime
      } catch (error) {
        // A serialization failure or a deadlock: rolled back, so it can be repeated.
        if (!['40001', '40P01'].includes((error as { code: string }).code)) throw this.#failure(name, error)
      }
      if (performance.now() > startedAt + startTimeout) {
        throw new TokenStoreError(`${name}() of the PostgreSQL store did not complete in time`)
      }
      await pause(Math.random() * 20)
    }
  }

  /** Undefined where it came too late, and did nothing. */
  async #writeOnce(
    name: 'create' | 'replace' | 'delete',
    values: readonly unknown[],
    startedAt: number,
  ): Promise<boolean | undefined> {
    const giveUpAt = startedAt + timeout
    await this.#prepare(giveUpAt)
    const sentAt = performance.now()
    const latestStart = startedAt + startTimeout + this.#offset
    const [row] = await this.#query(name, [latestStart, ...values], giveUpAt)
    this.#compareClocks(row?.['now'] as number, sentAt)
    return row?.['in_time'] === 1 ? row['changed'] === 1 : undefined
  }

  async #query(
    name: Statement,
    values: readonly unknown[],
    giveUpAt: number,
  ): Promise<readonly PostgresRow[]> {
    return this.#connection.query(this.#statements[name], values, giveUpAt)
  }

  /** Once for all operations, and again after a failure. */
  async #prepare(giveUpAt: number): Promise<void> {
    this.#prepared ??= this.#prepareNow().catch((error: unknown) => {
      this.#prepared = undefined
      throw error
    })
    await withinDeadline(this.#prepared, giveUpAt - performance.now(), late)
  }

  async #prepareNow(): Promise<void> {
    const sentAt = performance.now()
    const now = await prepareTable(this.#connection, this.#table, sentAt + timeout)
    this.#compareClocks(now, sentAt)
  }

  /**
   * The offset is somewhere between `now` less the time of the response, and `now` less that of the query. One that is still
   * possible is kept; one that is not, as after a failover to a server with another clock, is replaced.
   */
  #compareClocks(now: number, sentAt: number): void {
    const least = now - performance.now()
    if (this.#offset < least || this.#offset > now - sentAt) this.#offset = least
  }

  #failure(name: string, error: unknown): TokenStoreError {
    const { code, message, severity } = Object(error) as { code?: string; message: string; severity?: string }
    const isKnown = (severity === undefined ? /^E[A-Z]+$/ : harmless).test(code ?? '')
    const reason = isKnown
      ? `${withoutUser(messageOf(error as Error))} (${code})`
      : ofDriver.test(message)
        ? message
        : undefined
    const failure = storeFailure(`${name}() of the PostgreSQL store`, error, reason)
    if (!/^(3F000|42...)$/.test(code ?? '')) return failure
    this.#prepared = undefined // The table may be missing, and is made then.
    const schema = code === '3F000' ? `CREATE SCHEMA ${this.#table.name.split('.')[0]};\n` : ''
    const hint = `The role must be able to read and write the table, which is made by:\n${schema}${schemaOf(this.#table)}`
    return Object.assign(failure, { hint })
  }
}
