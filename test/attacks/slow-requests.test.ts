import type { Browser } from '../support/browser'
import {
  type Configuration,
  type InConfiguration,
  dropIns,
  configurations,
  forEachConfiguration,
} from './support/configurations'
import type { Victim } from './support/start-victim'

let keys = 0

/**
 * A request that has read the session and is held up, as seen from outside.
 *
 * @param query what it does to the session before it ends: `change` it, `reload` it first
 */
async function holdUp({ url }: Victim, browser: Browser, query: string) {
  const path = `${url}/slow/${++keys}`
  const slow = browser.copy()
  const ended = slow.fetch(`${path}?${query}`)
  await fetch(`${path}/begun`)
  return {
    /** Lets it end, and returns the browser that got its response. */
    async end(): Promise<Browser> {
      await fetch(`${path}/go-on`)
      await ended
      return slow
    },
  }
}

const define = (app: InConfiguration & Configuration): void => {
  let other: Victim
  beforeAll(async () => {
    other = app.redis ? await app.another() : app.victim
  })

  const incidents = async ({ url }: Victim, browser: Browser) =>
    (await browser.fetch(`${url}/incidents`)).status

  /** A request for which the access token has to be renewed. */
  async function refresh(victim: Victim, browser: Browser): Promise<void> {
    app.simulator.expireTokens()
    expect(await incidents(victim, browser)).toBe(200)
  }

  test.each([['nothing'], ['change'], ['reload'], ['reload&change']])(
    '3.2, R23: a slow request that does %s to the session brings back no tokens from before a refresh',
    async (query) => {
      const { victim, simulator } = app
      const browser = await victim.logIn()
      const slow = await holdUp(victim, browser, query)
      await refresh(other, browser)
      await refresh(victim, browser)
      const answered = await slow.end()
      await refresh(other, answered)
      expect(await incidents(victim, browser)).toBe(200)
      expect(simulator.calls.token.refresh_token).toBe(3)
      expect(simulator.reuses).toBe(0)
    },
  )

  test.each([['nothing'], ['change']])(
    '3.2, R25, express-session#632: a slow request that does %s to the session does not bring back who has logged out',
    async (query) => {
      const { victim, simulator } = app
      const browser = await victim.logIn()
      const thief = browser.copy()
      const slow = await holdUp(victim, browser, query)
      await browser.fetch(`${other.url}/auth/pagerduty/logout`, { method: 'POST' })
      const answered = await slow.end()
      for (const visitor of [thief, browser, answered]) {
        expect(await incidents(victim, visitor)).toBe(401)
        expect(await incidents(other, visitor)).toBe(401)
        expect(await other.userOf(visitor)).toBeNull()
      }
      expect(simulator.calls.token.refresh_token).toBe(0)
    },
  )

  test('3.2: a slow request does not bring back the user who was logged in before another one', async () => {
    const { victim } = app
    const browser = await victim.logIn()
    const slow = await holdUp(victim, browser, 'change')
    await victim.logIn(browser, 'PGLBX01')
    const answered = await slow.end()
    expect(await incidents(other, answered)).toBe(401)
    expect(await other.userOf(browser)).toBe('PGLBX01')
  })

  test('3.2, R24, R26: a refresh that is under way when a user logs out does not log them in again, and its tokens are revoked', async () => {
    const { victim, simulator } = app
    const browser = await victim.logIn(undefined, 'PACME02')
    const thief = browser.copy()
    simulator.expireTokens()
    simulator.settings.tokenLatency = 300
    const refreshing = incidents(victim, browser.copy())
    while (simulator.calls.token.refresh_token === 0) await fetch(`${victim.url}/`)
    await browser.fetch(`${other.url}/auth/pagerduty/logout`, { method: 'POST' })
    expect(await refreshing).toBe(401)
    simulator.settings.tokenLatency = 0
    expect(await incidents(victim, thief)).toBe(401)
    expect(await incidents(other, thief)).toBe(401)
    while (simulator.newestRefreshToken('PACME02') !== undefined) await fetch(`${victim.url}/`)
    expect(simulator.newestRefreshToken('PACME02')).toBeUndefined()
  })

  test('express-session#935: what another request wrote to the new session is there after the login', async () => {
    const { victim } = app
    const browser = await victim.logIn()
    const views = async (at: Victim) =>
      ((await (await browser.fetch(`${at.url}/views`)).json()) as { views: number }).views
    expect([await views(victim), await views(other), await views(victim)]).toEqual([1, 2, 3])
    expect(await incidents(other, browser)).toBe(200)
  })
}

forEachConfiguration(dropIns, define)

// express-session's default is resave; either way with another Express, since that makes no difference here.
describe.each([
  [false, 4],
  [true, 5],
])('resave %s', (resave, express) => {
  const parts = configurations.filter((app) => app.style === 'parts' && app.express === express)
  forEachConfiguration(parts, define, { victim: { resave } })
})
