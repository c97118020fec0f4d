import { Redis } from 'ioredis'
import type { RelayMode } from '../support/relay'
import type { World } from './world'

/** A way for Redis to fail, and to be well again. */
export interface Outage {
  /** Whether what was stored can still be read. */
  isReadable: boolean
  begin(world: World): unknown
  end(world: World): unknown
}

/** They need a world whose workers are tapped. */
export const outages: Record<string, Outage> = {
  'refuses connections': { isReadable: false, begin: relays('refuse'), end: relays('pass') },
  'is silent': { isReadable: false, begin: relays('blackhole'), end: relays('pass') },
  'is frozen': {
    isReadable: false,
    begin: ({ redis }) => redis.freeze(),
    end: ({ redis }) => redis.thaw(),
  },
  'is read-only': {
    isReadable: true,
    // As a replica of a master that nobody reaches.
    begin: ({ store }) => store.replicaof('127.0.0.1', 9),
    end: ({ store }) => store.replicaof('NO', 'ONE'),
  },
  'is out of memory': {
    isReadable: true,
    begin: ({ store }) => store.config('SET', 'maxmemory', '1'),
    end: ({ store }) => store.config('SET', 'maxmemory', '0'),
  },
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
