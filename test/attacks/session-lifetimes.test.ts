import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Browser } from '../support/browser'
import {
  type Configuration,
  type InConfiguration,
  configurations,
  forEachConfiguration,
  overRedis,
} from './support/configurations'
import type { Victim } from './support/start-victim'

const minute = 60_000
const idle = 60 * minute
const absolute = 180 * minute
const settings = {
  victim: { options: { session: { idle, absolute } } },
  simulator: { accessTokenLifetime: (2 * idle) / 1000 },
}

/** A user who is logged in at a process whose clock the test moves. */
function lifetimesOf(app: InConfiguration & Configuration) {
  const login = {
    offset: 0,
    victim: undefined as unknown as Victim,
    browser: undefined as unknown as Browser,
    async later(milliseconds: number) {
      login.offset += milliseconds
      await login.victim.order({ kind: 'clock', offset: login.offset })
    },
    /** What a guarded route says. */
    async me(): Promise<number> {
      return (await login.browser.fetch(`${login.victim.url}/me`)).status
    },
  }
  beforeEach(async () => {
    login.offset = 0
    login.victim = await app.another()
    login.browser = await login.victim.logIn()
    await login.me()
  })
  afterEach(() => login.victim.stop())
  return login
}

forEachConfiguration(
  configurations,
  (app) => {
    const login = lifetimesOf(app)

    test('E4, CVE-2024-35220: a login ends at its absolute end, however much it is used and refreshed', async () => {
      for (const _half of [1, 2, 3, 4, 5]) {
        await login.later(idle / 2)
        expect(await login.me()).toBe(200)
      }
      expect(app.simulator.calls.token.refresh_token).toBeGreaterThan(0)
      await login.later(idle / 2)
      expect(await login.me()).toBe(401)
      expect(await login.victim.userOf(login.browser)).toBeNull()
    })
  },
  settings,
)

const inMemory = configurations.filter(({ store }) => store === 'memory')

forEachConfiguration(
  inMemory,
  (app) => {
    const login = lifetimesOf(app)

    test('E4: a login that is not used ends for good', async () => {
      await login.later(idle - minute)
      expect(await login.me()).toBe(200)
      await login.later(idle + minute)
      expect(await login.me()).toBe(401)
      await login.later(-idle)
      expect(await login.me()).toBe(401)
    })
  },
  settings,
)

forEachConfiguration(
  overRedis,
  (app) => {
    let redis: Redis
    beforeAll(() => {
      redis = new Redis(app.redis?.url as string)
    })
    beforeEach(() => redis.flushall())
    afterAll(() => redis.disconnect())
    const login = lifetimesOf(app)
    const pattern = app.style === 'drop-in' ? /^pagerduty:(sess|grant):/ : /^pagerduty:grant:/

    /** What Redis gives each record of the login, once it lies between these bounds. */
    async function timesLeft(least: number, most: number): Promise<number[]> {
      const giveUpAt = performance.now() + 5_000
      for (;;) {
        const keys = (await redis.keys('*')).filter((key) => pattern.test(key))
        const left = await Promise.all(keys.map((key) => redis.pttl(key)))
        const areThere = left.length > 0 && left.every((time) => time > least && time <= most)
        if (areThere || performance.now() > giveUpAt) return left
        await pause(20)
      }
    }

    test('E4: session and grant leave Redis together: an idle time after their last use, or at the absolute end', async () => {
      const records = app.style === 'drop-in' ? 2 : 1
      const isWithin = (least: number, most: number) => (time: number) => time > least && time <= most
      const afterLogin = await timesLeft(idle - minute, idle)
      expect(afterLogin.filter(isWithin(idle - minute, idle))).toHaveLength(records)
      for (const _part of [1, 2, 3, 4]) {
        await login.later(40 * minute)
        expect(await login.me()).toBe(200)
      }
      expect(app.simulator.calls.token.refresh_token).toBe(1)
      // It lasts twenty minutes more, and not an hour.
      const nearTheEnd = await timesLeft(19 * minute, 20 * minute)
      expect(nearTheEnd.filter(isWithin(19 * minute, 20 * minute))).toHaveLength(records)
    })
  },
  settings,
)
