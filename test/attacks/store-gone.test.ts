import { setTimeout as pause } from 'node:timers/promises'
import { Browser } from '../support/browser'
import { type RedisServer, startRedis, temporaryDirectory } from '../support/redis'
import { forEachConfiguration, overRedis } from './support/configurations'
import type { Victim } from './support/start-victim'

const keptOnDisk = ['--appendonly', 'yes', '--appendfsync', 'always']

// Sessions of an app's own are in memory here, since how they bear an outage is not this package's.
forEachConfiguration(overRedis, (app) => {
  const directory = temporaryDirectory()
  let redis: RedisServer
  let victim: Victim
  let browser: Browser

  beforeEach(async () => {
    redis = await startRedis({ directory, more: keptOnDisk })
    victim = await app.another({ redis: undefined, options: { redis: redis.url } })
    browser = await victim.logIn()
    await status()
  })
  afterEach(async () => {
    await victim.stop()
    await redis.stop()
  })

  const get = (path: string) => browser.fetch(victim.url + path)
  const status = async () => (await get('/me')).status

  /** Sends requests until one gets something other than 503. */
  async function afterwards(): Promise<number> {
    const giveUpAt = performance.now() + 10_000
    for (;;) {
      const now = await status()
      if (now !== 503 || performance.now() > giveUpAt) return now
      await pause(50)
    }
  }

  const outages = {
    frozen: () => redis.freeze(),
    dead: () => redis.stop(),
  }

  test.each(Object.keys(outages) as (keyof typeof outages)[])(
    'E7, CVE-2026-73421: while Redis is %s no guarded handler runs and no one gets a cookie; afterwards the user is still logged in',
    async (how) => {
      expect(await status()).toBe(200)
      const cookies = new Map(browser.cookies)
      const before = await victim.handled()
      await outages[how]()
      const answers = await Promise.all(['/me', '/incidents', '/services', '/me'].map(get))
      const login = await new Browser().visit(`${victim.url}/auth/pagerduty/callback?code=a&state=b`)
      for (const answer of [...answers, login]) {
        expect(answer.headers.get('set-cookie')).toBeNull()
      }
      expect(answers.map((answer) => answer.status)).toEqual([503, 503, 503, 503])
      expect(await victim.handled()).toBe(before)
      if (how === 'frozen') redis.thaw()
      else redis = await startRedis({ directory, port: redis.port, more: keptOnDisk })
      expect(await afterwards()).toBe(200)
      expect(browser.cookies).toEqual(cookies)
    },
  )
})
