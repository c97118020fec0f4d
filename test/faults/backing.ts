import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { type PostgresServer, describeWithPostgres, startPostgres } from '../support/postgres'
import { type RedisServer, describeWithRedis, startRedis } from '../support/redis'
import { describeWithSQLite, rawConnection } from '../support/sqlite'

/** Whether the tests may mount a disk of their own. */
export const isRoot = process.getuid?.() === 0

/** Where the workers of a world keep their state. */
export interface Backing {
  /** Of the server, which a relay may stand before; undefined where there is none. */
  readonly port: number | undefined
  /** What makes a worker use it, at this port; without a port it is one that can be stopped in the middle of an operation. */
  env(port: number | undefined, isTapped: boolean): Record<string, string>
  /** The keys of one kind: `sess`, `grant`, `lock`. */
  keys(kind: string): Promise<string[]>
  stop(): Promise<void>
}

export class RedisBacking implements Backing {
  readonly server: RedisServer
  /** The test's own connection. */
  readonly client: Redis

  private constructor(server: RedisServer) {
    this.server = server
    this.client = new Redis(server.url)
    this.client.on('error', () => {})
  }

  static async start(): Promise<RedisBacking> {
    return new RedisBacking(await startRedis())
  }

  get port(): number {
    return this.server.port
  }

  env(port: number): Record<string, string> {
    return { REDIS_URL: `redis://127.0.0.1:${port}` }
  }

  keys(kind: string): Promise<string[]> {
    return this.client.keys(`pagerduty:${kind}:*`)
  }

  async stop(): Promise<void> {
    this.client.disconnect()
    await this.server.stop()
  }
}

export class PostgresBacking implements Backing {
  /** The one that is in use; a failover changes it. */
  server: PostgresServer
  #smallDisk: string | undefined

  private constructor(server: PostgresServer) {
    this.server = server
  }

  static async start(): Promise<PostgresBacking> {
    return new PostgresBacking(await startPostgres())
  }

  get port(): number {
    return this.server.port
  }

  env(port: number): Record<string, string> {
    return { PAGERDUTY_TOKEN_STORE: `postgres://postgres@127.0.0.1:${port}/postgres` }
  }

  async keys(kind: string): Promise<string[]> {
    const { rows } = await this.server.admin.query<{ key: string }>(
      "SELECT key FROM pagerduty_tokens WHERE key LIKE $1 || ':%' AND expires_at > clock_timestamp()",
      [kind],
    )
    return rows.map(({ key }) => key)
  }

  /** A folder of its own, of 4 MB, where there is root to make it. */
  smallDisk(): string {
    if (this.#smallDisk !== undefined) return this.#smallDisk
    const folder = mountedFolder(4)
    chownSync(folder, 65_534, 65_534)
    return (this.#smallDisk = folder)
  }

  async stop(): Promise<void> {
    await this.server.stop()
    if (this.#smallDisk !== undefined) unmount(this.#smallDisk)
  }
}

export class SQLiteBacking implements Backing {
  readonly port = undefined
  /** A small disk, where there is root to make one. */
  readonly folder = isRoot ? mountedFolder(8) : mkdtempSync(join(tmpdir(), 'faults-'))
  readonly file = join(this.folder, 'pagerduty.db')

  env(_port: undefined, isTapped: boolean): Record<string, string> {
    const url = `sqlite:${this.file}`
    return isTapped ? { FAULTS_STOPPABLE_SQLITE: this.file } : { PAGERDUTY_TOKEN_STORE: url }
  }

  async keys(kind: string): Promise<string[]> {
    const database = rawConnection(this.file)
    try {
      const rows = database
        .prepare("SELECT key FROM pagerduty_tokens WHERE key LIKE $kind || ':%' AND expires_at > $now")
        .all({ kind, now: Date.now() })
      return rows.map((row) => row['key'] as string)
    } finally {
      database.close()
    }
  }

  async stop(): Promise<void> {
    if (isRoot) unmount(this.folder)
    else rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A folder in memory, so small that it can be filled. */
function mountedFolder(megabytes: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'faults-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder])
  return folder
}

function unmount(folder: string): void {
  execFileSync('umount', ['--lazy', folder])
  rmSync(folder, { recursive: true, force: true })
}

const starts = {
  Redis: () => RedisBacking.start(),
  PostgreSQL: () => PostgresBacking.start(),
  SQLite: async () => new SQLiteBacking(),
}

export type StoreName = keyof typeof starts

export function startBacking(store: StoreName): Promise<Backing> {
  return starts[store]()
}

const describes = { Redis: describeWithRedis, PostgreSQL: describeWithPostgres, SQLite: describeWithSQLite }

/** `FAULTS_STORES=PostgreSQL,SQLite`: the stores that are wanted. */
const wanted = (process.env['FAULTS_STORES'] ?? 'Redis').split(',')
const unknown = wanted.filter((store) => !(store in starts))
if (unknown.length > 0) throw new Error(`FAULTS_STORES names ${unknown.join()}, which is no store here`)

/** The same tests on each store that is wanted. */
export function describeOnEachStore(title: string, declare: (store: StoreName) => void): void {
  for (const store of Object.keys(describes) as StoreName[]) {
    if (wanted.includes(store)) describes[store](`${title} (${store})`, () => declare(store))
  }
}
