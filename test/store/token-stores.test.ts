import { inspect } from 'node:util'
import { Redis } from 'ioredis'
import { MemoryTokenStore, RedisTokenStore } from '../../src'
import { margin } from '../support/margin'
import { type RedisServer, describeWithRedis, startRedis } from '../support/redis'
import { testTokenStore } from '../../src/testing'

describe('MemoryTokenStore', () => {
  testTokenStore(() => new MemoryTokenStore())

  test('forgets expired values even if no one requests them', async () => {
    jest.useFakeTimers()
    const store = new MemoryTokenStore()
    await store.create('grant:a', 'one', 1000)
    await jest.advanceTimersByTimeAsync(61_000)
    expect(jest.getTimerCount()).toBe(0)
    jest.useRealTimers()
  })
})

describeWithRedis('RedisTokenStore', () => {
  let server: RedisServer
  let redis: Redis
  let other: Redis

  beforeAll(async () => {
    server = await startRedis()
    redis = new Redis(server.url)
    redis.on('error', () => {})
    other = new Redis(server.url)
    other.on('error', () => {})
  })
  afterAll(async () => {
    redis.disconnect()
    other.disconnect()
    await server.stop()
  })
  beforeEach(() => redis.flushall())

  testTokenStore(() => new RedisTokenStore(redis), { another: () => new RedisTokenStore(other) })

  test('keeps all keys of a grant on one node of a cluster', async () => {
    const store = new RedisTokenStore(redis, { prefix: 'mine:' })
    await store.create('grant:abc', 'one', 1000)
    await store.create('lock:abc', 'one', 1000)
    expect((await redis.keys('*')).sort()).toEqual(['mine:grant:{abc}', 'mine:lock:{abc}'])
  })

  test('rejects within its deadline when Redis is there but silent', async () => {
    const store = new RedisTokenStore(redis, { timeout: 100 })
    server.freeze()
    const startedAt = performance.now()
    await expect(store.get('grant:a')).rejects.toMatchObject({
      name: 'TokenStoreError',
      status: 503,
      isTransient: true,
    })
    expect(performance.now() - startedAt).toBeLessThan(1_500 + margin)
    server.thaw()
  })

  test('repeats no key and no value when Redis quotes an unknown command', async () => {
    const without = await startRedis({ more: ['--rename-command', 'SET', ''] })
    const client = new Redis(without.url)
    client.on('error', () => {})
    try {
      const failed = new RedisTokenStore(client).create('sess:canary', 'canary', 1000)
      const error = await failed.catch((reason: unknown) => reason)
      expect(inspect(error, { depth: 9 })).toContain("ERR unknown command 'set'")
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('canary')
    } finally {
      client.disconnect()
      await without.stop()
    }
  })
})
