import { Redis } from 'ioredis'
import { Browser } from '../support/browser'
import {
  type Behaviour,
  FaultServer,
  bytes,
  flood,
  html,
  json,
  redirect,
  resetBeforeHeaders,
  stallBeforeHeaders,
} from '../support/fault-server'
import { claimsOf, clientID, eu, issuers, us } from '../support/good-id-token'
import { jwk } from '../support/keys'
import { type Configuration, dropIns, configurations, forEachConfiguration } from './support/configurations'
import { brokenRules } from './support/id-token-rules'
import {
  type LoginAtHand,
  type Presented,
  keys,
  presented,
  presentedToTheStrict,
  signed,
  temptingKeys,
} from './support/id-tokens'
import type { Victim } from './support/start-victim'
import { WickedPagerDuty } from './support/wicked-pagerduty'

let pagerduty: WickedPagerDuty
let elsewhere: FaultServer
beforeAll(async () => {
  pagerduty = await WickedPagerDuty.start()
  elsewhere = await FaultServer.start()
  elsewhere.behave = json({ keys: temptingKeys })
})
afterAll(async () => {
  await pagerduty.close()
  await elsewhere.close()
})
beforeEach(() => {
  pagerduty.reset()
  elsewhere.requests.length = 0
})

/** Read when an app is started, by when the wicked PagerDuty has its port. */
const settings = {
  get victim() {
    return { options: pagerduty.options }
  },
}

// The corpus is a table, and has to be one before there are servers.
const nowhere = 'http://127.0.0.1:9'
const corpus = presented(nowhere)
const good = corpus.filter(({ breaks }) => breaks.length === 0)
const bad = corpus.filter(({ breaks }) => breaks.length > 0)

const stopped = 1_800_000_000

/** A login whose id_token is this one; and what came of it. */
async function present(victim: Victim, make: Presented['make']) {
  pagerduty.token = pagerduty.answer({}, make)
  const browser = new Browser()
  const before = await victim.handled()
  const finished = await pagerduty.tryLogIn(victim, browser)
  const text = await finished.text()
  const me = await browser.fetch(`${victim.url}/me`)
  return {
    status: finished.status,
    location: finished.headers.get('location'),
    code: /ERR_PAGERDUTY_\w+/.exec(text)?.[0],
    text,
    cookies: [...browser.cookies.keys()],
    user: await victim.userOf(browser),
    me: me.status,
    handled: (await victim.handled()) - before,
  }
}

const accepted = { status: 302, location: '/', user: 'PUSER01', me: 200, handled: 1 }
const nobody = { cookies: [], user: null, me: 401, handled: 0 }
const unavailable = { ...nobody, status: 503, code: 'ERR_PAGERDUTY_KEYS_UNAVAILABLE' }

/** Passport redirects a failed login to the app's failureRedirect. */
function refusedIn({ style }: Configuration) {
  return style === 'drop-in'
    ? { ...nobody, status: 403, code: 'ERR_PAGERDUTY_ID_TOKEN' }
    : { ...nobody, status: 302, location: '/failed' }
}

/** Resolves when PagerDuty was asked to revoke the tokens of the last login. */
async function revoked(): Promise<void> {
  const { refresh_token: token } = pagerduty.lastAnswer
  await pagerduty.until('revoke', ({ form }) => form.get('token') === token)
}

describe('the corpus', () => {
  const login: LoginAtHand = { now: stopped, nonce: 'the-nonce', accessToken: 'pdus+_0' }
  const circumstances = {
    clientID,
    issuers,
    apis: [us, eu],
    keys: temptingKeys,
    ...login,
  }

  test('has rows enough of every kind', () => {
    expect(bad.length).toBeGreaterThanOrEqual(80)
    expect(good.length).toBeGreaterThanOrEqual(12)
    const rows = new Set([...corpus, ...presentedToTheStrict].map(({ row }) => row))
    expect([...rows].sort()).toEqual(
      ['D1', 'D10', 'D11', 'D13', 'D2', 'D3', 'D4', 'D5', 'D6', 'D7', 'D8', 'D9'].sort(),
    )
  })

  test.each(corpus.map(({ row, name, ...rest }) => [row, name, rest] as const))(
    '%s: a second opinion on “%s” finds what the table says broken, and nothing else',
    (_row, _name, { make, breaks }) => {
      const found = brokenRules(make(login), { ...circumstances, requireAtHash: false })
      expect(found.sort()).toEqual([...breaks].sort())
    },
  )

  test.each(presentedToTheStrict.map(({ row, name, ...rest }) => [row, name, rest] as const))(
    '%s: a second opinion on “%s”, where a hash is required, agrees too',
    (_row, _name, { make, breaks }) => {
      expect(brokenRules(make(login), { ...circumstances, requireAtHash: true })).toEqual(breaks)
    },
  )
})

const faults: [string, () => Behaviour][] = [
  ['a reset', () => resetBeforeHeaders],
  ['an error', () => json({ keys: temptingKeys }, 500)],
  ['HTML', () => html()],
  ['a redirect to good keys', () => redirect(302, `${elsewhere.url}/keys`)],
  ['10 MB', () => flood(10 * 1024 * 1024).behave],
  ['null', () => json('null')],
  ['no keys', () => json({ keys: [] })],
  ['what are no keys', () => json({ keys: [null] })],
  ['bad UTF-8', () => bytes(Buffer.from([0x22, 0xff, 0x22]))],
]

const hour = 60 * 60_000
const honest = (login: LoginAtHand) => signed(claimsOf(login))

forEachConfiguration(
  configurations,
  (app) => {
    const refused = refusedIn(app)

    describe('the corpus', () => {
      beforeAll(() => pagerduty.stopClock(app.victim, stopped))
      afterAll(() => pagerduty.pass(app.victim))

      test.each(good.map(({ row, name, make }) => [row, name, make] as const))(
        '%s: an id_token “%s” logs in',
        async (_row, _name, make) => {
          expect(await present(app.victim, make)).toMatchObject(accepted)
        },
      )

      test.each(bad.map(({ row, name, make }) => [row, name, make] as const))(
        '%s: an id_token “%s” logs no one in, and the tokens beside it are revoked',
        async (_row, _name, make) => {
          const outcome = await present(app.victim, make)
          expect(outcome).toMatchObject(refused)
          expect(outcome.text).not.toContain(pagerduty.lastAnswer['id_token'])
          await revoked()
        },
      )
    })

    test('D1: the token store keeps no grant of a rejected login', async () => {
      const grants = await storedGrants(app.redis?.url)
      for (const { make } of bad.slice(0, 5)) expect(await present(app.victim, make)).toMatchObject(refused)
      expect(await storedGrants(app.redis?.url)).toEqual(grants)
    })

    test('D10: a token that is missing or empty logs no one in', async () => {
      const { victim } = app
      pagerduty.token = pagerduty.answer({ id_token: undefined })
      const browser = new Browser()
      const finished = await pagerduty.tryLogIn(victim, browser)
      expect(finished.status).toBe(refused.status)
      expect(await victim.userOf(browser)).toBeNull()
      expect(await present(victim, () => '')).toMatchObject(refused)
    })

    test('D13: the same user id in two accounts is two users', async () => {
      const { victim } = app
      const browsers = []
      for (const account_id of ['PACCT01', 'PACCT02']) {
        // The one thing that they share beside the id decides nothing.
        pagerduty.user = { account_id, email: 'ada@acme.example' }
        browsers.push(await pagerduty.logIn(victim))
      }
      const who = (browser: Browser) => browser.fetch(`${victim.url}/me`).then((answer) => answer.json())
      expect(await Promise.all(browsers.map(who))).toEqual([
        expect.objectContaining({ user: expect.objectContaining({ id: 'PUSER01', accountID: 'PACCT01' }) }),
        expect.objectContaining({ user: expect.objectContaining({ id: 'PUSER01', accountID: 'PACCT02' }) }),
      ])
      await victim.order({ kind: 'revoke', owner: { accountID: 'PACCT01', userID: 'PUSER01' } })
      expect(await Promise.all(browsers.map((browser) => victim.userOf(browser)))).toEqual([null, 'PUSER01'])
    })
  },
  settings,
)

forEachConfiguration(
  configurations,
  (app) => {
    const refused = refusedIn(app)

    test('D3: nothing that a header names is fetched, and keys at most once more in half a minute', async () => {
      const { victim } = app
      await pagerduty.logIn(victim)
      const before = pagerduty.requests('keys').length
      const lures = presented(`${elsewhere.url}/lure`).filter(
        ({ row, breaks }) => row === 'D3' && breaks.length > 0,
      )
      for (const round of [1, 2]) {
        await pagerduty.pass(victim, 31_000)
        for (const { make } of lures) expect(await present(victim, make)).toMatchObject(refused)
        expect(pagerduty.requests('keys')).toHaveLength(before + round)
      }
      expect(elsewhere.requests).toHaveLength(0)
    })

    test('D8: where a hash is required, only that of the access token logs in', async () => {
      const strict = await app.another({ options: { ...pagerduty.options, requireAtHash: true } })
      for (const { name, make, breaks } of presentedToTheStrict) {
        const expected = breaks.length === 0 ? accepted : refused
        expect({ name, ...(await present(strict, make)) }).toMatchObject({ name, ...expected })
      }
      await strict.stop()
    })

    test('D10: a login that is begun, or an id_token, is no session (CVE-2023-48309)', async () => {
      const { victim } = app
      const browser = await pagerduty.logIn(victim)
      const [sessionCookie = ''] = [...browser.cookies.keys()]
      const begun = new Browser()
      const callback = pagerduty.consent(await victim.begin(begun))
      const [[pendingCookie, sealed]] = [...begun.cookies] as [[string, string]]
      const forgeries = [sealed, `s:${sealed}`, signed(claimsOf({ now: pagerduty.now }))]
      for (const value of forgeries) {
        const thief = new Browser()
        thief.cookies.set(sessionCookie, value)
        expect(await victim.userOf(thief)).toBeNull()
        const { status } = await thief.fetch(`${victim.url}/me`)
        expect(status).toBe(401)
      }
      // Nor is a session a login that was begun.
      const mixed = new Browser()
      mixed.cookies.set(pendingCookie, browser.cookies.get(sessionCookie) ?? '')
      await mixed.visit(callback)
      expect(await victim.userOf(mixed)).toBeNull()
      await begun.visit(callback)
      expect(await victim.userOf(begun)).toBe('PUSER01')
    })

    test('D11: a response with an id_token of 17 KB or 1 MB is invalid', async () => {
      for (const size of [13_000, 1024 * 1024]) {
        const outcome = await present(app.victim, (login) =>
          signed(claimsOf(login, { long: 'x'.repeat(size) })),
        )
        expect(outcome).toMatchObject({ ...nobody, status: 503, code: 'ERR_PAGERDUTY_TOKEN_RESPONSE' })
      }
    })

    test('D11: a good token does not vouch for its forged twin, one after the other or at once (GHSA-rp9m-7r4c-75qg)', async () => {
      const { victim } = app
      const login = { now: pagerduty.now }
      const genuine = signed(claimsOf(login))
      const [head, , signature] = genuine.split('.')
      const payload = Buffer.from(JSON.stringify(claimsOf(login, { user_id: 'POTHER1' }))).toString(
        'base64url',
      )
      const twin = `${head}.${payload}.${signature}`
      expect(await present(victim, () => genuine)).toMatchObject(accepted)
      expect(await present(victim, () => twin)).toMatchObject(refused)
      pagerduty.token = (res, request) => {
        const isForged = Number(request.form.get('code')?.split('-').at(-1)) % 2 === 1
        return pagerduty.answer({}, () => (isForged ? twin : genuine))(res, request)
      }
      const attempts = Array.from({ length: 12 }, async () => {
        const browser = new Browser()
        const callback = pagerduty.consent(await victim.begin(browser))
        const isForged = Number(new URL(callback).searchParams.get('code')?.split('-').at(-1)) % 2 === 1
        await browser.visit(callback)
        return [isForged, await victim.userOf(browser)]
      })
      const outcomes = await Promise.all(attempts)
      expect(outcomes).toEqual(outcomes.map(([isForged]) => [isForged, isForged ? null : 'PUSER01']))
    })

    test('D12: a key that rotated between two logins is found by one more fetch', async () => {
      const { victim } = app
      await pagerduty.logIn(victim)
      const before = pagerduty.requests('keys').length
      const byNext = (login: LoginAtHand) => signed(claimsOf(login), {}, keys.next)
      await pagerduty.pass(victim, 5 * 60_000)
      pagerduty.keys = json({ keys: [jwk(keys.next), ...temptingKeys] })
      const logins = await Promise.all(
        Array.from({ length: 5 }, () => present(victim, byNext).then(({ status }) => status)),
      )
      expect(logins).toEqual([302, 302, 302, 302, 302])
      expect(await present(victim, honest)).toMatchObject(accepted)
      expect(pagerduty.requests('keys')).toHaveLength(before + 1)
    })

    test('D12: while keys are not to be had, a first login fails for the moment, whatever is wrong', async () => {
      const fresh = await app.another({ options: pagerduty.options })
      for (const [name, fault] of faults) {
        pagerduty.keys = fault()
        expect({ name, ...(await present(fresh, honest)) }).toMatchObject({ name, ...unavailable })
      }
      expect(pagerduty.requests('keys')).toHaveLength(faults.length)
      expect(elsewhere.requests).toHaveLength(0)
      pagerduty.keys = json({ keys: temptingKeys })
      expect(await present(fresh, honest)).toMatchObject(accepted)
      await fresh.stop()
    })

    test('D12: keys that are held serve on for a day through all of it, and then no longer', async () => {
      const { victim } = app
      await pagerduty.logIn(victim)
      const before = pagerduty.requests('keys').length
      for (const [name, fault] of faults) {
        pagerduty.keys = fault()
        await pagerduty.pass(victim, hour)
        expect({ name, ...(await present(victim, honest)) }).toMatchObject({ name, ...accepted })
      }
      expect(pagerduty.requests('keys')).toHaveLength(before + faults.length)
      await pagerduty.pass(victim, 24 * hour)
      expect(await present(victim, honest)).toMatchObject(unavailable)
    })
  },
  settings,
)

forEachConfiguration(
  dropIns.slice(0, 1),
  (app) => {
    test('D12: keys that do not come hold a first login up for five seconds, not longer', async () => {
      pagerduty.keys = stallBeforeHeaders
      const begun = performance.now()
      expect(await present(app.victim, honest)).toMatchObject(unavailable)
      expect(performance.now() - begun).toBeGreaterThan(4_900)
      expect(performance.now() - begun).toBeLessThan(10_000)
    })
  },
  settings,
)

/** Names under which grants are kept in Redis; none where there is no Redis. */
async function storedGrants(url: string | undefined): Promise<string[]> {
  if (url === undefined) return []
  const redis = new Redis(url)
  const names = await redis.keys('pagerduty:grant:*')
  redis.disconnect()
  return names.sort()
}
