import { accessSync, closeSync, constants, existsSync, openSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { ConfigurationError } from '../errors/errors'
import { type SQLTable, requireColumns } from './sql-table'

/** `DatabaseSync` of `node:sqlite`, as far as it is used here. */
export interface SQLiteDatabase {
  exec(sql: string): void
  prepare(sql: string): SQLiteStatement
  close(): void
}

/** What the parameters of a statement stand for. The first Node versions with SQLite reject numbered ones (?1). */
export type SQLiteValues = Readonly<Record<string, string | number | null>>

/** `StatementSync` of `node:sqlite`, as far as it is used here. */
export interface SQLiteStatement {
  get(values: SQLiteValues): Record<string, unknown> | undefined
  all(values: SQLiteValues): Record<string, unknown>[]
  run(values: SQLiteValues): { changes: number | bigint }
}

/**
 * Milliseconds that SQLite waits for another process's write while it blocks the event loop: enough for a write that is under
 * way, and hardly a pause for anybody else. What takes longer is tried again by a timer.
 */
const busyTimeout = 25
/** Milliseconds at start-up, when no request waits yet and several processes may be creating the same file. */
const busyTimeoutAtStart = 5_000

/**
 * Opens a file, makes it where it is missing, and runs `schema`, which makes the table.
 *
 * @throws {ConfigurationError} this Node has no SQLite, or file or table cannot be used
 */
export function openSQLite(path: unknown, table: SQLTable, schema: string): SQLiteDatabase {
  const { DatabaseSync } = requireSQLite()
  if (typeof path !== 'string' || /^(:|$)/.test(path)) {
    throw new ConfigurationError(
      'tokenStore',
      'of SQLite needs the path of a file, as in "sqlite:./var/pagerduty.db"',
    )
  }
  const file = resolve(path)
  makeFile(file)
  let database: SQLiteDatabase | undefined
  try {
    const opened = (database = new DatabaseSync(file))
    opened.exec(`PRAGMA busy_timeout = ${busyTimeoutAtStart}`)
    retryWhileLocked(() => {
      const columns = opened.prepare(`PRAGMA table_info(${table.name})`).all({})
      requireColumns(
        table,
        columns.map((column) => column['name']),
      )
      const { journal_mode: mode } = opened.prepare('PRAGMA journal_mode = WAL').get({}) ?? {}
      if (mode !== 'wal') throw new Error('its file system has no shared memory')
      opened.exec(`PRAGMA synchronous = FULL; ${schema}; PRAGMA busy_timeout = ${busyTimeout}`)
    })
    return opened
  } catch (error) {
    database?.close()
    if (error instanceof ConfigurationError) throw error
    throw unusable(
      file,
      (error as Error).message,
      'It must be a database of SQLite, or a new file, on a local disk.',
    )
  }
}

/** Where processes make one file at once, SQLite says of a change of the journal that the file is locked, whatever its timeout. */
function retryWhileLocked(work: () => void): void {
  const giveUpAt = performance.now() + busyTimeoutAtStart
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (!isLocked(error) || performance.now() > giveUpAt) throw error
      // Blocks the process, which serves no requests yet.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
    }
  }
}

/** Whether SQLite rejected a statement because another connection locks the file: SQLITE_BUSY, SQLITE_LOCKED. */
export function isLocked(error: unknown): boolean {
  const { errcode } = error as { errcode?: number }
  return errcode !== undefined && [5, 6].includes(errcode & 0xff)
}

/** @throws {ConfigurationError} */
export function requireSQLite(): { DatabaseSync: new (path: string) => SQLiteDatabase } {
  // Loaded so, bundlers and a Node without it have nothing to complain about.
  const sqlite = process.getBuiltinModule('node:sqlite') as ReturnType<typeof requireSQLite> | undefined
  if (sqlite !== undefined) return sqlite
  throw new ConfigurationError(
    'tokenStore',
    `is a SQLite file, which needs node:sqlite, and Node ${process.versions.node} has none`,
    'Use Node 22.13 or newer, or store state in PostgreSQL or Redis.',
  )
}

/** Only its owner may read it. SQLite gives the files beside it (-wal, -shm) the same mode. */
function makeFile(file: string): void {
  try {
    // Never one that exists: closing it would end the locks that other connections of this process have on it.
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === 'ENOENT') throw withoutFolder(file)
    if (code !== 'EEXIST') throw unusable(file, `it cannot be made (${code})`, rights)
  }
  requireWritable(file)
}

/** @throws {ConfigurationError} the file, if it is there, or its folder is not writable */
export function requireWritable(file: string): void {
  if (!existsSync(dirname(file))) throw withoutFolder(file)
  try {
    if (existsSync(file)) accessSync(file, constants.R_OK | constants.W_OK)
    accessSync(dirname(file), constants.W_OK | constants.X_OK)
  } catch (error) {
    throw unusable(
      file,
      `this user may not write it and its folder (${(error as { code?: string }).code})`,
      rights,
    )
  }
}

const rights =
  'The user that runs the app must be able to write the file and the folder: SQLite makes two more files in it.'

function withoutFolder(file: string): ConfigurationError {
  return unusable(file, 'its folder does not exist', `Make it: mkdir -p ${dirname(file)}`)
}

function unusable(file: string, reason: string, hint: string): ConfigurationError {
  return new ConfigurationError('tokenStore', `cannot use ${file}: ${reason}`, hint)
}
