import type { PagerDutyUser, VerifyLogin } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

let simulator: Simulator
let app: DropIn

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())
afterEach(() => app.close())

interface Local {
  email: string
  from: string
}

/** Logs in with this verify, and returns what the page of the callback and `req.user` say. */
async function logInWith(verify: VerifyLogin): Promise<{ status: number; user: unknown }> {
  app = await startDropIn(simulator, { verify })
  const { browser, finished } = await app.logIn()
  const { user } = (await (await app.get(browser, '/')).json()) as { user: unknown }
  return { status: finished.status, user }
}

test('verify finds the local user by a profile that it fetches at the user’s API, and by the request', async () => {
  const locals = new Map([['ada@acme.example', { email: 'ada@acme.example', from: 'the app' }]])
  const login = await logInWith(async ({ fetch, user }, req): Promise<Local | false> => {
    const answer = await fetch('/users/me')
    const profile = (await answer.json()) as { user: { id: string; email: string } }
    expect([profile.user.id, user.id]).toEqual(['PACME01', 'PACME01'])
    expect(req.path).toBe('/auth/pagerduty/callback')
    locals.set(profile.user.email, { email: profile.user.email, from: 'PagerDuty' })
    return locals.get(profile.user.email) ?? false
  })
  expect(login).toMatchObject({ status: 302, user: { from: 'PagerDuty' } })
})

test.each(['https://evil.example/users/me', '//evil.example/users/me', 'http://127.0.0.1:1/users/me'])(
  'verify cannot send the token to %s',
  async (url) => {
    const failures: unknown[] = []
    const { user } = await logInWith(async (login) => {
      await login.fetch(url).catch((error: unknown) => failures.push(error))
      return login.user
    })
    expect(failures).toEqual([expect.objectContaining({ code: 'ERR_PAGERDUTY_FOREIGN_URL' })])
    expect(user).toMatchObject({ id: 'PACME01' })
  },
)

test('a 401 is returned, and nothing is refreshed', async () => {
  let status: number | undefined
  const before = simulator.calls.token.refresh_token
  await logInWith(async ({ fetch, user }): Promise<PagerDutyUser> => {
    simulator.expireTokens()
    status = (await fetch('/users/me')).status
    return user
  })
  expect(status).toBe(401)
  expect(simulator.calls.token.refresh_token).toBe(before)
})

test('a second callback of the same login has it too', async () => {
  const seen: number[] = []
  app = await startDropIn(simulator, {
    verify: async ({ fetch, user }) => {
      seen.push((await fetch('/incidents')).status)
      return user
    },
  })
  const browser = new Browser()
  const callback = await approve(await app.begin(browser), { user: 'PACME01' })
  await Promise.all([browser.visit(callback), browser.visit(callback)])
  expect((await app.get(browser)).status).toBe(200)
  expect(seen).toEqual([200, 200])
})
