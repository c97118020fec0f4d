import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { startPostgres } from '../../support/postgres'
import { startRedis } from '../../support/redis'
import { rawConnection } from '../../support/sqlite'

/** Where the state of a soak is, and what is there. */
export interface Place {
  name: string
  /** What says to an app that it is there. */
  env: Record<string, string>
  /** Keys that have not expired; undefined if they cannot be read. */
  keys(): Promise<readonly string[] | undefined>
  close(): Promise<void>
}

const places: Record<string, () => Promise<Place>> = {
  memory: async () => ({ name: 'memory', env: {}, keys: async () => undefined, close: async () => {} }),
  redis: openRedis,
  postgres: openPostgres,
  sqlite: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'soak-'))
    const place = openSQLite(join(folder, 'pagerduty.db'))
    return { ...place, close: async () => rmSync(folder, { recursive: true, force: true }) }
  },
}

/** @param store `redis`, `sqlite`, `postgres` or `memory`, made for this run; or `sqlite:` with the file to make */
export async function openPlace(store: string): Promise<Place> {
  if (store.startsWith('sqlite:')) {
    const file = store.slice('sqlite:'.length)
    if (existsSync(file)) throw new Error(`--store: ${file} is there: name a file to make`)
    return openSQLite(file)
  }
  const open = places[store]
  if (open === undefined)
    throw new Error(`--store ${store}: there are ${Object.keys(places).join(', ')}, sqlite:FILE`)
  return open()
}

async function openRedis(): Promise<Place> {
  const server = await startRedis()
  const client = new Redis(server.url)
  return {
    name: 'Redis',
    env: { REDIS_URL: server.url },
    // SCAN leaves out what has expired, and a key may come twice.
    async keys() {
      const found = new Set<string>()
      for await (const batch of client.scanStream({ count: 1000 })) {
        for (const key of batch as string[]) found.add(key.replace(/^pagerduty:/, ''))
      }
      return [...found]
    },
    async close() {
      client.disconnect()
      await server.stop()
    },
  }
}

async function openPostgres(): Promise<Place> {
  const server = await startPostgres()
  const pool = new Pool({ connectionString: server.url, max: 1 })
  return {
    name: 'PostgreSQL',
    env: { PAGERDUTY_TOKEN_STORE: server.url },
    async keys() {
      const text = 'SELECT key FROM pagerduty_tokens WHERE expires_at > now()'
      return (await pool.query<{ key: string }>(text)).rows.map(({ key }) => key)
    },
    async close() {
      await pool.end()
      await server.stop()
    },
  }
}

function openSQLite(file: string): Place {
  return {
    name: 'SQLite',
    env: { PAGERDUTY_TOKEN_STORE: `sqlite:${file}` },
    async keys() {
      const database = rawConnection(file)
      const rows = database
        .prepare('SELECT key FROM pagerduty_tokens WHERE expires_at > :now')
        .all({ now: Date.now() })
      database.close()
      return rows.map(({ key }) => String(key))
    },
    close: async () => {},
  }
}
