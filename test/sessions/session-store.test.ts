import type { SessionData } from 'express-session'
import { Redis } from 'ioredis'
import { MemoryTokenStore, RedisTokenStore, type TokenStore } from '../../src'
import { promised } from '../../src/sessions/session'
import { SessionStore } from '../../src/sessions/session-store'
import { checkedTokenStore } from '../../src/store/checked-token-store'
import { type RedisServer, describeWithRedis, startRedis } from '../support/redis'

const minute = 60_000
const idle = 10 * minute

/** A token store, and what its tests do with it. */
interface Place {
  tokenStore: TokenStore
  /** Lets what is stored live shorter by this many milliseconds. */
  pass: (milliseconds: number) => Promise<void>
}

type Content = Record<string, unknown>

afterEach(() => jest.restoreAllMocks())

function testSessions(placeOf: () => Place): void {
  let tokenStore: TokenStore
  let pass: Place['pass']
  let sessions: SessionStore
  let asked: string[]
  beforeEach(() => {
    ;({ tokenStore, pass } = placeOf())
    asked = []
    sessions = new SessionStore(checkedTokenStore(watched(tokenStore, asked)), idle, (error) => {
      throw error
    })
  })

  const set = (id: string, data: SessionData) => promised((done) => sessions.set(id, data, done))
  const get = (id: string) =>
    new Promise<SessionData | null | undefined>((resolve, reject) => {
      sessions.get(id, (error, data) => (error ? reject(error as Error) : resolve(data)))
    })
  const destroy = (id: string) => promised((done) => sessions.destroy(id, done))
  /** The session as a request gets it. */
  const held = async (id: string) => (await get(id)) as SessionData
  const cartOf = async (id: string) => ((await get(id)) as Content | undefined)?.['cart']
  const extend = async (id: string) => {
    const { text } = await sessions.read(id)
    await sessions.extend({ id, text: text as string }, idle)
  }

  test('a session is read as it was written, with the grant that its id carries, in one round trip', async () => {
    await set('abc.random', dataOf('apple'))
    await tokenStore.create('grant:abc', 'sealed', minute)
    await tokenStore.create('grant:another', 'another', minute)
    asked.length = 0
    expect(await sessions.read('abc.random')).toEqual({
      text: JSON.stringify(dataOf('apple')),
      sealed: 'sealed',
    })
    expect(asked).toEqual(['getMany sess:abc.random,grant:abc'])
  })

  test('a session whose id carries no grant is read alone', async () => {
    await set('random', dataOf('apple'))
    asked.length = 0
    expect(await sessions.read('random')).toMatchObject({ sealed: undefined })
    expect(asked).toEqual(['getMany sess:random'])
  })

  test('where nothing is, nothing is read, and a grant is found without its session', async () => {
    await tokenStore.create('grant:abc', 'sealed', minute)
    expect(await sessions.read('abc.random')).toEqual({ text: undefined, sealed: 'sealed' })
    expect(await sessions.read('other.random')).toEqual({ text: undefined, sealed: undefined })
    expect(await get('abc.random')).toBeUndefined()
  })

  test('each session is one for itself, whatever its id shares with others', async () => {
    const ids = ['abc.one', 'abc.two', 'abc', 'one']
    for (const id of ids) await set(id, dataOf(id))
    expect(await Promise.all(ids.map(cartOf))).toEqual(ids)
    await destroy('abc.one')
    expect(await Promise.all(ids.map(cartOf))).toEqual([undefined, ...ids.slice(1)])
  })

  test.each(['null', '7', '"text"', '{}', '{"cookie":null}', '{"cookie":7}', '{half'])(
    'what is no session, as %s, is none',
    async (text) => {
      await tokenStore.create('sess:abc', text, minute)
      expect(await get('abc')).toBeUndefined()
    },
  )

  test('creating a session, writing on it and deleting it take one operation each', async () => {
    await set('abc', dataOf('apple'))
    const data = await held('abc')
    asked.length = 0
    await set('abc', Object.assign(data, { cart: 'pear' }))
    await destroy('abc')
    await set('other', dataOf('apple'))
    expect(asked).toEqual(['replace sess:abc', 'delete sess:abc', 'create sess:other'])
  })

  test('a session that has not changed since it was written is not written again', async () => {
    const data = dataOf('apple')
    await set('abc', data)
    data.cookie.maxAge = 1_000
    asked.length = 0
    await set('abc', data)
    expect(asked).toEqual([])
    await set('abc', Object.assign(data, { cart: 'pear' }))
    expect(asked).toEqual(['replace sess:abc'])
  })

  test('a session has changed where a member called cookie has, but for its own', async () => {
    await set('abc', dataOf('apple'))
    const data = (await held('abc')) as SessionData & { cart: unknown }
    data.cart = { cookie: 'oats' }
    await set('abc', data)
    data.cart = { cookie: 'nuts' }
    await set('abc', data)
    expect(await cartOf('abc')).toEqual({ cookie: 'nuts' })
  })

  test('a session that was destroyed meanwhile is not brought back by who held it, and is made by who makes it', async () => {
    await set('abc', dataOf('apple'))
    const data = await held('abc')
    await destroy('abc')
    await set('abc', Object.assign(data, { cart: 'pear' }))
    expect(await get('abc')).toBeUndefined()
    await set('abc', dataOf('plum'))
    expect(await cartOf('abc')).toBe('plum')
  })

  test('a session that is destroyed while it is written stays destroyed', async () => {
    await set('abc', dataOf('apple'))
    const data = Object.assign(await held('abc'), { cart: 'pear' })
    await Promise.all([set('abc', data), destroy('abc')])
    expect(await get('abc')).toBeUndefined()
  })

  test('of two that hold a session the last one that writes wins', async () => {
    await set('abc', dataOf('apple'))
    const [one, two] = [await held('abc'), await held('abc')]
    await set('abc', Object.assign(one, { cart: 'pear' }))
    await set('abc', Object.assign(two, { cart: 'plum' }))
    expect(await cartOf('abc')).toBe('plum')
  })

  test('of a hundred that write at once one wins, and none fails', async () => {
    await set('abc', dataOf('apple'))
    const holders = await Promise.all(Array.from({ length: 100 }, () => held('abc')))
    await Promise.all(holders.map((data, i) => set('abc', Object.assign(data, { cart: `${i}` }))))
    expect(Number(await cartOf('abc'))).toBeGreaterThanOrEqual(0)
  })

  test('a session lives as long as it was given when it was created, however often it is written and touched', async () => {
    await set('abc', dataOf('apple'))
    await pass(idle - minute)
    const data = await held('abc')
    await set('abc', Object.assign(data, { cart: 'pear' }))
    await promised((done) => sessions.touch('abc', data, done))
    await pass(minute - 1_000)
    expect(await cartOf('abc')).toBe('pear')
    await pass(2_000)
    expect(await get('abc')).toBeUndefined()
  })

  test('a session that is extended lives on from then, and is the same', async () => {
    await set('abc', dataOf('apple'))
    await pass(idle - minute)
    asked.length = 0
    await extend('abc')
    expect(asked).toEqual(['getMany sess:abc', 'replace sess:abc'])
    await pass(idle - minute)
    expect(await cartOf('abc')).toBe('apple')
    await pass(2 * minute)
    expect(await get('abc')).toBeUndefined()
  })

  test('a session that was written since it was read is extended as it is', async () => {
    await set('abc', dataOf('apple'))
    const { text } = await sessions.read('abc')
    await pass(idle - minute)
    await set('abc', Object.assign(await held('abc'), { cart: 'pear' }))
    await sessions.extend({ id: 'abc', text: text as string }, idle)
    await pass(idle - minute)
    expect(await cartOf('abc')).toBe('pear')
  })

  test('a session that is gone is not extended back', async () => {
    await set('abc', dataOf('apple'))
    const { text } = await sessions.read('abc')
    await destroy('abc')
    await sessions.extend({ id: 'abc', text: text as string }, idle)
    expect(await get('abc')).toBeUndefined()
  })
}

/** A session as express-session gives it to a store. */
function dataOf(cart: string): SessionData {
  return { cookie: { originalMaxAge: minute }, cart } as unknown as SessionData
}

/** The store, with each operation and key noted. */
function watched(store: TokenStore, asked: string[]): TokenStore {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return (...args: unknown[]) => {
        asked.push(`${String(name)} ${String(args[0])}`)
        return (member as (...all: unknown[]) => unknown).apply(target, args)
      }
    },
  })
}

describe('sessions in memory', () => {
  let store: MemoryTokenStore
  let pass: Place['pass']
  beforeEach(() => {
    store = new MemoryTokenStore()
    let now = performance.now()
    jest.spyOn(performance, 'now').mockImplementation(() => now)
    pass = async (milliseconds) => {
      now += milliseconds
    }
  })
  afterEach(() => store.close())

  testSessions(() => ({ tokenStore: store, pass }))
})

describeWithRedis('sessions in Redis', () => {
  let server: RedisServer
  let redis: Redis
  let store: RedisTokenStore
  beforeAll(async () => {
    server = await startRedis()
    redis = new Redis(server.url)
    store = new RedisTokenStore(redis, { prefix: 'mine:' })
  })
  afterAll(async () => {
    redis.disconnect()
    await server.stop()
  })
  beforeEach(() => redis.flushall())

  async function pass(milliseconds: number): Promise<void> {
    for (const key of await redis.keys('*')) await redis.pexpire(key, (await redis.pttl(key)) - milliseconds)
  }

  testSessions(() => ({ tokenStore: store, pass }))

  test('session and grant live on one node of a cluster', async () => {
    const sessions = new SessionStore(checkedTokenStore(store), idle, () => {})
    await store.create('grant:abc', 'sealed', minute)
    for (const id of ['abc.random', 'random']) {
      await promised((done) => sessions.set(id, dataOf('apple'), done))
    }
    expect((await redis.keys('*')).toSorted()).toEqual([
      'mine:grant:{abc}',
      'mine:sess:{abc}.random',
      'mine:sess:{random}',
    ])
  })
})
