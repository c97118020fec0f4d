import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { Browser } from '../support/browser'
import { startRelay } from '../support/relay'
import { forEachConfiguration, overRedis } from './support/configurations'
import type { Victim } from './support/start-victim'

const secretOf = () => randomBytes(32).toString('base64url')
const [first, second] = [secretOf(), secretOf()]
const appScopes = ['incidents.read', 'users.read', 'services.read']
const patience = 60_000

/** What a login depends on: the grant and, with `pd.auth()`, the session. Their keys contain the grant's id. */
const isOfLogin = (key: string) => /^pagerduty:(grant|sess):/.test(key)

async function grantKeys(redis: Redis): Promise<string[]> {
  return (await redis.keys('pagerduty:grant:*')).toSorted()
}

/** Which of the secrets each grant is sealed with, by its key id. */
async function keyIDs(redis: Redis): Promise<(string | undefined)[]> {
  const values = await redis.mget(await grantKeys(redis))
  return values.map((value) => value?.split('.')[1])
}

async function everything(redis: Redis): Promise<[key: string, value: string][]> {
  const keys = (await redis.keys('*')).toSorted()
  const values = await redis.mget(keys)
  return keys.map((key, position) => [key, values[position] ?? ''])
}

/** Who each browser is, and the status of what needs a login. */
async function people(victim: Victim, browsers: readonly Browser[]): Promise<string[]> {
  const asked = browsers.map(async (browser) => {
    const answer = await browser.fetch(`${victim.url}/me`)
    const { user } = (await answer.json()) as { user?: { id: string } }
    return `${answer.status} ${user?.id ?? 'nobody'}`
  })
  return Promise.all(asked)
}

forEachConfiguration(
  overRedis,
  (app) => {
    let redis: Redis
    beforeAll(() => {
      redis = new Redis(app.redis?.url ?? '')
    })
    afterAll(() => redis.disconnect())
    beforeEach(async () => {
      await redis.flushall()
    })

    test(
      'K2, CVE-2022-39263: a value at another key logs no one in, whatever it is and whose',
      async () => {
        const { victim } = app
        const users = ['PACME01', 'PACME01', 'PACME02']
        const browsers: Browser[] = []
        const ids: string[] = []
        for (const user of users) {
          browsers.push(await victim.logIn(new Browser(), user))
          const grants = (await grantKeys(redis)).map((key) => key.slice('pagerduty:grant:'.length))
          ids.push(grants.find((id) => !ids.includes(id)) ?? '')
        }
        await victim.order({ kind: 'token', scope: appScopes })
        const all = await everything(redis)
        const usual = users.map((user) => `200 ${user}`)
        expect(await people(victim, browsers)).toEqual(usual)
        const targets = all.filter(([key]) => isOfLogin(key))
        expect(targets).toHaveLength(app.style === 'drop-in' ? 6 : 3)
        for (const [key, own] of targets) {
          const expected = usual.map((one, position) =>
            key.includes(ids[position] ?? '') ? '401 nobody' : one,
          )
          for (const [other, value] of all.filter((one) => one[1] !== own)) {
            await redis.set(key, value, 'KEEPTTL')
            expect({ key, other, people: await people(victim, browsers) }).toEqual({
              key,
              other,
              people: expected,
            })
          }
          await redis.set(key, own, 'KEEPTTL')
        }
        expect(await people(victim, browsers)).toEqual(usual)
      },
      patience,
    )

    test(
      'K2: another value at the key of an app token is no app token, and one is requested',
      async () => {
        const ask = (victim: Victim) =>
          Promise.all(appScopes.map((scope) => victim.order({ kind: 'token', scope: [scope] })))
        await app.victim.logIn()
        const tokens = await ask(app.victim)
        const all = await everything(redis)
        const [own = '', ...others] = all
          .map(([key]) => key)
          .filter((key) => key.startsWith('pagerduty:app:'))
        expect(others).toHaveLength(2)
        const value = (kind: string) => all.find(([key]) => key.startsWith(`pagerduty:${kind}:`))?.[1] ?? ''
        const transplants = [
          [own, value('grant')],
          [others[0] ?? '', value('user')],
          [others[1] ?? '', value('app')],
        ] as const
        for (const [key, transplant] of transplants) await redis.set(key, transplant, 'KEEPTTL')
        app.simulator.resetCalls()
        const other = await app.another()
        expect(await ask(other)).toEqual(tokens)
        expect(app.simulator.calls.token.client_credentials).toBe(3)
        // What cannot be read is replaced: losing an app token costs no user anything.
        for (const [key, transplant] of transplants) expect(await redis.get(key)).not.toBe(transplant)
        await other.stop()
      },
      patience,
    )

    test(
      'K1, K3, K6, K7: what was altered, cut, or written by another version logs out, and stays as it is',
      async () => {
        const { victim } = app
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
        const texts = ['', '{}', 'null', '...', '\0', 'x'.repeat(100_000)]
        for (const value of [
          ...flips,
          ...cuts,
          ...ids,
          `2.${id}.${body}`,
          `2.${id}.${body}.more`,
          ...texts,
        ]) {
          await redis.set(key, value, 'KEEPTTL')
          const answer = await browser.fetch(`${victim.url}/me`)
          expect({ value, status: answer.status }).toEqual({ value, status: 401 })
          expect(await redis.get(key)).toBe(value)
        }
        await redis.set(key, sealed, 'KEEPTTL')
        expect(await people(victim, [browser])).toEqual(['200 PACME01'])
      },
      patience,
    )

    // With the individual middleware, sessions are the app's own.
    if (app.style === 'drop-in') {
      test(
        'K6: a session that another version wrote is none',
        async () => {
          const { victim } = app
          const browser = await victim.logIn()
          const [key = ''] = await redis.keys('pagerduty:sess:*')
          for (const value of [
            '',
            '{}',
            'null',
            '5',
            '[]',
            '"x"',
            '{"cookie":5}',
            '{"cookie":null}',
            '{"a',
          ]) {
            await redis.set(key, value, 'KEEPTTL')
            expect({ value, people: await people(victim, [browser]) }).toEqual({
              value,
              people: ['401 nobody'],
            })
          }
        },
        patience,
      )
    }

    test(
      'K4: secrets rotate over processes while users work, and no user is logged out before the old one is removed',
      async () => {
        const start = (secret: string[]) => app.another({ options: { secret } })
        const browsers = await Promise.all([1, 2, 3].map(() => app.victim.logIn()))
        const [before] = await keyIDs(redis)
        // Rolling: the new secret is known everywhere before anybody seals with it.
        const ready = await start([first, second])
        const rolled = await start([second, first])
        const statuses: number[] = []
        const work = browsers.map(async (browser) => {
          for (const victim of [ready, rolled, ready, rolled, ready, rolled]) {
            statuses.push((await browser.fetch(`${victim.url}/me`)).status)
          }
        })
        app.simulator.expireTokens()
        const renewed = await Promise.all(
          browsers.slice(0, 2).map((browser) => browser.fetch(`${rolled.url}/incidents`)),
        )
        await Promise.all(work)
        expect(renewed.map(({ status }) => status)).toEqual([200, 200])
        expect(statuses).toEqual(Array(18).fill(200))
        const after = await keyIDs(redis)
        expect(after.filter((id) => id === before)).toHaveLength(1)
        // Without the old secret its cookies are worthless: a user who has one is logged out, and can log in again.
        const last = await start([second])
        expect(await people(last, browsers)).toEqual(browsers.map(() => '401 nobody'))
        expect(await people(last, [await last.logIn(browsers[0])])).toEqual(['200 PACME01'])
        await Promise.all([ready, rolled, last].map((victim) => victim.stop()))
      },
      patience,
    )

    test(
      'CVE-2023-28858: a response that Redis sends too late is never taken for another user’s',
      async () => {
        const relay = await startRelay(app.redis?.port ?? 0)
        // Only the package's connection is slow: a session store of the app's own has no deadline, and requests would
        // queue up there, behind each other's commands.
        const victim = await app.another({ options: { redis: `redis://127.0.0.1:${relay.port}` } })
        const users = ['PACME01', 'PACME02']
        const browsers = await Promise.all(users.map((user) => victim.logIn(new Browser(), user)))
        const seen = new Set<string>()
        const ask = async () => {
          const found = await people(victim, browsers)
          found.forEach((one, position) => seen.add(one.replace(users[position] ?? '', 'the right one')))
        }
        for (const delay of [0, 600, 0, 700, 0]) {
          relay.delay = delay
          await Promise.all([ask(), ask(), ask()])
        }
        for (let round = 0; round < 50 && !seen.has('recovered'); round++) {
          const found = await people(victim, browsers)
          if (found.every((one, position) => one === `200 ${users[position]}`)) seen.add('recovered')
        }
        await victim.stop()
        await relay.close()
        expect(seen).toEqual(new Set(['200 the right one', '503 nobody', 'recovered']))
      },
      patience,
    )
  },
  { victim: { options: { secret: [first], account: 'us.acme' } } },
)
