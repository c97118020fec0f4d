import { Redis } from 'ioredis'
import type { PagerDutyOptions } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'
import { margin } from '../support/margin'
import { type RedisServer, describeWithRedis, startRedis, watchCommands } from '../support/redis'

const secret = 'a secret of thirty-two characters or more, for tests'

describeWithRedis('pd.auth() over Redis', () => {
  let simulator: Simulator
  let server: RedisServer
  let redis: Redis
  let sent: string[]
  const apps: DropIn[] = []

  beforeAll(async () => {
    simulator = await startPagerDuty()
    server = await startRedis()
  })
  afterAll(async () => {
    await simulator.close()
    await server.stop()
  })
  beforeEach(async () => {
    redis = connect()
    await redis.flushall()
    sent = []
    watchCommands(redis, (name = '') => sent.push(name))
  })
  afterEach(async () => {
    jest.restoreAllMocks()
    for (const app of apps.splice(0)) await app.close()
    redis.disconnect()
  })

  function connect(): Redis {
    const client = new Redis(server.url)
    client.on('error', () => {})
    return client
  }

  /** One of the processes of the app: its own instance of the package, over the same Redis. */
  async function start(
    options: PagerDutyOptions = {},
    more?: Parameters<typeof startDropIn>[2],
  ): Promise<DropIn> {
    const app = await startDropIn(simulator, { redis, secret, ...options }, more)
    apps.push(app)
    return app
  }

  /** The same browser at another process, which listens at another port of the same host. */
  const at = (app: DropIn, browser: Browser, path = '/incidents') => browser.fetch(app.url + path)

  test('takes six commands for a login at the most', async () => {
    const app = await start()
    const browser = new Browser()
    const callback = await approve(await app.begin(browser))
    expect(sent).toEqual([])
    // One that takes long looks once more whether another one has replaced it.
    const clock = jest.spyOn(performance, 'now').mockReturnValue(performance.now())
    expect((await browser.visit(callback)).status).toBe(302)
    clock.mockRestore()
    expect(sent.length).toBeLessThanOrEqual(6)
  })

  test('sends one command for a guarded request', async () => {
    const app = await start()
    const { browser } = await app.logIn()
    expect((await app.get(browser)).status).toBe(200)
    sent.length = 0
    for (let i = 0; i < 50; i++) expect((await app.get(browser)).status).toBe(200)
    expect(sent).toEqual(Array(50).fill('mget'))
  })

  test('sends none for a visitor without a session', async () => {
    const app = await start()
    expect((await app.get(new Browser())).status).toBe(401)
    expect(sent).toEqual([])
  })

  test('A5: three thousand begun logins leave nothing in Redis', async () => {
    const app = await start()
    for (let i = 0; i < 3000; i++) await fetch(`${app.url}/auth/pagerduty`, { redirect: 'manual' })
    expect(await redis.dbsize()).toBe(0)
  })

  test('keeps a login for every process, and ends it for every process at once', async () => {
    const [first, second] = [await start(), await start()]
    const { browser } = await first.logIn()
    expect((await at(second, browser)).status).toBe(200)
    await first.logOut(browser.copy())
    expect((await at(second, browser)).status).toBe(401)
    expect((await at(first, browser)).status).toBe(401)
  })

  test('a slow request that writes its session after the logout revives nothing', async () => {
    const begun = defer()
    const go = defer()
    const slow = await start({}, (express) => {
      express.get('/slow', async (req, res) => {
        begun.resolve()
        await go.promise
        Object.assign((req as unknown as { session: object }).session, { cart: 'apple' })
        res.json('done')
      })
    })
    const other = await start()
    const { browser } = await slow.logIn()
    const old = browser.copy()
    const answer = at(slow, browser, '/slow')
    await begun.promise
    expect((await other.logOut(old.copy())).status).toBe(204)
    go.resolve()
    expect((await answer).status).toBe(200)
    for (const app of [slow, other]) expect((await at(app, old)).status).toBe(401)
    expect(await redis.keys('*sess*')).toEqual([])
  })

  test('ends a grant that no session presents within a minute, and lets it live with its session afterwards', async () => {
    const app = await start()
    const { browser } = await app.logIn()
    const [key = ''] = await redis.keys('pagerduty:grant:*')
    expect(await redis.pttl(key)).toBeLessThanOrEqual(60_000)
    await app.get(browser)
    expect(await redis.pttl(key)).toBeGreaterThan(7 * 60 * 60_000)
    const [session = ''] = await redis.keys('pagerduty:sess:*')
    expect(Math.abs((await redis.pttl(session)) - (await redis.pttl(key)))).toBeLessThan(1000)
  })

  test('one process extends a session for all of them, and the next one when it is time', async () => {
    const first = await start()
    const second = await start()
    const { browser } = await first.logIn()
    await first.get(browser)
    await first.get(browser) // Over the connection on which the first one was extended.
    const [key = ''] = await redis.keys('pagerduty:sess:*')
    await redis.pexpire(key, 60_000)
    expect((await at(second, browser)).status).toBe(200)
    await at(second, browser)
    expect(await redis.pttl(key)).toBeLessThanOrEqual(60_000)
    const now = Date.now()
    jest.spyOn(Date, 'now').mockReturnValue(now + 6 * 60_000)
    await at(second, browser)
    await at(second, browser)
    expect(await redis.pttl(key)).toBeGreaterThan(7 * 60 * 60_000)
  })

  test('a grant that is kept while another process is about to extend it is not cut back to its session', async () => {
    const own = connect()
    const [reached, go] = [defer(), defer()]
    watchCommands(own, async (name, _script, _count, key) => {
      if (name !== 'eval' || !key?.includes(':grant:')) return
      reached.resolve()
      await go.promise
    })
    const [keeping, late] = [await start(), await start({ redis: own })]
    const { browser } = await keeping.logIn()
    // It has read the grant, and its next command is on the way.
    await at(late, browser)
    await reached.promise
    const [grant = ''] = await keeping.pd.grants.list({ accountID: 'PACME00', userID: 'PACME01' })
    await keeping.pd.grants.keep((grant as { grantID: string }).grantID)
    const [key = ''] = await redis.keys('pagerduty:grant:*')
    const kept = await redis.pttl(key)
    go.resolve()
    await late.pd.close()
    await own.ping()
    expect(await redis.pttl(key)).toBeGreaterThan(kept - 60_000)
    own.disconnect()
  })

  test('a clock that is far ahead keeps no other process from extending a session', async () => {
    const ahead = await start()
    const { browser } = await ahead.logIn()
    const now = Date.now()
    const clock = jest.spyOn(Date, 'now').mockReturnValue(now + 60 * 60_000)
    await ahead.get(browser)
    await ahead.get(browser)
    clock.mockRestore()
    const [key = ''] = await redis.keys('pagerduty:sess:*')
    await redis.pexpire(key, 60_000)
    const right = await start()
    await at(right, browser)
    await at(right, browser)
    expect(await redis.pttl(key)).toBeGreaterThan(7 * 60 * 60_000)
  })

  test('a session that is written keeps in mind when it was extended', async () => {
    const app = await start({}, (express) => {
      express.get('/put', (req, res) => {
        Object.assign((req as unknown as { session: object }).session, { cart: 'apple' })
        res.json('done')
      })
    })
    const other = await start()
    const { browser } = await app.logIn()
    await app.get(browser)
    await at(app, browser, '/put')
    const [key = ''] = await redis.keys('pagerduty:sess:*')
    expect(await redis.get(key)).toContain('apple')
    await redis.pexpire(key, 60_000)
    await at(other, browser)
    await at(other, browser)
    expect(await redis.pttl(key)).toBeLessThanOrEqual(60_000)
  })

  test('never moves the absolute end of a login', async () => {
    const app = await start({ session: { idle: 60 * 60_000, absolute: 2 * 60 * 60_000 } })
    const { browser } = await app.logIn()
    expect((await app.get(browser)).status).toBe(200)
    const now = Date.now()
    jest.spyOn(Date, 'now').mockReturnValue(now + 2 * 60 * 60_000)
    expect((await app.get(browser)).status).toBe(401)
  })

  test('keeps no token in clear, in keys or values', async () => {
    const app = await start()
    const { browser } = await app.logIn()
    await app.get(browser)
    const dump = []
    for (const key of await redis.keys('*')) dump.push(key, await redis.get(key))
    expect(dump.join('\n')).toContain('pagerduty:grant:')
    expect(dump.join('\n')).not.toMatch(/pdus\+|PACME01@|incidents\.read|simulator-secret/)
  })

  test('takes no grant that was moved to the key of another', async () => {
    const app = await start()
    const ada = await app.logIn(new Browser(), { user: 'PACME01' })
    const [adasKey = ''] = await redis.keys('pagerduty:grant:*')
    const ben = await app.logIn(new Browser(), { user: 'PACME02' })
    const [bensKey = ''] = (await redis.keys('pagerduty:grant:*')).filter((key) => key !== adasKey)
    await redis.set(bensKey, (await redis.get(adasKey)) as string)
    expect((await app.get(ben.browser)).status).toBe(401)
    expect((await app.get(ada.browser)).status).toBe(200)
  })

  test('a new secret logs no one out while the old one is still in the list', async () => {
    const before = await start({ secret })
    const { browser } = await before.logIn()
    const newer = 'another secret of thirty-two characters, and then some'
    expect((await at(await start({ secret: [newer, secret] }), browser)).status).toBe(200)
    expect((await at(await start({ secret: newer }), browser.copy())).status).toBe(401)
  })

  test('finds, keeps and ends the grants of a user without a request', async () => {
    const app = await start()
    const { browser } = await app.logIn()
    const { browser: phone } = await app.logIn()
    await app.logIn(new Browser(), { user: 'PACME02' })
    const ada = { accountID: 'PACME00', userID: 'PACME01' }
    const grants = await app.pd.grants.list(ada)
    expect(grants.map((grant) => grant.user?.id)).toEqual(['PACME01', 'PACME01'])
    const [one] = grants
    expect(await one?.getAccessToken()).toMatch(/^pdus\+/)
    expect((await one?.fetch('/incidents'))?.status).toBe(200)
    expect(await app.pd.grants.keep(one?.grantID ?? '')).toBe(true)
    await app.pd.grants.revoke(ada)
    expect(await app.pd.grants.list(ada)).toEqual([])
    for (const old of [browser, phone]) expect((await app.get(old)).status).toBe(401)
    expect(await app.pd.grants.list({ accountID: 'PACME00', userID: 'PACME02' })).toHaveLength(1)
  })

  test('while Redis is silent, responds quickly with 503, sets no cookie, and works again when it is back', async () => {
    const app = await start()
    const { browser } = await app.logIn()
    expect((await app.get(browser)).status).toBe(200)
    server.freeze()
    const startedAt = performance.now()
    const denied = await app.get(browser)
    expect(performance.now() - startedAt).toBeLessThan(2_500 + margin)
    expect(denied.status).toBe(503)
    expect(denied.headers.get('retry-after')).toBe('2')
    expect(denied.headers.get('set-cookie')).toBeNull()
    server.thaw()
    expect((await app.get(browser)).status).toBe(200)
  })

  test('a logout gets 503 while a master that has to has no replica, and is done afterwards', async () => {
    const app = await start()
    const { browser } = await app.logIn()
    const copy = browser.copy()
    await app.get(copy, '/me') // extends the login, which is a write
    const grantID = (await app.pd.grants.list({ accountID: 'PACME00', userID: 'PACME01' }))[0]?.grantID
    await redis.config('SET', 'min-replicas-to-write', '1')
    expect((await app.logOut(browser)).status).toBe(503)
    expect((await app.get(copy, '/me')).status).toBe(200)
    await redis.config('SET', 'min-replicas-to-write', '0')
    expect((await app.logOut(copy)).status).toBe(204)
    expect((await app.get(copy, '/me')).status).toBe(401)
    await expect(app.pd.grants.revoke(grantID as string)).resolves.toBeUndefined()
  })

  test('connects by URL, and closes only the connection it made', async () => {
    const app = await start({ redis: server.url })
    const { browser } = await app.logIn()
    expect((await app.get(browser)).status).toBe(200)
    await app.pd.close()
    expect(redis.status).toBe('ready')
    const clients = async () => ((await redis.call('CLIENT', 'LIST')) as string).trim().split('\n')
    while ((await clients()).length > 1);
  })

  test.each([
    ['the token store', { tokenStore: undefined, redis: 'http://127.0.0.1' }, /"redis" must be a URL/],
    ['the secret', { secret: undefined }, /"secret" is required/],
  ])('says at the start what is wrong with %s', async (_what, options, message) => {
    await expect(start(options as PagerDutyOptions)).rejects.toThrow(message)
  })
})

function defer(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
