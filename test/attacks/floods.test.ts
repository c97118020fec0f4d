import { setTimeout as pause } from 'node:timers/promises'
import { approve } from '../../src/testing'
import { isFull } from '../faults/scale'
import { Browser } from '../support/browser'
import { altered } from '../support/drop-in'
import { flood, keysOf } from './support/flood'
import { type InConfiguration, configurations, forEachConfiguration } from './support/configurations'

jest.setTimeout(180_000)

const megabyte = 1024 * 1024
/** A pending login and its claim are over after fifteen minutes. */
const longestClaim = 15 * 60_000

/** A user who logs in and works during a flood: everything that the app responds with. */
async function workDuring(flooding: Promise<void>, { victim }: InConfiguration): Promise<unknown[]> {
  let isOver = false
  const over = flooding.finally(() => (isOver = true))
  const browser = await victim.logIn(new Browser(), 'PGLBX01')
  const seen = new Set<unknown>()
  while (!isOver) {
    seen.add((await browser.fetch(`${victim.url}/incidents`)).status)
    seen.add(await victim.userOf(browser))
    await pause(20)
  }
  await over
  return [...seen]
}

const unharmed = [200, 'PGLBX01']

forEachConfiguration(configurations, (app) => {
  /** How many keys of each kind there are in Redis. */
  const kinds = async () => {
    const counts: Record<string, number> = {}
    for (const { key } of app.redis ? await keysOf(app.redis) : []) {
      const [kind = ''] = /^\w+:[a-z]*/.exec(key) ?? []
      counts[kind] = (counts[kind] ?? 0) + 1
    }
    return counts
  }
  const heap = async () => (await app.victim.order({ kind: 'size' })).heapUsed
  // What a process keeps for good is there after one login and one that failed.
  beforeAll(async () => {
    const browser = new Browser()
    await app.victim.logIn(browser, 'PGLBX01')
    // Until a request presents it, a grant has a minute, and a flood may take longer.
    await app.victim.userOf(browser)
    await new Browser().visit(`${app.victim.url}/auth/pagerduty/callback?code=x&state=y`)
  })

  // Pending logins that pile up on the server: CVE-2021-22119 (Spring Security).
  test('A2, A5: thousands of logins that are only begun leave nothing in Redis, and no two are alike', async () => {
    const { victim, redis, style } = app
    const times = isFull ? (redis && style === 'drop-in' ? 10_000 : 3_000) : 1_000
    const seen = { state: new Set(), code_challenge: new Set(), nonce: new Set() }
    const before = { keys: await kinds(), heap: await heap() }
    await flood(times, async () => {
      const { searchParams } = new URL(await victim.begin(new Browser()))
      // One state for all users: CVE-2023-31999 (@fastify/oauth2).
      for (const [name, values] of Object.entries(seen)) values.add(searchParams.get(name))
    })
    expect(Object.values(seen).map(({ size }) => size)).toEqual([times, times, times])
    expect(await kinds()).toEqual(before.keys)
    expect((await heap()) - before.heap).toBeLessThan(8 * megabyte)
  })

  // A cookie that grows with each login is an advisory of Authlib’s too.
  test('A4, A5: hundreds of logins in one browser leave it less than 4 KB of cookies, and the five newest are good', async () => {
    const { victim } = app
    const before = await kinds()
    const browser = new Browser()
    const cookieHeader = () => [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    let longest = 0
    await flood(
      isFull ? 1_000 : 300,
      async (i) => {
        await victim.begin(browser, `/auth/pagerduty?returnTo=/${'x'.repeat(i % 400)}`)
        longest = Math.max(longest, cookieHeader().length)
      },
      1,
    )
    expect(longest).toBeLessThan(4096 + 2 * 5) // what stands between cookies is not counted
    expect(await kinds()).toEqual(before)
    const callbacks: string[] = []
    for (let i = 0; i < 5; i++) {
      callbacks.push(await approve(await victim.begin(browser, `/auth/pagerduty?returnTo=/tab/${i}`)))
    }
    expect(cookieHeader().length).toBeLessThan(4096)
    for (const [i, callback] of callbacks.entries()) {
      const finished = await browser.copy().visit(callback)
      expect([i, finished.headers.get('location')]).toEqual([i, `/tab/${i}`])
    }
  })

  test('B1, B7: thousands of forged callbacks cost no key, no token call and no memory, and no other user notices', async () => {
    const { victim, simulator } = app
    const before = { keys: await kinds(), heap: await heap() }
    const attacker = new Browser()
    const own = await victim.approved(attacker)
    const forged = [
      { state: undefined },
      { state: 'x'.repeat(2_000) },
      { state: '__proto__', 'constructor[prototype][x]': '1' },
      { code: 'x'.repeat(4_000) },
      { code: undefined, error: 'access_denied', state: 'y' },
      { code: undefined, error: '<script>', state: undefined },
      { iss: 'https://evil.example' },
      { 'state[a][b][c]': 'x' },
    ]
    const statuses = new Set<number>()
    const flooding = flood(isFull ? 3_000 : 1_000, async (i) => {
      const callback = altered(own, forged[i % forged.length] as Record<string, string | undefined>)
      statuses.add((await (i % 2 ? attacker.copy() : new Browser()).visit(callback)).status)
    })
    expect(await workDuring(flooding, app)).toEqual(unharmed)
    expect([...statuses].filter((status) => ![302, 400, 403].includes(status))).toEqual([])
    expect(simulator.calls.token.authorization_code).toBe(1) // the user's own
    const { 'pagerduty:login': claims = 0, ...others } = await kinds()
    const { 'pagerduty:login': claimsBefore = 0 } = before.keys
    const sessions = Object.values(others).reduce((sum, count) => sum + count, claims)
    const sessionsBefore = Object.values(before.keys).reduce((sum, count) => sum + count, 0)
    // One user has logged in: session, grant and claim.
    expect({ claims: claims - claimsBefore, all: sessions - sessionsBefore }).toEqual(
      app.redis ? { claims: 1, all: 3 } : { claims: 0, all: 0 },
    )
    expect((await heap()) - before.heap).toBeLessThan(8 * megabyte)
    await attacker.visit(own)
    expect(await victim.userOf(attacker)).toBe('PACME01')
  })

  test('B3: what a login with a forged code leaves is a claim that is over within fifteen minutes', async () => {
    const { victim, simulator, redis } = app
    const before = { keys: await kinds(), heap: await heap() }
    const times = isFull ? 300 : 100
    const flooding = flood(times, async () => {
      const browser = new Browser()
      const state = new URL(await victim.begin(browser)).searchParams.get('state')
      await browser.visit(`${victim.url}/auth/pagerduty/callback?code=forged&state=${state}`)
    })
    expect(await workDuring(flooding, app)).toEqual(unharmed)
    expect(simulator.calls.token.authorization_code).toBe(times + 1)
    const { 'pagerduty:login': claims = 0 } = await kinds()
    expect(claims - (before.keys['pagerduty:login'] ?? 0)).toBe(redis ? times + 1 : 0)
    const left = redis ? await keysOf(redis) : []
    const endless = left.filter(({ key, ttl }) => ttl < 0 || (key.includes(':login:') && ttl > longestClaim))
    expect(endless).toEqual([])
    expect((await heap()) - before.heap).toBeLessThan(8 * megabyte)
  })

  test('B6: huge cookies and parameters, with either query parser, get a response and change nothing', async () => {
    const { victim } = app
    const others = await Promise.all(
      (['simple', 'extended'] as const).map((queryParser) => app.another({ queryParser })),
    )
    const pending = Array.from(
      { length: 300 },
      (_, i) => `pagerduty-login-zzzzzzzzz-${String(i).padStart(8, 'A')}=1.x.y`,
    )
    const cookies = [
      pending.join('; '),
      `pagerduty=${'x'.repeat(12_000)}`,
      `pagerduty-login-zzzzzzzzz-AAAAAAAA=${'x'.repeat(12_000)}`,
      '__proto__=1; constructor=1; hasOwnProperty=1; pagerduty=__proto__; connect.sid=s%3A__proto__.x',
      `${'; '.repeat(5_000)}=`,
      'pagerduty-login-zzzzzzzzz-AAAAAAAA; pagerduty=%; =; %=%ff',
    ]
    const queries = [
      `returnTo=/${'x'.repeat(10_000)}`,
      `returnTo${'[a]'.repeat(3_000)}=1`,
      'scope=incidents.read+'.repeat(500),
      `${'&'.repeat(10_000)}a=1`,
      `a[]=1${'&a[]=1'.repeat(1_500)}`,
      'a[__proto__][b]=1&__proto__=1&constructor.prototype.c=1&scope[__proto__]=1',
      `returnTo=${'%2f'.repeat(3_000)}`,
    ]
    for (const { url } of [victim, ...others]) {
      const requests = [
        ...cookies.map((cookie) => ['', { Cookie: cookie }] as const),
        ...queries.map((query) => [`?${query}`, {}] as const),
      ]
      for (const [query, headers] of requests) {
        const begun = await new Browser().visit(`${url}/auth/pagerduty${query}`, headers)
        expect([query.slice(0, 40), begun.status]).toEqual([query.slice(0, 40), 302])
        expect(begun.headers.getSetCookie().length).toBeLessThan(25) // proxies hand on some kilobytes
        const back = await new Browser().visit(
          `${url}/auth/pagerduty/callback${query || '?code=x&state=y'}`,
          headers,
        )
        expect([302, 400, 403]).toContain(back.status)
        const page = await new Browser().visit(`${url}/${query}`, headers)
        expect(await page.json()).toEqual({ user: null })
      }
    }
    const huge = await new Browser().visit(victim.url, { Cookie: 'x'.repeat(20_000) })
    expect(huge.status).toBe(431)
    await victim.logIn()
  })
})
