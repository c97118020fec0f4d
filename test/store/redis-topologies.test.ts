import { Cluster, Redis } from 'ioredis'
import { Cluster as ValkeyCluster } from 'iovalkey'
import { createCluster } from 'redis'
import * as redis6 from 'redis6'
import { type RedisClient, RedisTokenStore } from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import type { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'
import { margin } from '../support/margin'
import { describeWithRedis } from '../support/redis'
import {
  type ClusterNode,
  type RunningCluster,
  type Watched,
  startCluster,
  startWatched,
} from '../support/redis-topologies'
import { type Relay, startRelay } from '../support/relay'

const secret = 'a secret of thirty-two characters or more, for tests'

let simulator: Simulator

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())

/** Milliseconds until a guarded request succeeds. */
async function untilWelcome(app: DropIn, browser: Browser): Promise<number> {
  const startedAt = performance.now()
  while ((await app.get(browser)).status !== 200 && performance.now() - startedAt < 20_000) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return performance.now() - startedAt
}

describeWithRedis('behind Sentinels', () => {
  let watched: Watched
  let deaf: Relay
  const closing: (() => unknown)[] = []
  const apps: DropIn[] = []

  beforeAll(async () => {
    watched = await startWatched()
    deaf = await startRelay(watched.sentinel)
    for (const ports of [[watched.sentinel], [deaf.port, watched.sentinel]]) {
      const sentinels = ports.map((port) => ({ host: '127.0.0.1', port }))
      const client = new Redis({ sentinels, name: watched.name, updateSentinels: false })
      client.on('error', () => {})
      closing.push(() => client.disconnect())
      apps.push(await startDropIn(simulator, { redis: client, secret }))
    }
    const sentinelRootNodes = [{ host: '127.0.0.1', port: watched.sentinel }]
    const client = redis6.createSentinel({ name: watched.name, sentinelRootNodes })
    client.on('error', () => {})
    await client.connect()
    closing.push(() => client.destroy())
    apps.push(await startDropIn(simulator, { redis: client, secret }))
  })
  afterAll(async () => {
    for (const app of apps) await app.close()
    for (const close of closing) await close()
    await deaf.close()
    await watched.close()
  })

  test('a login outlives the death of the master, and is served within two seconds of the promotion', async () => {
    const users = await Promise.all(apps.map(async (app) => ({ app, ...(await app.logIn()) })))
    for (const { app, browser } of users) expect((await app.get(browser)).status).toBe(200)
    // From now on the first Sentinel of the second client takes connections and says nothing.
    deaf.mode = 'blackhole'
    const replica = new Redis(watched.replica.port)
    const master = new Redis(watched.master.port)
    await master.call('WAIT', '1', '1000')
    master.disconnect()
    await watched.master.stop()
    const first = await apps[0]?.get(users[0]?.browser as Browser)
    // It waits for a second, in which the promotion may come. In no case it is taken for logged out.
    expect([200, 503]).toContain(first?.status)
    expect(first?.headers.get('set-cookie')).toBeNull()
    const promoted = (async () => {
      while (!(await replica.info('replication')).includes('role:master'));
      replica.disconnect()
      return performance.now()
    })()
    const welcome = await Promise.all(
      users.map(async ({ app, browser }) => {
        await untilWelcome(app, browser)
        return performance.now()
      }),
    )
    const promotedAt = await promoted
    expect(Math.max(...welcome) - promotedAt).toBeLessThan(2_000 + margin)
  })
})

/** Clients of a Cluster, as users make them; two of them unless `CLIENTS=all`. */
const families: Record<string, (port: number) => Promise<{ redis: RedisClient; close(): unknown }>> = {
  async 'ioredis 6'(port) {
    const redis = new Cluster([{ host: '127.0.0.1', port }])
    redis.on('error', () => {})
    await redis.get('connected')
    return { redis, close: () => redis.disconnect() }
  },
  async iovalkey(port) {
    const redis = new ValkeyCluster([{ host: '127.0.0.1', port }])
    redis.on('error', () => {})
    return { redis, close: () => redis.disconnect() }
  },
  async 'node-redis 5'(port) {
    const redis = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] })
    redis.on('error', () => {})
    await redis.connect()
    return { redis, close: () => redis.destroy() }
  },
  async 'node-redis 6'(port) {
    const redis = redis6.createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] })
    redis.on('error', () => {})
    await redis.connect()
    return { redis, close: () => redis.destroy() }
  },
}

const tried =
  process.env['CLIENTS'] === 'all' ? Object.keys(families) : (['ioredis 6', 'node-redis 5'] as const)

describeWithRedis.each(tried)('over a Cluster, with %s', (family) => {
  let nodes: ClusterNode[]
  let running: RunningCluster
  let cluster: { redis: RedisClient; close(): unknown }
  let app: DropIn
  let held: (chunk: Buffer) => void | Promise<void> = () => {}

  beforeAll(async () => {
    running = await startCluster((_direction, chunk) => held(chunk))
    nodes = running.nodes
    cluster = (await families[family]?.(nodes[0]?.relay.port as number)) as typeof cluster
    app = await startDropIn(simulator, { redis: cluster.redis, secret })
  })
  afterAll(async () => {
    await app.close()
    await cluster.close()
    await running.close()
  })
  beforeEach(() => {
    simulator.resetCalls()
    simulator.settings.accessTokenLifetime = undefined
  })

  /** Commands that all nodes have executed, as they call them. */
  async function executed(): Promise<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const { admin } of nodes) {
      for (const [, name = '', calls] of (await admin.info('commandstats')).matchAll(
        /cmdstat_(\w+):calls=(\d+)/g,
      )) {
        counts[name] = (counts[name] ?? 0) + Number(calls)
      }
    }
    return counts
  }

  /** The keys of a login, by the node that holds them. */
  async function keysOf(browser: Browser): Promise<string[][]> {
    const cookie = decodeURIComponent(browser.cookies.get('pagerduty') ?? '')
    const [, grantID = ''] = /^s:([^.]+)\./.exec(cookie) ?? []
    return Promise.all(nodes.map(async ({ admin }) => (await admin.keys(`*{${grantID}}*`)).sort()))
  }

  test('all of a login lives on one node', async () => {
    const { browser } = await app.logIn()
    await app.get(browser)
    const held = (await keysOf(browser)).filter((keys) => keys.length > 0)
    expect(held).toHaveLength(1)
    expect(held[0]?.map((key) => key.split(':')[1])).toEqual(expect.arrayContaining(['grant', 'sess']))
  })

  test('a guarded request is one command', async () => {
    const { browser } = await app.logIn()
    // What the first one leaves behind may still wait for a node to be connected.
    for (let i = 0; i < 10; i++) await app.get(browser)
    const before = await executed()
    for (let i = 0; i < 20; i++) expect((await app.get(browser)).status).toBe(200)
    const after = await executed()
    expect((after['mget'] ?? 0) - (before['mget'] ?? 0)).toBe(20)
    const others = (counts: Record<string, number>) =>
      ['get', 'set', 'eval', 'del'].map((name) => counts[name])
    expect(others(after)).toEqual(others(before))
  })

  test('takes a refresh, a listing and a logout of users on every node', async () => {
    simulator.settings.accessTokenLifetime = 1
    const browsers = []
    for (let i = 0; i < 6; i++) browsers.push((await app.logIn()).browser)
    simulator.settings.accessTokenLifetime = undefined
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    for (const browser of browsers) expect((await app.get(browser)).status).toBe(200)
    expect(simulator.calls.token.refresh_token).toBe(6)
    const listed = await app.pd.grants.list({ accountID: 'PACME00', userID: 'PACME01' })
    expect(listed.length).toBeGreaterThanOrEqual(6)
    for (const browser of browsers) {
      const old = browser.copy()
      expect((await app.logOut(browser)).status).toBe(204)
      expect((await app.get(old)).status).toBe(401)
    }
  })

  test('follows a login to another node', async () => {
    const { browser } = await app.logIn()
    await app.get(browser)
    const held = await keysOf(browser)
    const from = nodes[held.findIndex((keys) => keys.length > 0)] as ClusterNode
    const to = nodes[held.findIndex((keys) => keys.length === 0)] as ClusterNode
    const keys = held.flat()
    const slot = `${(await from.admin.call('CLUSTER', 'KEYSLOT', keys[0] as string)) as number}`
    await to.admin.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id)
    await from.admin.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id)
    await from.admin.call('MIGRATE', '127.0.0.1', `${to.server.port}`, '', '0', '1000', 'KEYS', ...keys)
    // Moved, but not yet announced: the old node sends its visitors on.
    expect((await app.get(browser)).status).toBe(200)
    for (const { admin } of [to, from]) await admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id)
    expect((await app.get(browser)).status).toBe(200)
    expect((await keysOf(browser))[nodes.indexOf(to)]).toEqual(keys)
  })

  test.each([
    ['silent', ({ server }: ClusterNode) => server.freeze(), ({ server }: ClusterNode) => server.thaw()],
    ['behind a black hole', setMode('blackhole'), setMode('pass')],
    ['out of reach', setMode('refuse'), setMode('pass')],
  ])(
    'one node that is %s is missed by its own users only, and for no longer than it must',
    async (_what, begin, end) => {
      const users: (Browser | undefined)[] = nodes.map(() => undefined)
      while (users.includes(undefined)) {
        const { browser } = await app.logIn()
        await app.get(browser)
        users[(await keysOf(browser)).findIndex((keys) => keys.length > 0)] = browser
      }
      begin(nodes[1] as ClusterNode)
      const until = performance.now() + 2_000
      const seen = await Promise.all(
        users.map(async (browser) => {
          const statuses = new Set<number>()
          let slowest = 0
          while (performance.now() < until) {
            const startedAt = performance.now()
            statuses.add((await app.get(browser as Browser)).status)
            slowest = Math.max(slowest, performance.now() - startedAt)
          }
          return { statuses: [...statuses], isInTime: slowest < 2_500 }
        }),
      )
      const served = { statuses: [200], isInTime: true }
      expect(seen).toEqual([served, { statuses: [503], isInTime: true }, served])
      end(nodes[1] as ClusterNode)
      expect(await untilWelcome(app, users[1] as Browser)).toBeLessThan(2_000 + margin)
    },
  )

  test('a Cluster that falls silent while a client connects to it does not hold it up for ever', async () => {
    let isFirst = true
    held = (chunk) => {
      if (!isFirst || !chunk.includes('cluster_state:')) return
      isFirst = false
      return new Promise(() => {})
    }
    const node = { host: '127.0.0.1', port: nodes[0]?.relay.port as number }
    const other = new Cluster([node], { lazyConnect: true })
    other.on('error', () => {})
    expect(await new RedisTokenStore(other, { timeout: 4_000 }).get('grant:a')).toBeUndefined()
    expect(isFirst).toBe(false)
    other.disconnect()
    held = () => {}
  })

  test('a Cluster that is out of reach as a whole is back within two seconds', async () => {
    const { browser } = await app.logIn()
    await app.get(browser)
    for (const { relay } of nodes) relay.mode = 'blackhole'
    const until = performance.now() + 2_500
    while (performance.now() < until) expect((await app.get(browser)).status).toBe(503)
    for (const { relay } of nodes) relay.mode = 'pass'
    expect(await untilWelcome(app, browser)).toBeLessThan(2_000 + margin)
  })
})

function setMode(mode: Relay['mode']): (node: ClusterNode) => void {
  return ({ relay }) => {
    relay.mode = mode
  }
}
