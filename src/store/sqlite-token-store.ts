import { pause } from '../async/timeout'
import { requireTable, sweepBatch, sweepRegularly } from './sql-table'
import {
  type SQLiteDatabase,
  type SQLiteStatement,
  type SQLiteValues,
  isLocked,
  openSQLite,
} from './sqlite-database'
import { storeFailure } from './store-failure'
import type { TokenStore } from './token-store'

/** Settings of a {@link SQLiteTokenStore}. */
export interface SQLiteTokenStoreOptions {
  /** The table, made where it is missing. Apps that share a file need one each. @default 'pagerduty_tokens' */
  table?: string | undefined
}

/** Milliseconds after which an operation is not tried again: with the last try, less than the second that it has. */
const deadline = 900

/**
 * Stores everything in one file, for the processes of one machine: survives restarts, and needs no server. Needs Node 22.13 or
 * newer (`node:sqlite`), and a local disk.
 *
 * A write is on the disk before it resolves (`synchronous = FULL`). Otherwise a power failure would bring back logins that
 * had ended, and refresh tokens that PagerDuty has replaced. Lifetimes count by the machine's wall clock, the only one that
 * outlives a restart: a step of it lengthens or shortens them by as much.
 */
export class SQLiteTokenStore implements TokenStore {
  readonly #database: SQLiteDatabase
  readonly #statements: Record<'get' | 'getMany' | 'create' | 'replace' | 'delete' | 'sweep', SQLiteStatement>
  readonly #stopSweeping: () => void
  #isClosed = false

  /**
   * @param path the file, made where it is missing (mode 0600); its folder must be there
   * @throws {ConfigurationError} this Node has no SQLite, or the file cannot be used
   */
  constructor(path: string, options: SQLiteTokenStoreOptions = {}) {
    const table = requireTable(options.table ?? 'pagerduty_tokens', /^[a-z_]\w{0,47}$/i, 'a table name')
    const { name, index } = table
    this.#database = openSQLite(
      path,
      table,
      `CREATE TABLE IF NOT EXISTS ${name} (key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_at INTEGER NOT NULL) STRICT;
      CREATE INDEX IF NOT EXISTS ${index} ON ${name} (expires_at)`,
    )
    const isExpected = '($expected IS NULL OR value = $expected)'
    this.#statements = {
      get: this.#database.prepare(`SELECT value FROM ${name} WHERE key = $key AND expires_at > $now`),
      getMany: this.#database.prepare(
        `SELECT key, value FROM ${name} WHERE key IN (SELECT value FROM json_each($keys)) AND expires_at > $now`,
      ),
      create: this.#database.prepare(
        `INSERT INTO ${name} (key, value, expires_at) VALUES ($key, $value, $now + $ttl)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at WHERE expires_at <= $now`,
      ),
      replace: this.#database.prepare(
        `UPDATE ${name} SET value = $value, expires_at = coalesce($now + $ttl, expires_at)
        WHERE key = $key AND value = $expected AND expires_at > $now`,
      ),
      delete: this.#database.prepare(
        `DELETE FROM ${name} WHERE key = $key AND ${isExpected} AND expires_at > $now`,
      ),
      sweep: this.#database.prepare(
        `DELETE FROM ${name} WHERE rowid IN (SELECT rowid FROM ${name} WHERE expires_at <= $now LIMIT ${sweepBatch})`,
      ),
    }
    // Other work of the process comes between two batches.
    this.#stopSweeping = sweepRegularly(async () => {
      await pause(0)
      return Number(this.#statements.sweep.run({ now: Date.now() }).changes)
    })
  }

  /** The value, until it expires. All of these methods reject with `TokenStoreError` when SQLite fails, or is locked for a second. */
  async get(key: string): Promise<string | undefined> {
    const row = await this.#attempt('get', (get) => get.get({ key, now: Date.now() }))
    return row?.['value'] as string | undefined
  }

  /** The values of several keys, in their order, by one statement. */
  async getMany(keys: readonly string[]): Promise<(string | undefined)[]> {
    const rows = await this.#attempt('getMany', (getMany) =>
      getMany.all({ keys: JSON.stringify(keys), now: Date.now() }),
    )
    const values = new Map(rows.map((row) => [row['key'], row['value'] as string]))
    return keys.map((key) => values.get(key))
  }

  /** `INSERT`, or `UPDATE` of a row that has expired. */
  create(key: string, value: string, ttl: number): Promise<boolean> {
    return this.#write('create', { key, value, ttl })
  }

  /** `UPDATE`, where key and value are as expected. */
  replace(key: string, expected: string, value: string, ttl?: number): Promise<boolean> {
    return this.#write('replace', { key, expected, value, ttl: ttl ?? null })
  }

  /** `DELETE`. False where there was nothing, or it had expired. */
  delete(key: string, expected?: string): Promise<boolean> {
    return this.#write('delete', { key, expected: expected ?? null })
  }

  /** Stops sweeping, and closes the file. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#stopSweeping()
    this.#database.close()
  }

  /**
   * By the number of rows, and not by RETURNING: a row is there before SQLite has committed, and a commit that fails then
   * would go unnoticed.
   */
  #write(name: 'create' | 'replace' | 'delete', values: SQLiteValues): Promise<boolean> {
    return this.#attempt(
      name,
      (statement) => Number(statement.run({ ...values, now: Date.now() }).changes) === 1,
    )
  }

  /** A statement that found the file locked had no effect, so it is tried again. */
  async #attempt<T>(
    name: 'get' | 'getMany' | 'create' | 'replace' | 'delete',
    work: (statement: SQLiteStatement) => T,
  ): Promise<T> {
    const giveUpAt = performance.now() + deadline
    for (;;) {
      try {
        return work(this.#statements[name])
      } catch (error) {
        const { errstr } = error as { errstr?: string }
        if (!isLocked(error) || performance.now() > giveUpAt) {
          throw storeFailure(`${name}() of the SQLite store`, error, errstr)
        }
      }
      await pause(10 + Math.random() * 20)
    }
  }
}
