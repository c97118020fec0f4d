import { Redis } from 'ioredis'
import { MemoryTokenStore, RedisTokenStore, type TokenStore } from '../src'
import { type RedisServer, describeWithRedis, startRedis } from './support/redis'

/** What every token store keeps to. */
function contract(makeStore: () => TokenStore): void {
  let store: TokenStore
  const long = 60_000

  beforeEach(() => {
    store = makeStore()
  })

  test('gives back what was created, and nothing where nothing was', async () => {
    expect(await store.create('grant:a', 'one', long)).toBe(true)
    expect(await store.get('grant:a')).toBe('one')
    expect(await store.get('grant:b')).toBeUndefined()
  })

  test('creates only where there is nothing', async () => {
    await store.create('grant:a', 'one', long)
    expect(await store.create('grant:a', 'two', long)).toBe(false)
    expect(await store.get('grant:a')).toBe('one')
  })

  test('gives a contested key to exactly one of a hundred', async () => {
    const won = await Promise.all(Array.from({ length: 100 }, (_, i) => store.create('lock:a', `${i}`, long)))
    expect(won.filter(Boolean)).toHaveLength(1)
  })

  test('replaces only exactly the value that is expected', async () => {
    await store.create('grant:a', 'one', long)
    expect(await store.replace('grant:a', 'on', 'two')).toBe(false)
    expect(await store.replace('grant:a', 'one', 'two')).toBe(true)
    expect(await store.replace('grant:a', 'one', 'three')).toBe(false)
    expect(await store.get('grant:a')).toBe('two')
  })

  test('does not bring back what was deleted', async () => {
    await store.create('grant:a', 'one', long)
    await store.delete('grant:a')
    expect(await store.replace('grant:a', 'one', 'two', long)).toBe(false)
    expect(await store.get('grant:a')).toBeUndefined()
  })

  test('lets one of a hundred replacements of the same value through', async () => {
    await store.create('grant:a', 'one', long)
    const won = await Promise.all(
      Array.from({ length: 100 }, (_, i) => store.replace('grant:a', 'one', `${i}`)),
    )
    expect(won.filter(Boolean)).toHaveLength(1)
  })

  test('deletes, and says whether there was something', async () => {
    await store.create('grant:a', 'one', long)
    expect(await store.delete('grant:a', 'two')).toBe(false)
    expect(await store.delete('grant:a', 'one')).toBe(true)
    expect(await store.delete('grant:a')).toBe(false)
  })

  test('ends a value when its life is over, and the key is free again', async () => {
    await store.create('login:a', 'one', 20)
    await until(async () => (await store.get('login:a')) === undefined)
    expect(await store.create('login:a', 'two', long)).toBe(true)
  })

  test('leaves the life of a replaced value as it is, or begins it anew', async () => {
    await store.create('grant:kept', 'one', 60)
    await store.create('grant:extended', 'one', 60)
    await store.replace('grant:kept', 'one', 'two')
    await store.replace('grant:extended', 'one', 'one', long)
    await until(async () => (await store.get('grant:kept')) === undefined)
    expect(await store.get('grant:extended')).toBe('one')
  })

  test('takes any text as a value', async () => {
    const odd = 'é\u0000"\n{}' + 'x'.repeat(10_000)
    await store.create('user:a b', odd, long)
    expect(await store.get('user:a b')).toBe(odd)
    expect(await store.replace('user:a b', odd, '')).toBe(true)
    expect(await store.get('user:a b')).toBe('')
  })
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve))
}

describe('MemoryTokenStore', () => {
  contract(() => new MemoryTokenStore())

  test('forgets values whose life is over without being asked for them', async () => {
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

  beforeAll(async () => {
    server = await startRedis()
    redis = new Redis(server.url, { retryStrategy: () => null })
    redis.on('error', () => {})
  })
  afterAll(async () => {
    redis.disconnect()
    await server.stop()
  })
  beforeEach(() => redis.flushall())

  contract(() => new RedisTokenStore(redis))

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
    expect(performance.now() - startedAt).toBeLessThan(600)
    server.thaw()
  })

  test('refuses a client that is none of ioredis, with a sentence', () => {
    const nodeRedis = { get() {}, set() {}, eval() {}, sendCommand() {} }
    expect(() => new RedisTokenStore(nodeRedis as never)).toThrow(
      /"redis" must be a Redis URL or a client of the package ioredis/,
    )
  })
})
