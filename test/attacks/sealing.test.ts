import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { Browser } from '../support/browser'
import { startRelay } from '../support/relay'
import { type InHouse, dropIns, inEachHouse } from './support/houses'
import type { Victim } from './support/start-victim'

const secretOf = () => randomBytes(32).toString('base64url')
const overRedis = dropIns.filter(({ store }) => store === 'redis')

async function grantKeys(redis: Redis): Promise<string[]> {
  return (await redis.keys('pagerduty:grant:*')).toSorted()
}

/** Which of the secrets each grant is sealed with, by its key id. */
async function keyIDs(redis: Redis): Promise<(string | undefined)[]> {
  const values = await redis.mget(await grantKeys(redis))
  return values.map((value) => value?.split('.')[1])
}

async function people(victim: Victim, browsers: readonly Browser[]): Promise<(string | null)[]> {
  return Promise.all(browsers.map((browser) => victim.userOf(browser)))
}

inEachHouse(overRedis, (house: InHouse) => {
  let redis: Redis
  beforeAll(() => {
    redis = new Redis(house.redis?.url ?? '')
  })
  afterAll(() => redis.disconnect())
  beforeEach(async () => {
    await redis.flushall()
  })

  test('K2, CVE-2022-39263: a record at another key logs nobody in as somebody else, and is no failure', async () => {
    const { victim } = house
    const browser = await victim.logIn()
    const [mine = ''] = await grantKeys(redis)
    await victim.logIn(new Browser(), 'PACME02')
    const theirs = (await grantKeys(redis)).find((key) => key !== mine) ?? ''
    const own = (await redis.get(mine)) ?? ''
    const others = await Promise.all((await redis.keys('*')).map((key) => redis.get(key)))
    expect(others.length).toBeGreaterThan(3)
    for (const other of others.filter((value) => value !== own)) {
      await redis.set(mine, other ?? '', 'KEEPTTL')
      const answer = await browser.fetch(`${victim.url}/me`)
      expect({ status: answer.status, user: await victim.userOf(browser) }).toEqual({
        status: 401,
        user: null,
      })
    }
    await redis.set(mine, own, 'KEEPTTL')
    expect(await victim.userOf(browser)).toBe('PACME01')
    expect(theirs).not.toBe('')
  })

  test('K1, K3, K6, K7: what was altered, cut, or written by another version logs out, and stays as it is', async () => {
    const { victim } = house
    const browser = await victim.logIn()
    const [key = ''] = await grantKeys(redis)
    const sealed = (await redis.get(key)) ?? ''
    const [version, id, body = ''] = sealed.split('.')
    const bytes = Buffer.from(body, 'base64url')
    const flips = Array.from({ length: 40 }, () => {
      const flipped = Buffer.from(bytes)
      const at = Math.floor(Math.random() * bytes.length)
      flipped[at] = (flipped[at] ?? 0) ^ (1 << Math.floor(Math.random() * 8))
      return `${version}.${id}.${flipped.toString('base64url')}`
    })
    const cuts = [4, 8, 12].map((left) => `1.${id}.${bytes.subarray(0, left - 16).toString('base64url')}`)
    const ids = ['__proto__', 'constructor', 'AAAAAA', ''].map((other) => `1.${other}.${body}`)
    const shapes = [
      `2.${id}.${body}`,
      `2.${id}.${body}.more`,
      '',
      '{}',
      'null',
      '...',
      '\0',
      'x'.repeat(100_000),
    ]
    for (const value of [...flips, ...cuts, ...ids, ...shapes]) {
      await redis.set(key, value, 'KEEPTTL')
      const answer = await browser.fetch(`${victim.url}/me`)
      expect({ value, status: answer.status }).toEqual({ value, status: 401 })
      expect(await redis.get(key)).toBe(value)
    }
    await redis.set(key, sealed, 'KEEPTTL')
    expect(await victim.userOf(browser)).toBe('PACME01')
  })

  test('K4: secrets rotate over two processes while people work, and nobody is logged out before the old one goes', async () => {
    const [first, second] = [secretOf(), secretOf()]
    const start = (secret: string[]) => house.another({ redis: house.redis?.url, options: { secret } })
    const old = await start([first])
    const browsers = await Promise.all([1, 2, 3].map(() => old.logIn()))
    const [before] = await keyIDs(redis)
    // Rolling: the new secret is known everywhere before anybody seals with it.
    const ready = await start([first, second])
    const rolled = await start([second, first])
    let isOver = false
    const statuses: number[] = []
    const work = browsers.map(async (browser) => {
      while (!isOver) {
        for (const victim of [ready, rolled]) statuses.push((await browser.fetch(`${victim.url}/me`)).status)
      }
    })
    house.standIn.expireAccessTokens()
    const renewed = await Promise.all(
      browsers.slice(0, 2).map((browser) => browser.fetch(`${rolled.url}/incidents`)),
    )
    isOver = true
    await Promise.all(work)
    expect(renewed.map(({ status }) => status)).toEqual([200, 200])
    expect(statuses.length).toBeGreaterThan(0)
    expect(new Set(statuses)).toEqual(new Set([200]))
    const after = await keyIDs(redis)
    expect(after.filter((id) => id === before)).toHaveLength(1)
    // With the old secret gone its cookies count for nothing: whoever has one is logged out, and can log in again.
    const last = await start([second])
    const outcome = await Promise.all(browsers.map((browser) => browser.fetch(`${last.url}/me`)))
    expect(outcome.map(({ status }) => status)).toEqual([401, 401, 401])
    expect(await people(last, [await last.logIn(browsers[0])])).toEqual(['PACME01'])
  }, 30_000)

  test('CVE-2023-28858: what Redis answers too late is taken for nobody else’s answer', async () => {
    const relay = await startRelay(house.redis?.port ?? 0)
    const url = `redis://127.0.0.1:${relay.port}`
    const victim = await house.another({ redis: url, options: { redis: url } })
    const users = ['PACME01', 'PACME02']
    const browsers = await Promise.all(users.map((user) => victim.logIn(new Browser(), user)))
    const wrong: unknown[] = []
    const statuses = new Set<number>()
    const ask = async () => {
      const asked = browsers.map(async (browser, position) => {
        const answer = await browser.fetch(`${victim.url}/me`)
        statuses.add(answer.status)
        const { user } = (await answer.json()) as { user?: { id: string } }
        if (answer.status === 200 && user?.id !== users[position]) wrong.push(user)
      })
      await Promise.all(asked)
    }
    for (const delay of [0, 600, 0, 300, 700, 0]) {
      relay.delay = delay
      await Promise.all([ask(), ask(), ask()])
    }
    expect(wrong).toEqual([])
    expect(statuses).toContain(503)
    while (!(await people(victim, browsers)).every((user, position) => user === users[position]));
    await victim.stop()
    await relay.close()
  }, 30_000)
})
