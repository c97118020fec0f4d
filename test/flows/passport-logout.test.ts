import type { VerifyLogin } from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { HeldStore } from '../support/held-store'
import { type PassportApp, type Seen, startPassportApp } from '../support/passport-app'

// A command that a test holds back is not a store that hangs, however busy the machine is.
jest.mock('../../src/async/timeout', () => ({
  ...jest.requireActual<object>('../../src/async/timeout'),
  withinDeadline: <T>(work: Promise<T>) => work,
}))

let simulator: Simulator
let store: HeldStore
let app: PassportApp

beforeEach(async () => {
  simulator = await startPagerDuty()
  store = new HeldStore()
  app = await startPassportApp(simulator, {
    options: { tokenStore: store },
    more: (express) => {
      express.post('/regenerate', (req, res) => req.session.regenerate(() => res.json('regenerated')))
    },
  })
})
afterEach(async () => {
  await app.close()
  await simulator.close()
})

/** Nothing is left of a login, here or at PagerDuty. */
async function expectNothingLeft(tab: Browser): Promise<void> {
  expect(await app.see(tab)).toMatchObject({ user: null, pagerduty: null })
  expect(await app.pd.grants.list({ accountID: 'PACME00', userID: 'PACME01' })).toEqual([])
  await app.pd.close()
  expect(simulator.liveGrants()).toEqual([])
}

const places: [string, RegExp, 'before' | 'after'][] = [
  ['once its code is redeemed', /^create login:/, 'after'],
  ['before its grant is stored', /^create grant:/, 'before'],
  ['once its grant is stored', /^create grant:/, 'after'],
  ['before it is done', /^replace login:/, 'before'],
  ['once it is done', /^replace login:/, 'after'],
  ['before its session has the grant for good', /^replace grant:/, 'before'],
]

describe.each(['/logout', '/destroy', '/regenerate'])(
  "a logout by the app's own session (POST %s), without a user",
  (path) => {
    test.each(places)('ends the login of a callback %s', async (_when, command, when) => {
      const browser = new Browser()
      const callback = await app.approved(browser)
      const tab = browser.copy()
      const failed: string[] = []
      app.pd.on('loginFailed', ({ reason }) => void failed.push(reason))
      const hold = store.hold(command, when)
      const finishing = tab.visit(callback)
      await hold.reached
      await app.post(browser.copy(), path)
      hold.release()
      const finished = await finishing
      // Passport redirects a login that fails; an error of `req.login()` goes to the error handler.
      const outcome = finished.headers.get('location') ?? (await finished.text())
      expect(outcome).toMatch(/^\/refused$|ERR_PAGERDUTY_LOGIN_ENDED/)
      expect(failed).toEqual(['ERR_PAGERDUTY_LOGIN_ENDED'])
      await expectNothingLeft(tab)
    })

    test('ends a login that is done, and whose response has not arrived', async () => {
      const browser = new Browser()
      const callback = await app.approved(browser)
      const tab = browser.copy()
      await tab.visit(callback)
      expect(await app.see(tab)).toMatchObject({ pagerduty: 'PACME01' })
      await app.post(browser, path)
      await expectNothingLeft(tab)
    })

    test('leaves a login whose callback comes later', async () => {
      const browser = new Browser()
      const callback = await app.approved(browser)
      await app.post(browser, path)
      await browser.visit(callback)
      expect(await app.see(browser)).toMatchObject({ pagerduty: 'PACME01' })
    })
  },
)

describe('a verify that changes the session of its request', () => {
  async function logInWith(method: 'destroy' | 'regenerate'): Promise<[events: string[], seen: Seen]> {
    await app.close()
    const verify: VerifyLogin = async ({ user }, req) => {
      await new Promise<void>((resolve) => req.session[method](() => resolve()))
      return { ...user }
    }
    app = await startPassportApp(simulator, { options: { tokenStore: store, verify } })
    const events: string[] = []
    app.pd.on('login', () => void events.push('login'))
    app.pd.on('loginFailed', ({ reason }) => void events.push(reason))
    const browser = new Browser()
    await app.consent(browser)
    return [events, await app.see(browser)]
  }

  test('fails its login where it ends it', async () => {
    const [events, seen] = await logInWith('destroy')
    expect(events).toEqual(['ERR_PAGERDUTY_LOGIN_ENDED'])
    expect(seen).toMatchObject({ user: null, pagerduty: null })
    await app.pd.close()
    expect(simulator.liveGrants()).toEqual([])
  })

  test('logs in where it makes a new one', async () => {
    const [events, seen] = await logInWith('regenerate')
    expect(events).toEqual(['login'])
    expect(seen).toMatchObject({ pagerduty: 'PACME01' })
  })
})
