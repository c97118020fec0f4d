import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { type RedisServer, freePort, run, startRedis, temporaryDirectory } from './redis'
import { type OnData, type Relay, startRelay } from './relay'

/** A master with a replica, and a Sentinel that alone decides about a failover. */
export interface Watched {
  /** Name of the master, for Sentinels. */
  name: string
  sentinel: number
  master: RedisServer
  replica: RedisServer
  close(): Promise<void>
}

/** Starts one, and waits until a failover would succeed. */
export async function startWatched(): Promise<Watched> {
  const directory = temporaryDirectory()
  const master = await startRedis({ more: ['--repl-diskless-sync-delay', 0] })
  const replica = await startRedis({ more: ['--replicaof', `127.0.0.1 ${master.port}`] })
  await eventually(replica.port, async (redis) => (await redis.info()).includes('master_link_status:up'))
  const sentinel = await freePort()
  const settings = [
    `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`,
    'sentinel down-after-milliseconds mymaster 500',
    'sentinel failover-timeout mymaster 2000',
  ]
  const file = join(directory, 'sentinel.conf')
  writeFileSync(file, settings.join('\n'))
  const watcher = await run(
    [file, '--sentinel', '--port', sentinel, '--bind', '127.0.0.1', '--dir', directory],
    '+slave slave',
  )
  return {
    name: 'mymaster',
    sentinel,
    master,
    replica,
    async close() {
      await watcher.stop()
      await Promise.all([master.stop(), replica.stop()])
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** One node of a Cluster. Clients reach it through its relay. */
export interface ClusterNode {
  server: RedisServer
  relay: Relay
  /** Its id in the Cluster. */
  id: string
  /** Straight to the server. */
  admin: Redis
}

/** All of them. */
export interface RunningCluster {
  nodes: ClusterNode[]
  close(): Promise<void>
}

const slots = 16_384

/**
 * Starts a Cluster of three masters, and waits until all of them agree that it works.
 *
 * @param onData sees what goes through the relays
 */
export async function startCluster(onData?: OnData): Promise<RunningCluster> {
  const nodes = await Promise.all([0, 1, 2].map(() => startNode(onData)))
  await Promise.all(
    nodes.map(({ admin }, i) => {
      const [first, last] = [i, i + 1].map((share) => Math.floor((share * slots) / nodes.length))
      return admin.call('CLUSTER', 'ADDSLOTSRANGE', `${first}`, `${(last ?? 0) - 1}`)
    }),
  )
  for (const { server, bus } of nodes.slice(1)) {
    await nodes[0]?.admin.call('CLUSTER', 'MEET', '127.0.0.1', `${server.port}`, `${bus}`)
  }
  for (const { server } of nodes) {
    await eventually(server.port, async (redis) => {
      const info = (await redis.call('CLUSTER', 'INFO')) as string
      return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:3')
    })
  }
  return {
    nodes,
    async close() {
      for (const { admin, relay, server } of nodes) {
        admin.disconnect()
        await relay.close()
        await server.stop()
      }
    },
  }
}

async function startNode(onData?: OnData): Promise<ClusterNode & { bus: number }> {
  const port = await freePort()
  const bus = await freePort()
  const relay = await startRelay(port, onData)
  const more = ['--cluster-enabled', 'yes', '--cluster-require-full-coverage', 'no', '--cluster-port', bus]
  const server = await startRedis({ port, more: [...more, '--cluster-announce-port', relay.port] })
  const admin = new Redis(port)
  return { server, relay, bus, admin, id: (await admin.call('CLUSTER', 'MYID')) as string }
}

async function eventually(port: number, isSo: (redis: Redis) => Promise<boolean>): Promise<void> {
  const redis = new Redis(port)
  while (!(await isSo(redis))) await new Promise((resolve) => setTimeout(resolve, 50))
  redis.disconnect()
}
