import { inspect } from 'node:util'
import {
  AppTokens,
  ConfigurationError,
  LoginRequiredError,
  MemoryTokenStore,
  type RedisClient,
  RedisTokenStore,
  TokenStoreError,
  type TokenStore,
  pagerduty,
  webhookReceiver,
} from '../../src'
import { checkedTokenStore } from '../../src/store/checked-token-store'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

const secret = 'a secret of thirty-two characters or more, for tests'
const canary = 'canary-in-the-message'

/** A driver's error: its message holds what was to be written. */
class DatabaseError extends Error {
  override name = 'DatabaseError'
  readonly code = '23505'
  readonly detail = `Key (key)=(${canary}) already exists.`
  constructor() {
    super(`duplicate key value (${canary})\n    at ${canary}`)
  }
}

type Operation = keyof TokenStore
type Fault = (operation: Operation, key: string) => unknown

/** A custom store, over a database that works until it is set to fail. */
class OwnStore {
  readonly memory = new MemoryTokenStore()
  fault: Fault = () => working

  readonly store = Object.fromEntries(
    (['get', 'getMany', 'create', 'replace', 'delete'] as const).map((operation) => [
      operation,
      (...args: [string | string[], ...never[]]) => {
        const result = this.fault(operation, String(args[0]))
        const work = this.memory[operation].bind(this.memory) as (...all: unknown[]) => unknown
        return result === working ? work(...args) : result
      },
    ]),
  ) as unknown as TokenStore
}

const working = Symbol('works')

/** The ways in which a store of a user's fails. */
const failures: [string, () => unknown][] = [
  ['rejects with an error of its driver', () => Promise.reject(new DatabaseError())],
  [
    'throws at once',
    () => {
      throw new DatabaseError()
    },
  ],
  // What an error of this package would mean elsewhere, it does not mean from a store.
  ['rejects with another error of this package', () => Promise.reject(new LoginRequiredError())],
  ['rejects with something that is no error', () => Promise.reject(canary as unknown as Error)],
  ['never settles', () => new Promise(() => {})],
  ['resolves with null', () => Promise.resolve(null)],
  ['resolves with a number', () => Promise.resolve(1)],
]

describe('a store that was passed in', () => {
  const call: Record<Operation, (store: TokenStore) => Promise<unknown>> = {
    get: (store) => store.get(`sess:${canary}`),
    getMany: (store) => checkedTokenStore(store).getMany([`sess:${canary}`, 'grant:a']),
    create: (store) => store.create(`sess:${canary}`, canary, 1000),
    replace: (store) => store.replace(`sess:${canary}`, canary, canary),
    delete: (store) => store.delete(`sess:${canary}`),
  }
  const operations = Object.keys(call) as Operation[]

  test.each(failures)('that %s has failed with a TokenStoreError that repeats nothing', async (_, fail) => {
    jest.useFakeTimers()
    const own = new OwnStore()
    own.fault = fail
    const store = checkedTokenStore(own.store)
    for (const operation of operations) {
      const failed = call[operation](store).catch((error: unknown) => error)
      await jest.advanceTimersByTimeAsync(1_100)
      const error = await failed
      expect(error).toBeInstanceOf(TokenStoreError)
      expect(error).toMatchObject({ code: 'ERR_PAGERDUTY_TOKEN_STORE', status: 503, isTransient: true })
      expect((error as Error).message).toContain(`${operation}() of the token store`)
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(canary)
    }
    jest.useRealTimers()
  })

  test('shows the code of its error, and where it was thrown', async () => {
    const own = new OwnStore()
    own.fault = function connect() {
      return Promise.reject(new DatabaseError())
    }
    const error = await call.get(checkedTokenStore(own.store)).catch((reason: unknown) => reason)
    expect((error as Error).message).toBe('get() of the token store failed: DatabaseError 23505')
    const { message, stack } = (error as Error).cause as Error
    expect(message).toBe('DatabaseError 23505')
    expect(stack).toMatch(/^Error: DatabaseError 23505\n +at .*connect /)
  })

  test('may throw a TokenStoreError of its own', async () => {
    const own = new OwnStore()
    const error = new TokenStoreError('The database is in maintenance')
    own.fault = () => Promise.reject(error)
    await expect(checkedTokenStore(own.store).get('grant:a')).rejects.toBe(error)
  })

  test('is asked to keep values for whole milliseconds, at least one', async () => {
    const ttls: unknown[] = []
    const store = checkedTokenStore({
      ...new OwnStore().store,
      create: async (_key, _value, ttl) => ttls.push(ttl) > 0,
      replace: async (_key, _expected, _value, ttl) => ttls.push(ttl) > 0,
    })
    for (const ttl of [0.2, 1500.5, -3]) await store.create('lock:a', 'one', ttl)
    for (const ttl of [0.2, undefined]) await store.replace('lock:a', 'one', 'one', ttl)
    expect(ttls).toEqual([1, 1501, 1, 1, undefined])
  })

  test('is asked by one getMany() for several values, and by several get() where it has none', async () => {
    const own = new OwnStore()
    const asked: string[] = []
    own.fault = (operation, key) => {
      asked.push(`${operation} ${key}`)
      return working
    }
    const withoutGetMany = { ...own.store, getMany: undefined } as unknown as TokenStore
    for (const made of [own.store, withoutGetMany]) {
      const store = checkedTokenStore(made)
      await own.memory.create('grant:b', 'two', 60_000)
      expect(await store.getMany(['grant:a', 'grant:b'])).toEqual([undefined, 'two'])
    }
    expect(asked).toEqual(['getMany grant:a,grant:b', 'get grant:a', 'get grant:b'])
  })

  test.each([[[]], [['one']], [['one', null]], [['one', 'two', 'three']]])(
    'that resolves getMany() of two keys with %j has failed',
    async (values) => {
      const own = new OwnStore()
      own.fault = () => Promise.resolve(values)
      const found = checkedTokenStore(own.store).getMany(['grant:a', 'grant:b'])
      await expect(found).rejects.toThrow('one string or undefined per key')
    },
  )

  test('is not called with a key that is invalid, even among several', async () => {
    const own = new OwnStore()
    await own.memory.create('grant:a', 'one', 60_000)
    expect(await checkedTokenStore(own.store).getMany(['grant:ä', 'grant:a'])).toEqual([undefined, 'one'])
  })

  test('is the same for all parts that it is given to, so that they share their locks', () => {
    const own = new OwnStore().store
    expect(checkedTokenStore(own)).toBe(checkedTokenStore(own))
    expect(checkedTokenStore(checkedTokenStore(own))).toBe(checkedTokenStore(own))
    expect(checkedTokenStore(new OwnStore().store)).not.toBe(checkedTokenStore(own))
  })

  test('has the timeout that it was made with where it is a RedisTokenStore', async () => {
    jest.useFakeTimers()
    const redis = new RedisTokenStore({ ...silentClient }, { timeout: 3_000 })
    const failed = checkedTokenStore(redis)
      .get('grant:a')
      .catch((error: unknown) => error)
    const settled = jest.fn()
    void failed.then(settled)
    await jest.advanceTimersByTimeAsync(2_900)
    expect(settled).not.toHaveBeenCalled()
    await jest.advanceTimersByTimeAsync(200)
    expect(await failed).toBeInstanceOf(TokenStoreError)
    jest.useRealTimers()
  })

  test.each(['get', 'create', 'replace', 'delete'] as const)(
    'is rejected at start-up without %s()',
    async (operation) => {
      const tokenStore = { ...new OwnStore().store, [operation]: undefined } as unknown as TokenStore
      const options = {
        clientID: 'client',
        clientSecret: 'a client secret',
        callbackURL: 'https://app.example/cb',
        scope: 'users.read',
        tokenStore,
        secret,
      }
      const makers = [
        () => pagerduty(options),
        () => new AppTokens(options),
        () => webhookReceiver({ tokenStore, webhookSecret: 'secret-of-the-subscription' }, () => {}),
      ]
      for (const make of makers) {
        expect(make).toThrow(ConfigurationError)
        expect(make).toThrow(`"tokenStore" has no method ${operation}()`)
      }
    },
  )
})

/** A client of ioredis that is connected and never responds. */
const silentClient: RedisClient = {
  status: 'ready',
  call: () => new Promise<unknown>(() => {}),
  connect: async () => {},
  disconnect: () => {},
  duplicate: () => silentClient,
  on: () => {},
}

describe('in an app', () => {
  const webhookSecret = 'secret-of-the-subscription'
  let simulator: Simulator
  let own: OwnStore
  let app: DropIn
  let browser: Browser

  beforeEach(async () => {
    simulator = await startPagerDuty()
    own = new OwnStore()
    app = await startDropIn(
      simulator,
      { tokenStore: own.store, secret, webhookSecret, account: 'us.acme' },
      (express, pd) => {
        express.post(
          '/webhooks/pagerduty',
          pd.webhook(() => {}),
        )
      },
    )
    browser = (await app.logIn()).browser
    await app.get(browser) // The first request of a session extends it.
  })
  afterEach(async () => {
    jest.restoreAllMocks()
    await app.close()
    await simulator.close()
  })

  test('a store that fails is reported as a warning, with the code of its error, and not with each request', async () => {
    const warnings: Error[] = []
    app.pd.on('warning', ({ error }) => warnings.push(error))
    own.fault = () => Promise.reject(Object.assign(new Error('no'), { code: 'ECONNREFUSED' }))
    for (let i = 0; i < 3; i++) expect((await app.get(browser)).status).toBe(503)
    expect(warnings).toEqual([expect.any(TokenStoreError)])
    expect(warnings[0]?.cause).toMatchObject({ code: 'ECONNREFUSED' })
  })

  test.each(failures)(
    'a store that %s gives 503 on every route, and no user is logged out',
    async (_, fail) => {
      const stranger = new Browser()
      const callback = await approve(await app.begin(stranger))
      own.fault = fail
      const headers = { 'Sec-Fetch-Site': 'same-origin' }
      const answers = await Promise.all([
        app.get(browser, '/'),
        app.get(browser),
        app.get(browser, '/auth/pagerduty'),
        app.get(stranger, new URL(callback).pathname + new URL(callback).search),
        app.logOut(browser.copy(), headers),
      ])
      const code = 'ERR_PAGERDUTY_TOKEN_STORE'
      for (const answer of answers) {
        expect(answer.status).toBe(503)
        expect(answer.headers.get('retry-after')).toBe('2')
        const title = 'The request could not be completed'
        expect(await answer.json()).toEqual({ title, status: 503, code })
      }
      const delivery = await simulator.sendWebhook(`${app.url}/webhooks/pagerduty`, 'incident.triggered', {
        secret: webhookSecret,
      })
      expect(delivery.status).toBe(503)
      own.fault = () => working
      expect((await app.get(browser)).status).toBe(200)
      expect((await delivery.again()).status).toBe(202)
    },
  )

  test.each(failures)(
    'a refreshed pair whose write %s is kept, served, and written again',
    async (_, fail) => {
      const later = Date.now() + 2 * 24 * 60 * 60_000
      jest.spyOn(Date, 'now').mockImplementation(() => later)
      own.fault = (operation, key) => (operation === 'replace' && key.startsWith('grant:') ? fail() : working)
      expect((await app.get(browser)).status).toBe(200)
      expect((await app.get(browser)).status).toBe(200)
      const stored = new Promise((resolve) => app.pd.on('refresh', resolve))
      own.fault = () => working
      await stored
      expect((await app.get(browser)).status).toBe(200)
      expect(simulator.calls.token.refresh_token).toBe(1)
      expect(simulator.reuses).toBe(0)
    },
  )
})
