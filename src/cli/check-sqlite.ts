import { existsSync, statSync, statfsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { openSQLite, requireSQLite, requireWritable } from '../store/sqlite-database'
import { requireTable } from '../store/sql-table'
import { sqlitePathOf } from '../store/store-url'
import { type Finding, error, ok, warning } from './finding'

/** Bytes below which a disk counts as nearly full. */
const nearlyFull = 100 * 1024 * 1024
/** What statfs calls NFS, CIFS and SMB. */
const networkTypes = [0x6969, 0xff534d42, 0xfe534d42]

const table = requireTable('pagerduty_tokens', /./, '')

/** SQLite: this Node has it, and file and folder can be used. A file that is missing is not made. */
export function checkSQLite(url: string): Finding[] {
  const file = resolve(sqlitePathOf(url))
  const isThere = existsSync(file)
  try {
    requireSQLite()
    if (isThere) {
      const database = openSQLite(file, table, 'BEGIN IMMEDIATE; ROLLBACK')
      database.close()
    } else {
      requireWritable(file)
    }
  } catch (failure) {
    const { message, hint } = failure as { message: string; hint?: string }
    return [
      error(
        'sqlite',
        message.replace('"tokenStore" ', 'PAGERDUTY_TOKEN_STORE '),
        hint ?? 'Correct the path.',
      ),
    ]
  }
  return [
    ok('sqlite', isThere ? `${file} can be written` : `${file} can be made`),
    ...(isThere ? rights(file) : []),
    ...disk(dirname(file)),
  ]
}

function rights(file: string): Finding[] {
  const mode = statSync(file).mode & 0o777
  // Windows has no such modes.
  if (process.platform === 'win32' || (mode & 0o077) === 0)
    return [ok('sqlite-rights', 'Only its owner can read it')]
  return [
    warning(
      'sqlite-rights',
      `Other users of this machine can read ${file} (mode ${mode.toString(8)}); its keys name users, its values are encrypted`,
      `Remove their rights: chmod 600 ${file}*`,
    ),
  ]
}

function disk(folder: string): Finding[] {
  const { type, bavail, bsize } = statfsSync(folder)
  const free = bavail * bsize
  if (networkTypes.includes(type)) {
    return [
      warning(
        'sqlite-disk',
        `${folder} is on a network file system, where SQLite’s locks do not hold`,
        'Put the file on a local disk, or store state in PostgreSQL or Redis.',
      ),
    ]
  }
  if (free >= nearlyFull) return [ok('sqlite-disk', `${Math.round(free / 1024 / 1024)} MB free`)]
  const message = `Only ${Math.round(free / 1024 / 1024)} MB are free in ${folder}; on a full disk no one can log in`
  return [warning('sqlite-disk', message, 'Make room there, or put the file elsewhere.')]
}
