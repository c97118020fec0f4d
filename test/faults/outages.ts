import { execFileSync } from 'node:child_process'
import { statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { rawConnection } from '../support/sqlite'
import { type PostgresBacking, type SQLiteBacking, type StoreName, isRoot } from './backing'
import type { RelayMode } from '../support/relay'
import type { World } from './world'

/** A way for a store to fail, and to be well again. */
export interface Outage {
  /** Whether what was stored can still be read. */
  isReadable: boolean
  begin(world: World): unknown
  end(world: World): unknown
}

const ofServers: Record<string, Outage> = {
  'refuses connections': { isReadable: false, begin: relays('refuse'), end: relays('pass') },
  'is silent': { isReadable: false, begin: relays('blackhole'), end: relays('pass') },
}

const ofRedis: Record<string, Outage> = {
  ...ofServers,
  'is frozen': {
    isReadable: false,
    begin: ({ redis }) => redis.freeze(),
    end: ({ redis }) => redis.thaw(),
  },
  'is read-only': {
    isReadable: true,
    // As a replica of an unreachable master.
    begin: ({ store }) => store.replicaof('127.0.0.1', 9),
    end: ({ store }) => store.replicaof('NO', 'ONE'),
  },
  'is out of memory': {
    isReadable: true,
    begin: ({ store }) => store.config('SET', 'maxmemory', '1'),
    end: ({ store }) => store.config('SET', 'maxmemory', '0'),
  },
}

const ofPostgres: Record<string, Outage> = {
  ...ofServers,
  'is frozen': {
    isReadable: false,
    begin: (world) => postgresOf(world).server.freeze(),
    end: (world) => postgresOf(world).server.thaw(),
  },
  'is read-only': { isReadable: true, begin: readOnly('on'), end: readOnly('off') },
  // A folder in memory, as only root can make one.
  ...(isRoot && {
    'has a full disk': {
      isReadable: true,
      async begin(world) {
        const { admin } = postgresOf(world).server
        const folder = postgresOf(world).smallDisk()
        await admin.query(`CREATE TABLESPACE small LOCATION '${folder}'`)
        // Packed, so that no page of it has room.
        await admin.query('ALTER TABLE pagerduty_tokens SET TABLESPACE small')
        await admin.query('VACUUM FULL pagerduty_tokens')
        fill(folder)
        const one = `INSERT INTO pagerduty_tokens VALUES ('filler:' || random(), 'x', now() + interval '1 hour')`
        for (let isFull = false; !isFull;) {
          await admin.query(one).catch((error: { code?: string }) => {
            if (error.code !== '53100') throw error
            isFull = true
          })
        }
      },
      end: (world) => makeRoom(postgresOf(world).smallDisk()),
    } satisfies Outage,
  }),
}

const ofSQLite: Record<string, Outage> = {
  'is locked by another process': {
    isReadable: true,
    begin(world) {
      const other = rawConnection((world.backing as SQLiteBacking).file)
      other.exec('BEGIN IMMEDIATE')
      locks.set(world, other)
    },
    end: (world) => locks.get(world)?.close(),
  },
  ...(isRoot && {
    'has a full disk': {
      isReadable: true,
      begin(world) {
        const { file, folder } = world.backing as SQLiteBacking
        const other = rawConnection(file)
        // Else there is room in the log, which is begun again.
        other.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get({})
        fill(folder)
        other.close()
      },
      end: (world) => makeRoom((world.backing as SQLiteBacking).folder),
    } satisfies Outage,
  }),
}

/** How each store fails. Those of stores with a server need a world whose workers are tapped. */
export const outages: Record<StoreName, Record<string, Outage>> = {
  Redis: ofRedis,
  PostgreSQL: ofPostgres,
  SQLite: ofSQLite,
}

const locks = new WeakMap<World, { close(): void }>()

function postgresOf({ backing }: World): PostgresBacking {
  return backing as PostgresBacking
}

function readOnly(value: 'on' | 'off'): (world: World) => Promise<void> {
  return async (world) => {
    const { admin } = postgresOf(world).server
    await admin.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`)
    await admin.query('SELECT pg_reload_conf()')
  }
}

let fillers = 0

/** Takes all the space that is left. */
function fill(folder: string): void {
  const { bavail, bsize } = statfsSync(folder)
  if (bavail > 0) writeFileSync(join(folder, `filler-${fillers++}`), Buffer.alloc(bavail * bsize))
}

function makeRoom(folder: string): void {
  execFileSync('mount', ['-o', 'remount,size=256m', folder])
}

function relays(mode: RelayMode): (world: World) => void {
  return ({ workers }) => {
    for (const { toStore } of workers) {
      if (toStore !== undefined) toStore.relay.mode = mode
    }
  }
}

/** A second server that follows the world's one. */
export async function follow(world: World, port: number): Promise<Redis> {
  const replica = new Redis(port, '127.0.0.1')
  await replica.replicaof('127.0.0.1', world.redis.port)
  return replica
}

/** Whether a replica has all that its master has. */
export async function isInStep(replica: Redis): Promise<boolean> {
  return (await replica.info('replication')).includes('master_link_status:up')
}
