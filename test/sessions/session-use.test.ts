import type { Express } from 'express'
import { type PagerDuty, pagerduty } from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { type RunningApp, serve } from '../support/app'
import { Browser } from '../support/browser'
import { clocks } from '../support/clocks'
import { type DropIn, startDropIn } from '../support/drop-in'
import { type PassportApp, optionsAt, secret, startPassportApp } from '../support/passport-app'
import { WatchedStore } from '../support/watched-store'

const minute = 60_000
const idle = 60 * minute

let simulator: Simulator
let store: WatchedStore

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())
beforeEach(() => {
  store = new WatchedStore()
})
afterEach(() => jest.restoreAllMocks())

/** Commands that extended or wrote something while `work` was done. */
async function writesOf(work: () => Promise<void>): Promise<string[]> {
  const before = store.commands.length
  await work()
  return store.commands.slice(before).filter((command) => !command.startsWith('get '))
}

describe('a session with data of the app', () => {
  let app: DropIn
  let browser: Browser
  beforeEach(async () => {
    app = await startDropIn(simulator, { tokenStore: store, secret, session: { idle } }, (express) => {
      express.get('/cart', (req, res) => void res.json((req.session as { cart?: string }).cart ?? null))
      express.get('/put', (req, res) => {
        Object.assign(req.session, { cart: 'apple' })
        res.json('put')
      })
    })
    browser = new Browser()
  })
  afterEach(() => app.close())

  const cart = async () => (await app.get(browser, '/cart')).json()

  test.each(['no one is logged in', 'the login was revoked', 'the user is logged in'])(
    'lives as long as it is used, where %s',
    async (who) => {
      if (who !== 'no one is logged in') await app.logIn(browser)
      await app.get(browser, '/put')
      if (who === 'the login was revoked')
        await app.pd.grants.revoke({ accountID: 'PACME00', userID: 'PACME01' })
      const pass = clocks()
      for (let i = 0; i < 10; i++) {
        pass(idle / 3)
        expect(await cart()).toBe('apple')
      }
      pass(idle + minute)
      expect(await cart()).toBeNull()
    },
  )

  test.each(['no one is logged in', 'the login was revoked', 'the user is logged in'])(
    'is extended once per interval, and not written otherwise, where %s',
    async (who) => {
      if (who !== 'no one is logged in') await app.logIn(browser)
      await app.get(browser, '/put')
      if (who === 'the login was revoked')
        await app.pd.grants.revoke({ accountID: 'PACME00', userID: 'PACME01' })
      const pass = clocks()
      pass(minute)
      await cart() // The end of a login is written, once.
      pass(idle / 6)
      const kinds = async () => {
        const writes = await writesOf(async () => {
          for (let i = 0; i < 20; i++) expect(await cart()).toBe('apple')
        })
        return writes.map((write) => write.replace(/:.*/, ''))
      }
      const once = who === 'the user is logged in' ? ['replace grant', 'replace sess'] : ['replace sess']
      expect(await kinds()).toEqual(once)
      expect(await kinds()).toEqual([])
      pass(idle / 6)
      expect(await kinds()).toEqual(once)
    },
  )
})

describe('two instances of pd.auth() in one session', () => {
  let app: RunningApp
  let browser: Browser
  let instances: PagerDuty[]
  const mount = (express: Express, url: string, name: string, absolute: number) => {
    const pd = pagerduty({
      ...optionsAt(url, simulator),
      name,
      callbackURL: `${url}/auth/${name}/callback`,
      tokenStore: store,
      session: { idle, absolute },
    })
    instances.push(pd)
    express.use(pd.auth())
  }
  beforeEach(async () => {
    simulator.settings.autoApprove = 'PACME01'
    browser = new Browser()
    instances = []
    app = await serve((express, url) => {
      mount(express, url, 'one', 3 * idle)
      mount(express, url, 'two', 30 * idle)
      express.get('/', (req, res) => {
        const { one, two } = req as unknown as Record<'one' | 'two', typeof req.pagerduty>
        res.json([one.user?.id ?? null, two.user?.id ?? null])
      })
      express.get('/ids', (req, res) => {
        const { one, two } = req as unknown as Record<'one' | 'two', typeof req.pagerduty>
        res.json([one.grantID, two.grantID])
      })
    })
    for (const name of ['one', 'two']) await browser.follow(`${app.url}/auth/${name}`)
  })
  afterEach(async () => {
    simulator.settings.autoApprove = undefined
    for (const pd of instances) await pd.close()
    await app.close()
  })

  const users = async () => (await browser.fetch(app.url)).json()

  test('the second login goes on when the first one was revoked', async () => {
    const [id] = (await (await browser.fetch(`${app.url}/ids`)).json()) as string[]
    await instances[0]?.grants.revoke(id as string)
    const pass = clocks()
    for (let i = 0; i < 10; i++) {
      pass(idle / 3)
      expect(await users()).toEqual([null, 'PACME01'])
    }
  })

  test('the second login goes on when the first one has come to its absolute end', async () => {
    const pass = clocks()
    for (let i = 0; i < 15; i++) {
      pass(idle / 3)
      expect(await users()).toEqual([i < 8 ? 'PACME01' : null, 'PACME01'])
    }
  })

  test('none of them lives longer than its own idle time, whatever the cookie says', async () => {
    const pass = clocks()
    await users()
    pass(idle + minute)
    expect(await users()).toEqual([null, null])
    expect(await instances[1]?.grants.list({ accountID: 'PACME00', userID: 'PACME01' })).toEqual([])
  })
})

describe('a login beside express-session’s own sessions', () => {
  let app: PassportApp
  afterEach(() => app.close())

  test.each([
    ['a minute', minute, undefined],
    ['five minutes', 5 * minute, undefined],
    ['half an hour', 30 * minute, undefined],
    ['five minutes, with session.idle', 5 * minute, 5 * minute],
  ])('lives as long as it is used, where a rolling cookie lives %s', async (_what, maxAge, own) => {
    app = await startPassportApp(simulator, {
      options: { tokenStore: store, ...(own !== undefined && { session: { idle: own } }) },
      session: { rolling: true, cookie: { maxAge } },
    })
    const browser = new Browser()
    await app.consent(browser)
    const pass = clocks()
    for (let i = 0; i < 40; i++) {
      expect(await app.see(browser)).toMatchObject({ user: { id: 'PACME01' }, pagerduty: 'PACME01' })
      pass(maxAge / 7)
    }
  })

  test('is extended ten times within its lifetime at the most, and every five minutes at the most', async () => {
    app = await startPassportApp(simulator, {
      options: { tokenStore: store },
      session: { rolling: true, cookie: { maxAge: 20 * minute } },
    })
    const browser = new Browser()
    await app.consent(browser)
    const pass = clocks()
    const writes = await writesOf(async () => {
      for (let i = 0; i < 40; i++) {
        await app.see(browser)
        pass(minute / 2)
      }
    })
    // The login is the first time.
    expect(writes).toHaveLength(9)
  })
})
