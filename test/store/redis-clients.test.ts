import { once } from 'node:events'
import { Cluster, Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { Redis as Valkey } from 'iovalkey'
import { RESP_TYPES, createClient, createClientPool, createCluster, createSentinel } from 'redis'
import * as redis6 from 'redis6'
import { ConfigurationError, type RedisClient, RedisTokenStore } from '../../src'
import { type Simulator, startPagerDuty, testTokenStore } from '../../src/testing'
import { startDropIn } from '../support/drop-in'
import { margin } from '../support/margin'
import { type RedisServer, describeWithRedis, startRedis } from '../support/redis'
import { type Relay, startRelay } from '../support/relay'

const secret = 'a secret of thirty-two characters or more, for tests'

interface Connected {
  client: RedisClient
  close(): unknown
}

const settings = { stringNumbers: true, keyPrefix: 'mine:', enableAutoPipelining: true, db: 1 }

/** Ways to connect to a port, as users write them. */
const families: Record<string, (port: number) => Connected | Promise<Connected>> = {
  'ioredis 6': (port) => ioredis(new Redis(port)),
  'ioredis 5': (port) => ioredis(new Redis5(port)),
  'ioredis 6 with other settings': (port) => ioredis(new Redis({ port, ...settings })),
  'ioredis 5 with other settings': (port) => ioredis(new Redis5({ port, ...settings })),
  iovalkey: (port) => ioredis(new Valkey(port)),
  async 'node-redis 5'(port) {
    const client = createClient({ url: `redis://127.0.0.1:${port}` })
    client.on('error', () => {})
    await client.connect()
    return { client, close: () => client.destroy() }
  },
  async 'node-redis 6'(port) {
    const client = redis6.createClient({ url: `redis://127.0.0.1:${port}` })
    client.on('error', () => {})
    await client.connect()
    return { client, close: () => client.destroy() }
  },
  async 'node-redis 5 with other settings'(port) {
    const client = createClient({
      socket: { port },
      RESP: 3,
      database: 1,
      disableOfflineQueue: true,
      commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
    })
    client.on('error', () => {})
    await client.connect()
    return { client, close: () => client.destroy() }
  },
}

function ioredis(client: Redis | Redis5 | Valkey): Connected {
  client.on('error', () => {})
  return {
    client,
    async close() {
      const ended = client.status === 'ready' && once(client, 'end')
      client.disconnect()
      await ended
    },
  }
}

describeWithRedis('the clients that users have', () => {
  const connected = new Map<string, Connected>()
  let server: RedisServer
  let relay: Relay
  let simulator: Simulator
  let admin: Redis

  const connect = (family: string) => (families[family] as (typeof families)[string])(relay.port)
  const clientOf = (family: string) => (connected.get(family) as Connected).client
  const start = (family: string) => startDropIn(simulator, { redis: clientOf(family), secret })

  beforeAll(async () => {
    server = await startRedis()
    relay = await startRelay(server.port)
    simulator = await startPagerDuty()
    admin = new Redis(server.port)
    for (const family of Object.keys(families)) connected.set(family, await connect(family))
  })
  afterAll(async () => {
    for (const one of connected.values()) await one.close()
    admin.disconnect()
    await relay.close()
    await simulator.close()
    await server.stop()
  })

  describe.each(Object.keys(families))('%s', (family) => {
    describe('keeps to the contract of token stores', () => {
      beforeEach(() => admin.flushall())

      testTokenStore(() => new RedisTokenStore(clientOf(family)))
    })

    test('takes a login, a refresh and a logout', async () => {
      simulator.resetCalls()
      const app = await start(family)
      simulator.settings.accessTokenLifetime = 1
      const { browser } = await app.logIn()
      simulator.settings.accessTokenLifetime = undefined
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      expect((await app.get(browser)).status).toBe(200)
      expect(simulator.calls.token.refresh_token).toBe(1)
      const old = browser.copy()
      expect((await app.logOut(browser)).status).toBe(204)
      expect((await app.get(old)).status).toBe(401)
      await app.close()
    })

    test('that its user has closed is not brought back to life', async () => {
      const connections = async () => (await admin.call('CLIENT', 'LIST', 'TYPE', 'normal')) as string
      const before = (await connections()).split('\n').length
      const own = await connect(family)
      const store = new RedisTokenStore(own.client)
      expect(await store.get('grant:a')).toBeUndefined()
      expect((await connections()).split('\n').length).toBeGreaterThan(before)
      await own.close()
      await expect(store.get('grant:a')).rejects.toThrow('The Redis client was closed, gave up')
      while ((await connections()).split('\n').length > before);
    })
  })

  test.each(['blackhole', 'refuse'] as const)(
    'are back within two seconds of an outage: %s',
    async (mode) => {
      const apps = await Promise.all([...connected.keys()].map(start))
      const browsers = await Promise.all(apps.map(async (app) => ({ app, ...(await app.logIn()) })))
      relay.mode = mode
      const denials = browsers.map(async ({ app, browser }) => {
        const statuses = []
        for (let i = 0; i < 3; i++) statuses.push((await app.get(browser)).status)
        return statuses
      })
      expect(await Promise.all(denials)).toEqual(apps.map(() => [503, 503, 503]))
      relay.mode = 'pass'
      const endedAt = performance.now()
      const returns = browsers.map(async ({ app, browser }) => {
        while ((await app.get(browser)).status !== 200 && performance.now() - endedAt < 10_000);
        return performance.now() - endedAt
      })
      expect(Math.max(...(await Promise.all(returns)))).toBeLessThan(2_000 + margin)
      for (const app of apps) await app.close()
    },
  )
})

test('a client that was closed before, or never connected, is rejected at once', async () => {
  const client = new Redis({ port: 1, lazyConnect: true })
  client.disconnect()
  const duplicate = jest.spyOn(client, 'duplicate')
  for (const one of [client, createClient(), createCluster({ rootNodes: [] })]) {
    const startedAt = performance.now()
    await expect(new RedisTokenStore(one).get('grant:a')).rejects.toMatchObject({
      name: 'TokenStoreError',
      message: 'The Redis client was closed, gave up reconnecting, or was never told to connect',
    })
    expect(performance.now() - startedAt).toBeLessThan(1_500 + margin)
  }
  expect(duplicate).not.toHaveBeenCalled()
})

describe('rejects at start-up, with a message,', () => {
  const node = { host: '127.0.0.1', port: 1 }
  const sentinels = [node]
  const lazy = { lazyConnect: true }

  test.each<[string, () => unknown, RegExp]>([
    [
      'what is no client',
      () => ({ get() {}, set() {} }),
      /a Redis URL or a client of ioredis, iovalkey or redis$/,
    ],
    ['nothing', () => null, /a Redis URL or a client/],
    ['a client on a replica', () => new Redis({ ...lazy, readOnly: true }), /option readOnly$/],
    [
      'a Sentinel client on a replica',
      () => new Redis({ ...lazy, sentinels, name: 'm', role: 'slave' }),
      /option role$/,
    ],
    [
      'a Cluster that reads from replicas',
      () => new Cluster([node], { ...lazy, scaleReads: 'slave' }),
      /option scaleReads$/,
    ],
    ['a node-redis client on a replica', () => createClient({ readonly: true }), /option readonly$/],
    [
      'a sentinel of node-redis 5',
      () => createSentinel({ name: 'm', sentinelRootNodes: sentinels }),
      /a client that has duplicate\(\): createSentinel needs redis 6$/,
    ],
    ['a pool of node-redis', () => createClientPool(), /a client that has duplicate\(\): use createClient$/],
  ])('%s', (_what, make, sentence) => {
    const client = make()
    const wrong = () => new RedisTokenStore(client as never)
    expect(wrong).toThrow(ConfigurationError)
    expect(wrong).toThrow(sentence)
  })
})
