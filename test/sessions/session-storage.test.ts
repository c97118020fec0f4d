import { Redis } from 'ioredis'
import { MemoryTokenStore, RedisTokenStore, type TokenStore } from '../../src'
import { type SessionRecords, redisSessions, storedSessions } from '../../src/sessions/session-storage'
import { type RedisServer, describeWithRedis, startRedis, watchCommands } from '../support/redis'

const minute = 60_000
/** A full second, which is as exactly as it is kept. */
const then = 1_900_000_000_000

/** A place for sessions, and what its tests do beside it. */
interface Place {
  records: SessionRecords
  /** What keeps the grants. */
  store: TokenStore
  /** Lets what is kept live shorter by this many milliseconds. */
  pass: (milliseconds: number) => Promise<void>
}

/** The grant of these tests as it was read, to be extended. */
const grant = (ttl?: number) => ({ id: 'abc', sealed: 'sealed', used: 'used', ttl })

afterEach(() => jest.restoreAllMocks())

function testSessions(placeOf: () => Place): void {
  let records: SessionRecords
  let store: TokenStore
  let pass: Place['pass']
  beforeEach(() => {
    ;({ records, store, pass } = placeOf())
  })

  const write = (id: string, session: string, { extendedAt = then, ttl = minute, mustExist = false } = {}) =>
    records.write(id, session, extendedAt, ttl, mustExist)
  const sessionAt = async (id: string) => (await records.read(id, undefined)).session

  test('who writes a new session learns how its grant is by then', async () => {
    expect(await write('abc.random', '{}')).toBeUndefined()
    await store.create('grant:abc', 'sealed', minute)
    expect(await write('abc.random', '{}')).toBe('sealed')
    expect(await write('other', '{}')).toBeUndefined()
  })

  test('a session is read as it was written, with the grant it carries', async () => {
    await write('abc.random', '{"cart":"apple"}')
    await store.create('grant:abc', 'sealed', minute)
    await store.create('grant:another', 'another', minute)
    const session = '{"cart":"apple"}'
    expect(await records.read('abc.random', 'abc')).toEqual({ session, grant: 'sealed', extendedAt: then })
    expect(await records.read('abc.random', undefined)).toEqual({
      session,
      grant: undefined,
      extendedAt: then,
    })
    expect(await records.read('abc.random', 'gone')).toEqual({ session, grant: undefined, extendedAt: then })
  })

  test('where nothing is, nothing is read, and a grant is found without its session', async () => {
    await store.create('grant:abc', 'sealed', minute)
    expect(await records.read('abc.random', undefined)).toEqual({
      session: undefined,
      grant: undefined,
      extendedAt: 0,
    })
    expect(await records.read('abc.random', 'abc')).toMatchObject({ session: undefined, grant: 'sealed' })
  })

  test('each session is one for itself, whatever it shares with others', async () => {
    for (const id of ['abc.one', 'abc.two', 'abc', 'one']) await write(id, `the session ${id}`)
    for (const id of ['abc.one', 'abc.two', 'abc', 'one'])
      expect(await sessionAt(id)).toBe(`the session ${id}`)
    await records.delete('abc.one')
    expect(await Promise.all(['abc.one', 'abc.two', 'abc'].map(sessionAt))).toEqual([
      undefined,
      'the session abc.two',
      'the session abc',
    ])
  })

  test.each([0, 1_000, 35_999, 1_900_000_000_999, 4_102_444_800_000])(
    'that it was extended at %d is kept to the second',
    async (extendedAt) => {
      await write('abc', '{"cart":"apple"}', { extendedAt })
      expect(await records.read('abc', undefined)).toEqual({
        session: '{"cart":"apple"}',
        grant: undefined,
        extendedAt: extendedAt - (extendedAt % 1000),
      })
    },
  )

  test('a session lives as long as it was told when it was last written', async () => {
    await write('abc', 'one', { ttl: minute + 0.5 })
    await pass(minute - 5_000)
    await write('abc', 'two', { ttl: minute + 0.5 })
    await pass(minute - 5_000)
    expect(await sessionAt('abc')).toBe('two')
    await pass(6_000)
    expect(await sessionAt('abc')).toBeUndefined()
  })

  test('a session that is gone is not brought back by who had it, and is made by who makes it', async () => {
    await write('abc', 'one')
    await write('abc', 'two', { mustExist: true })
    expect(await sessionAt('abc')).toBe('two')
    await records.delete('abc')
    await write('abc', 'three', { mustExist: true })
    expect(await sessionAt('abc')).toBeUndefined()
    await write('abc', 'four')
    expect(await sessionAt('abc')).toBe('four')
  })

  test('of two that write at the same time the last one wins, and none fails', async () => {
    await Promise.all([write('abc', 'one'), write('abc', 'two')])
    expect(await sessionAt('abc')).toBe('two')
    await Promise.all([write('abc', 'three', { mustExist: true }), write('abc', 'four', { mustExist: true })])
    expect(await sessionAt('abc')).toBe('four')
  })

  test('a session that is deleted while it is written stays deleted', async () => {
    await write('abc', 'one')
    await Promise.all([write('abc', 'two', { mustExist: true }), records.delete('abc')])
    expect(await sessionAt('abc')).toBeUndefined()
  })

  test('what is extended lives on together and bears the time, and nothing else of it changes', async () => {
    await write('abc.random', '{"cart":"apple"}')
    await write('abc.other', '{"cart":"pear"}')
    await store.create('grant:abc', 'sealed', minute)
    await store.create('grant:another', 'another', minute)
    jest.spyOn(Date, 'now').mockReturnValue(then + 123_456)
    expect(await records.extend('abc.random', 2 * minute + 0.5, grant(2 * minute + 0.5))).toBe(true)
    await pass(minute)
    expect(await records.read('abc.random', 'abc')).toEqual({
      session: '{"cart":"apple"}',
      grant: 'used',
      extendedAt: then + 123_000,
    })
    expect(await sessionAt('abc.other')).toBeUndefined()
    expect(await store.get('grant:another')).toBeUndefined()
    await pass(minute + 1_000)
    expect(await records.read('abc.random', 'abc')).toMatchObject({ session: undefined, grant: undefined })
  })

  test('a session may be read and extended without a grant: then none is touched', async () => {
    const grants = ['grant:abc', 'grant:undefined', 'grant:']
    await write('abc.random', 'one')
    for (const key of grants) await store.create(key, 'sealed', minute)
    expect(await records.read('abc.random', undefined)).toMatchObject({ session: 'one', grant: undefined })
    await records.extend('abc.random', 2 * minute)
    await pass(minute)
    expect(await sessionAt('abc.random')).toBe('one')
    expect(await Promise.all(grants.map((key) => store.get(key)))).toEqual(grants.map(() => undefined))
  })

  test('extending makes neither a session nor a grant', async () => {
    expect(await records.extend('abc.random', minute, grant(minute))).toBe(false)
    expect(await records.read('abc.random', 'abc')).toMatchObject({ session: undefined, grant: undefined })
    await store.create('grant:abc', 'sealed', minute)
    expect(await records.extend('abc.random', 2 * minute, grant(2 * minute))).toBe(true)
    await pass(minute)
    expect(await records.read('abc.random', 'abc')).toMatchObject({ session: undefined, grant: 'used' })
  })

  test('a grant may be replaced by its used value without a new life', async () => {
    await write('abc.random', 'one', { ttl: 3 * minute })
    await store.create('grant:abc', 'sealed', minute)
    expect(await records.extend('abc.random', 3 * minute, grant())).toBe(true)
    expect(await records.read('abc.random', 'abc')).toMatchObject({ grant: 'used' })
    await pass(minute + 1_000)
    expect(await records.read('abc.random', 'abc')).toMatchObject({ session: 'one', grant: undefined })
  })

  test('a grant that has changed since it was read keeps the life it has, and its session is extended all the same', async () => {
    await write('abc.random', 'one')
    await store.create('grant:abc', 'kept', 10 * minute)
    expect(await records.extend('abc.random', 2 * minute, grant(2 * minute))).toBe(false)
    await pass(minute)
    expect(await records.read('abc.random', 'abc')).toMatchObject({ session: 'one', grant: 'kept' })
    await pass(2 * minute)
    expect(await records.read('abc.random', 'abc')).toMatchObject({ session: undefined, grant: 'kept' })
  })

  test('a session that is written keeps the time it is given, not the one that is there', async () => {
    await write('abc', 'one', { extendedAt: then + 5_000 })
    await write('abc', 'two', { extendedAt: then, mustExist: true })
    expect((await records.read('abc', undefined)).extendedAt).toBe(then)
  })
}

/** Sessions that begin with no time: an app may have written them before it had this package. */
const unstamped = ['{"cart":"apple"}', '{"a":"t1234567"}', 't', 't123456', 'tABCDEFG', '', ' t1234567']

describe('sessions in a token store', () => {
  let store: MemoryTokenStore
  let records: SessionRecords
  let pass: Place['pass']
  beforeEach(() => {
    store = new MemoryTokenStore()
    records = storedSessions(store)
    let now = performance.now()
    jest.spyOn(performance, 'now').mockImplementation(() => now)
    pass = async (milliseconds) => {
      now += milliseconds
    }
  })
  afterEach(() => store.close())

  testSessions(() => ({ records, store, pass }))

  test.each(unstamped)('%j is a session that nobody has extended yet, until somebody does', async (value) => {
    await store.create('sess:abc', value, minute)
    expect(await records.read('abc', undefined)).toMatchObject({ session: value, extendedAt: 0 })
    jest.spyOn(Date, 'now').mockReturnValue(then)
    await records.extend('abc', minute)
    expect(await records.read('abc', undefined)).toMatchObject({ session: value, extendedAt: then })
  })
})

describeWithRedis('sessions in Redis', () => {
  let server: RedisServer
  let redis: Redis
  let store: RedisTokenStore
  let records: SessionRecords
  const sent: string[][] = []
  beforeAll(async () => {
    server = await startRedis()
    redis = new Redis(server.url)
    redis.on('error', () => {})
    watchCommands(redis, (...command) => sent.push(command))
    store = new RedisTokenStore(redis, { prefix: 'mine:' })
  })
  afterAll(async () => {
    redis.disconnect()
    await server.stop()
  })
  beforeEach(async () => {
    await redis.flushall()
    records = redisSessions(redis, 'mine:', 1000)
    sent.length = 0
  })

  async function pass(milliseconds: number): Promise<void> {
    for (const key of await redis.keys('*')) await redis.pexpire(key, (await redis.pttl(key)) - milliseconds)
  }

  testSessions(() => ({ records, store, pass }))

  test.each(unstamped)('%j is a session that nobody has extended yet', async (value) => {
    await redis.set('mine:sess:{abc}', value)
    expect(await records.read('abc', undefined)).toMatchObject({ session: value, extendedAt: 0 })
  })

  test('a session without a time is extended as it is', async () => {
    await redis.set('mine:sess:{abc}', '{"cart":"apple"}')
    await records.extend('abc', minute)
    expect(await redis.get('mine:sess:{abc}')).toBe('{"cart":"apple"}')
    expect(await redis.pttl('mine:sess:{abc}')).toBeGreaterThan(minute - 10_000)
  })

  test('session and grant live on one node of a cluster', async () => {
    await store.create('grant:abc', 'sealed', minute)
    await records.write('abc.random', 'one', then, minute, false)
    await records.write('random', 'two', then, minute, false)
    expect((await redis.keys('*')).toSorted()).toEqual([
      'mine:grant:{abc}',
      'mine:sess:{abc}.random',
      'mine:sess:{random}',
    ])
  })

  test('whatever is done takes one command', async () => {
    await records.write('abc.random', 'one', then, minute, false)
    await records.write('abc.random', 'two', then, minute, true)
    await records.read('abc.random', 'abc')
    await records.read('abc.random', undefined)
    await records.extend('abc.random', minute, grant(minute))
    await records.delete('abc.random')
    expect(sent.map(([command]) => command)).toEqual(['eval', 'set', 'mget', 'mget', 'eval', 'del'])
  })
})
