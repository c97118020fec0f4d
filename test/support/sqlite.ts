import { type ChildProcess, type ForkOptions, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SQLiteDatabase } from '../../src/store/sqlite-database'

const sqlite = process.getBuiltinModule('node:sqlite') as
  | { DatabaseSync: new (path: string) => SQLiteDatabase }
  | undefined

/** Whether this is Node 22.13 or newer. */
export const hasSQLite = sqlite !== undefined

/** `describe`, where Node has SQLite. The global set-up has said loudly that it has none. */
export const describeWithSQLite = (
  hasSQLite || !('describe' in globalThis) ? globalThis.describe : describe.skip
) as typeof describe

const folders: string[] = []

/** Where a test can have a database, in a folder of its own. */
export function temporaryFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sqlite-'))
  folders.push(folder)
  return join(folder, 'pagerduty.db')
}

export function removeTemporaryFiles(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
}

/** A connection beside a store, which does what no store does. */
export function rawConnection(file: string): SQLiteDatabase {
  if (sqlite === undefined) throw new Error('This Node has no SQLite')
  return new sqlite.DatabaseSync(file)
}

/** Starts `sqlite-worker.ts` with a file, and waits until it says that it is there. */
export async function startSQLiteWorker(file: string, options: ForkOptions = {}): Promise<ChildProcess> {
  const child = fork(join(__dirname, 'sqlite-worker.ts'), [file], {
    execArgv: ['--require', 'esbuild-register', '--no-warnings'],
    ...options,
  })
  const died = once(child, 'exit').then(() => Promise.reject(new Error('A worker ended before it was there')))
  await Promise.race([once(child, 'message'), died])
  return child
}

/** Has a worker do something, and returns what came of it. */
export async function order<Outcome>(child: ChildProcess, what: object): Promise<Outcome> {
  const answer = once(child, 'message') as Promise<[Outcome]>
  child.send(what)
  return (await answer)[0]
}
