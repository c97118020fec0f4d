import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { MemoryTokenStore, type PagerDutyOptions, RedisTokenStore, pagerduty } from '../../src'
import { type Simulator, sendWebhook, startPagerDuty } from '../../src/testing'
import { type DropIn, startDropIn } from '../support/drop-in'
import { secret } from '../support/passport-app'
import { describeWithRedis, type RedisServer, startRedis } from '../support/redis'

const webhookSecret = 'HvPtlQNKMPpHSSqJpCdndXfo7HnGXa1pnH6w5axpxLFn9aRBNBGh4e8'
const owner = { accountID: 'PACME00', userID: 'PACME01' }

let simulator: Simulator

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())

describeWithRedis('two apps that share a Redis, each with a prefix', () => {
  let server: RedisServer
  let redis: Redis
  let shop: DropIn
  let desk: DropIn
  let handled: string[]

  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    redis = new Redis(server.url)
    await redis.flushall()
    handled = []
    const start = (prefix: string) =>
      startDropIn(
        simulator,
        { redis: server.url, secret, prefix, account: 'us.acme', webhookSecret },
        (express, pd) =>
          express.post(
            '/hook',
            pd.webhook(() => handled.push(prefix)),
          ),
      )
    shop = await start('shop:')
    desk = await start('desk:')
  })
  afterEach(async () => {
    await Promise.all([shop.close(), desk.close()])
    redis.disconnect()
  })

  const keys = async () => (await redis.keys('*')).toSorted()

  test('share no session and no grant', async () => {
    const { browser } = await shop.logIn()
    expect((await shop.get(browser)).status).toBe(200)
    expect((await desk.get(browser.copy())).status).toBe(401)
    const { browser: other } = await desk.logIn()
    expect(await shop.pd.grants.list(owner)).toHaveLength(1)
    expect(await desk.pd.grants.list(owner)).toHaveLength(1)
    await shop.pd.grants.revoke(owner)
    expect((await shop.get(browser)).status).toBe(401)
    expect((await desk.get(other)).status).toBe(200)
  })

  test('share no app token', async () => {
    const before = simulator.calls.token.client_credentials
    const [one, two] = [await shop.pd.appTokens.getToken(), await desk.pd.appTokens.getToken()]
    expect(one.accessToken).not.toBe(two.accessToken)
    expect(simulator.calls.token.client_credentials - before).toBe(2)
  })

  test('handle each webhook, both of them', async () => {
    const event = { id: randomUUID(), event_type: 'incident.triggered' }
    for (const { url } of [shop, desk, shop]) {
      await sendWebhook(`${url}/hook`, event as never, { secret: webhookSecret })
    }
    expect(handled).toEqual(['shop:', 'desk:'])
  })

  test('have nothing without their prefix, locks of refreshes among it, and a hash tag in each key', async () => {
    for (const app of [shop, desk]) {
      const { browser } = await app.logIn()
      simulator.failNext('token', { status: 503 } as never)
      simulator.expireTokens()
      await app.get(browser)
      await app.pd.appTokens.getToken()
    }
    const all = await keys()
    expect(all.length).toBeGreaterThan(8)
    expect(all.filter((key) => !/^(shop|desk):pagerduty:\w+:\{[^}]+\}/.test(key))).toEqual([])
    const tagOf = (kind: string) =>
      all.find((key) => key.startsWith(`shop:pagerduty:${kind}:`))?.replace(/^[^{]*(\{[^}]*\}).*$/, '$1')
    expect(tagOf('sess')).toBe(tagOf('grant'))
  })

  test('wait for no lock of each other', async () => {
    const { browser } = await shop.logIn()
    const { browser: other } = await desk.logIn()
    simulator.expireTokens()
    const waits: unknown[] = []
    for (const app of [shop, desk]) app.pd.on('lockWait', (wait) => waits.push(wait))
    const statuses = await Promise.all([shop.get(browser), desk.get(other)])
    expect(statuses.map(({ status }) => status)).toEqual([200, 200])
    expect(waits).toEqual([])
  })
})

describeWithRedis('two instances of an app that share its prefix', () => {
  test('find and end no grants of each other', async () => {
    const server = await startRedis()
    const options = { redis: server.url, secret, prefix: 'shop:' }
    const app = await startDropIn(simulator, options)
    const crm = await startDropIn(simulator, { ...options, name: 'crm' })
    try {
      await app.logIn()
      await crm.logIn(undefined, { path: '/auth/crm' })
      const listed = await Promise.all([app, crm].map(({ pd }) => pd.grants.list(owner)))
      expect(listed.map(({ length }) => length)).toEqual([1, 1])
      const id = listed[1]?.[0]?.grantID ?? ''
      expect(await app.pd.grants.get(id)).toBeUndefined()
      await app.pd.grants.revoke(owner)
      expect(await crm.pd.grants.get(id)).toBeDefined()
    } finally {
      await Promise.all([app.close(), crm.close()])
      await server.stop()
    }
  })
})

describe('the option prefix', () => {
  const start = (options: PagerDutyOptions) =>
    pagerduty({
      ...simulator.options(),
      scope: 'incidents.read',
      callbackURL: 'http://localhost/auth/pagerduty/callback',
      secret,
      ...options,
    })

  test.each(['', 'with space:', '{shop}:', 'shop}', 'ä:', 'x'.repeat(65), 5])(
    'that is %j is rejected',
    (prefix) => {
      expect(() => start({ prefix: prefix as never })).toThrow('"prefix" must be 1 to 64 characters')
      expect(() => new RedisTokenStore({} as never, { prefix: prefix as never })).toThrow(/^"(prefix|redis)"/)
    },
  )

  test('together with a tokenStore is rejected: it would have no effect', () => {
    expect(() => start({ prefix: 'shop:', tokenStore: new MemoryTokenStore() })).toThrow(
      '"prefix" has no effect on this tokenStore',
    )
  })

  test('does not hide that the name is wrong', () => {
    expect(() => start({ name: 'two words' })).toThrow('"name" must be a short word')
  })

  test('may stand there without Redis, as in development', async () => {
    const pd = start({ prefix: 'shop:' })
    expect(pd.strategy.name).toBe('pagerduty')
    await pd.close()
  })
})
