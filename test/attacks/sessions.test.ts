import { defaultAccounts } from '../../src/testing'
import { Browser } from '../support/browser'
import { type Configuration, dropIns, configurations, forEachConfiguration } from './support/configurations'
import type { Victim } from './support/start-victim'

const ownPage = { 'Sec-Fetch-Site': 'same-origin' }
const many = Array.from({ length: 12 }, (_, i) => `PCROWD${i + 10}`)
const [acme, ...others] = defaultAccounts
const crowd = many.map((id) => ({ id, name: id, email: `${id}@acme.example`, role: 'user' }))
/** Acme, with a crowd of users besides its own. */
const accounts = acme ? [{ ...acme, users: [...acme.users, ...crowd] }, ...others] : []

/** What a guarded route says to this browser. */
async function me(victim: Victim, browser: Browser, headers: Record<string, string> = {}): Promise<number> {
  return (await browser.fetch(`${victim.url}/me`, { headers })).status
}

function logOut(victim: Victim, browser: Browser): Promise<Response> {
  return browser.fetch(`${victim.url}/auth/pagerduty/logout`, { method: 'POST', headers: ownPage })
}

function sessionCookie({ style }: Configuration): string {
  return style === 'drop-in' ? 'pagerduty' : 'connect.sid'
}

forEachConfiguration(
  configurations,
  (app) => {
    /** Four processes of the same app, where they can be. */
    let fleet: Victim[] = []
    const processOf = (person: number) => fleet[person % fleet.length] as Victim
    beforeAll(async () => {
      const more = app.redis ? await Promise.all([1, 2, 3].map(() => app.another())) : []
      fleet = [app.victim, ...more]
    })

    test('B9, CVE-2022-25896, CVE-2021-41246, CVE-2023-29019: a session from before the login, or from before the logout, logs no one in', async () => {
      const { victim } = app
      const browser = new Browser()
      await browser.fetch(`${victim.url}/views`)
      const planted = browser.copy()
      await victim.logIn(browser)
      const used = browser.copy()
      await logOut(victim, browser)
      await victim.logIn(browser, 'PACME02')
      const name = sessionCookie(app)
      const ids = [planted, used, browser].map(({ cookies }) => cookies.get(name))
      expect(new Set(ids).size).toBe(3)
      expect(await Promise.all([planted, used, browser].map((one) => me(victim, one)))).toEqual([
        401, 401, 200,
      ])
      expect(await victim.userOf(browser)).toBe('PACME02')
    })

    test('E5, iron-session#530: a logout ends the login for every copy of the cookie, in every process, at the next request', async () => {
      const { victim } = app
      const browser = await victim.logIn()
      const thief = browser.copy()
      expect(await Promise.all(fleet.map((one) => me(one, thief)))).toEqual(fleet.map(() => 200))
      await logOut(fleet.at(-1) as Victim, browser)
      expect(await Promise.all(fleet.map((one) => me(one, thief)))).toEqual(fleet.map(() => 401))
      expect(await Promise.all(fleet.map((one) => one.userOf(thief)))).toEqual(fleet.map(() => null))
    })

    test('E5: GET does not log anybody out', async () => {
      const { victim } = app
      const browser = await victim.logIn()
      const answer = await browser.visit(`${victim.url}/auth/pagerduty/logout`)
      expect([404, 405]).toContain(answer.status)
      expect(await me(victim, browser)).toBe(200)
    })

    test('E6: all sessions of a user end at once, in every process; no other user’s do', async () => {
      const sessions = await Promise.all([0, 1, 2, 3, 4].map((i) => processOf(i).logIn()))
      const other = await app.victim.logIn(new Browser(), 'PACME02')
      const everywhere = () => Promise.all(sessions.flatMap((one) => fleet.map((at) => me(at, one))))
      expect(new Set(await everywhere())).toEqual(new Set([200]))
      await fleet.at(-1)?.order({ kind: 'revoke', owner: { accountID: 'PACME00', userID: 'PACME01' } })
      expect(new Set(await everywhere())).toEqual(new Set([401]))
      expect(await me(app.victim, other)).toBe(200)
    })

    test('CVE-2023-48309: the cookie of a login that was only begun is no session, and a session is no begun login', async () => {
      const { victim, simulator } = app
      const browser = new Browser()
      const callback = await victim.approved(browser)
      const [[pendingName, pending] = ['', '']] = browser.cookies
      const forged = [pending, `s:${pending}`, `s%3A${pending}.${pending}`, pending.split('.')[0] ?? '']
      for (const value of forged) {
        const forger = new Browser()
        forger.cookies.set(sessionCookie(app), value)
        expect({ value, status: await me(victim, forger) }).toEqual({ value, status: 401 })
      }
      const session = (await victim.logIn()).cookies.get(sessionCookie(app)) as string
      browser.cookies.set(pendingName, session)
      simulator.resetCalls()
      await browser.visit(callback)
      expect(await me(victim, browser)).toBe(401)
      expect(simulator.calls.token.authorization_code).toBe(0)
    })

    test('CVE-2026-40155: of many users at once, each gets an own session, an own token, and an own refresh', async () => {
      const { simulator } = app
      const people = await Promise.all(
        many.map(async (user, i) => ({
          user,
          browser: await processOf(i).logIn(new Browser(), user),
        })),
      )
      simulator.expireTokens()
      const seen = people.flatMap(({ user, browser }) =>
        Array.from({ length: 12 }, async (_, i) => {
          const path = i % 3 === 0 ? '/me' : '/resource?url=/users/me'
          const answer = await browser.fetch(processOf(i).url + path)
          const { user: found } = (await answer.json()) as { user: { id: string } }
          return { user, found: found.id }
        }),
      )
      const mixed = (await Promise.all(seen)).filter(({ user, found }) => user !== found)
      expect(mixed).toEqual([])
      expect(simulator.reuses).toBe(0)
    })

    test('express-session#309: the page after the login is logged in, however soon it is requested', async () => {
      for (let round = 0; round < 10; round++) {
        const browser = await app.victim.logIn()
        expect(await Promise.all(fleet.map((one) => me(one, browser)))).toEqual(fleet.map(() => 200))
      }
    })

    test('CVE-2025-48947, CVE-2025-64762: what carries a cookie of a login is kept by no cache', async () => {
      const { victim } = app
      const browser = new Browser()
      const begun = await browser.visit(`${victim.url}/auth/pagerduty`)
      const finished = await browser.visit(await victim.approved(browser))
      const again = await browser.visit(`${victim.url}/auth/pagerduty`)
      for (const answer of [begun, finished, again]) {
        expect(answer.headers.get('set-cookie')).not.toBeNull()
        expect(answer.headers.get('cache-control')).toBe('no-store')
      }
      const page = await browser.fetch(`${victim.url}/me`)
      expect(page.headers.get('set-cookie')).toBeNull()
    })
  },
  { simulator: { accounts } },
)

forEachConfiguration(dropIns, (app) => {
  test.each([
    ['another site', { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }],
    ['another site, in an old browser', { Origin: 'https://evil.example' }],
    ['a sibling host', { 'Sec-Fetch-Site': 'same-site', Origin: 'https://other.app.example' }],
    ['a sandboxed frame', { Origin: 'null' }],
  ])('E5: a form of %s does not log anybody out', async (_who, headers) => {
    const { victim } = app
    const browser = await victim.logIn()
    const refused = await browser.fetch(`${victim.url}/auth/pagerduty/logout`, {
      method: 'POST',
      headers: { ...Browser.navigation, ...headers } as Record<string, string>,
    })
    expect(refused.status).toBe(403)
    expect(await me(victim, browser)).toBe(200)
  })

  test('CVE-2025-48947: a response of the app that changes the session is not cached either; for one that does not, the app decides', async () => {
    const { victim } = app
    const browser = new Browser()
    const first = await browser.fetch(`${victim.url}/views`)
    expect(first.headers.get('set-cookie')).toContain('pagerduty=')
    expect(first.headers.get('cache-control')).toBe('no-store')
    const changed = await browser.fetch(`${victim.url}/views`)
    expect(changed.headers.get('set-cookie')).toContain('pagerduty=')
    expect(changed.headers.get('cache-control')).toBe('no-store')
    const read = await browser.fetch(`${victim.url}/`)
    expect(read.headers.get('set-cookie')).toBeNull()
    expect(read.headers.get('cache-control')).toBeNull()
    const out = await logOut(victim, await victim.logIn())
    expect(out.headers.get('set-cookie')).toContain('pagerduty=;')
    expect(out.headers.get('cache-control')).toBe('no-store')
  })
})
