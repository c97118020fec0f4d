import { TokenStoreError } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'
import { HeldStore } from '../support/held-store'
import { type PassportApp, startPassportApp } from '../support/passport-app'

// A command that a test holds back is not a store that hangs, however busy the machine is.
jest.mock('../../src/async/timeout', () => ({
  ...jest.requireActual<object>('../../src/async/timeout'),
  withinDeadline: <T>(work: Promise<T>) => work,
}))

const secret = 'a secret of thirty-two characters or more, for tests'
const ada = { accountID: 'PACME00', userID: 'PACME01' }
const bob = { accountID: 'PACME00', userID: 'PACME02' }

let simulator: Simulator
beforeEach(async () => {
  simulator = await startPagerDuty()
  simulator.configure('simulator-client', { scope: ['incidents.read', 'incidents.write', 'users.read'] })
})
afterEach(async () => {
  jest.restoreAllMocks()
  await simulator.close()
})

describe('at the end of a callback with pd.auth(),', () => {
  let store: HeldStore
  let app: DropIn
  let browser: Browser
  let failed: string[]

  beforeEach(async () => {
    store = new HeldStore()
    browser = new Browser()
    failed = []
    app = await startDropIn(simulator, { tokenStore: store, secret }, (express, pd) => {
      express.get('/write', pd.requireScopes('incidents.write'), (_req, res) => void res.json('written'))
      pd.on('loginFailed', ({ reason }) => void failed.push(reason))
    })
  })
  afterEach(() => app.close())

  /** A callback that PagerDuty sends the browser to: of a login, or of a step-up where it is logged in. */
  async function callback(path = '/auth/pagerduty', user = 'PACME01'): Promise<string> {
    let at = app.url + path
    while (!at.startsWith(simulator.url)) {
      at = new URL((await browser.visit(at)).headers.get('location') as string, at).href
    }
    return approve(at, { user })
  }

  async function listed(): Promise<(string | undefined)[]> {
    const all = [...(await app.pd.grants.list(ada)), ...(await app.pd.grants.list(bob))]
    return all.map(({ grantID }) => grantID)
  }

  /** The response to a callback during which one command of the store fails, and fails again when it is repeated. */
  async function finish(at: string, command: RegExp, visitor = browser): Promise<number> {
    let failures = 0
    store.fault = (sent) => {
      if (failures === 2 || !command.test(sent)) return undefined
      failures++
      return new TokenStoreError('no reply')
    }
    const { status } = await visitor.visit(at)
    expect(failures).toBe(2)
    store.fault = undefined
    expect(failed).toEqual(['ERR_PAGERDUTY_TOKEN_STORE'])
    return status
  }

  async function expectNothingLeft(): Promise<void> {
    expect(await listed()).toEqual([])
    expect((await app.get(browser)).status).toBe(401)
    await app.pd.close()
    expect(simulator.liveGrants()).toEqual([])
  }

  test('a session that cannot be stored leaves no grant and no token', async () => {
    expect(await finish(await callback(), /^create sess:/)).toBe(503)
    await expectNothingLeft()
  })

  test('a session that cannot be stored leaves nothing of what a step-up replaced either', async () => {
    await app.logIn(browser)
    expect(await finish(await callback('/write'), /^create sess:/)).toBe(503)
    await expectNothingLeft()
  })

  test('a session that cannot be stored leaves a grant that is kept, and its tokens', async () => {
    await app.logIn(browser)
    const before = await listed()
    await app.pd.grants.keep(before[0] as string)
    expect(await finish(await callback('/write'), /^create sess:/)).toBe(503)
    expect(await listed()).toEqual(before)
    await app.pd.close()
    expect(simulator.calls.revoke).toBe(0)
  })

  test('a session of a second click that cannot be stored leaves the login of the first one', async () => {
    const at = await callback()
    const second = browser.copy()
    await browser.visit(at)
    expect(await finish(at, /^create sess:/, second)).toBe(503)
    expect((await app.get(browser)).status).toBe(200)
    await app.pd.close()
    expect(simulator.calls.revoke).toBe(0)
  })

  test('a session of another user that cannot be ended leaves no grant of either', async () => {
    await app.logIn(browser)
    expect(await finish(await callback('/auth/pagerduty', 'PACME02'), /^delete sess:/)).toBe(503)
    await expectNothingLeft()
  })

  test('a session that cannot be ended leaves the tokens of a step-up to the next login', async () => {
    await app.logIn(browser)
    expect(await finish(await callback('/write'), /^delete sess:/)).toBe(503)
    await app.logIn(browser)
    expect((await app.get(browser)).status).toBe(200)
    expect(await listed()).toHaveLength(1)
    expect(simulator.calls.revoke).toBe(0)
    await app.logOut(browser)
    await expectNothingLeft()
  })

  test('a grant that cannot be replaced stays alone, and has the tokens of both', async () => {
    await app.logIn(browser)
    const before = await listed()
    expect(await finish(await callback('/write'), /^replace grant:/)).toBe(503)
    expect(await listed()).toEqual(before)
    expect((await app.get(browser)).status).toBe(200)
    expect(simulator.calls.revoke).toBe(0)
    await app.logOut(browser)
    await expectNothingLeft()
  })

  test('a replacement without a reply, which the second click has done as well, counts for both', async () => {
    await app.logIn(browser)
    const at = await callback('/write')
    const second = browser.copy()
    const replacing = store.hold(/^replace grant:/)
    const first = browser.visit(at)
    await replacing.reached
    expect((await second.visit(at)).status).toBe(302)
    replacing.fail(new TokenStoreError('no reply'))
    expect((await first).status).toBe(302)
    expect((await app.get(second, '/write')).status).toBe(200)
    await app.pd.close()
    expect(simulator.calls.revoke).toBe(0)
  })
})

describe('in a Passport app, a session that cannot be stored leaves no grant and no token of', () => {
  let app: PassportApp
  beforeEach(async () => {
    app = await startPassportApp(simulator)
  })
  afterEach(() => app.close())

  test.each([
    ['a login', []],
    ['a PagerDuty user who is linked to another login', ['/local/local-1']],
  ])('%s', async (_what, before) => {
    const browser = new Browser()
    for (const path of before) await app.get(browser, path)
    const at = await app.approved(browser)
    const full: typeof app.sessions.set = (_id, _data, saved) => saved?.(new Error('full'))
    jest.spyOn(app.sessions, 'set').mockImplementationOnce(full).mockImplementationOnce(full)
    expect((await browser.visit(at)).status).toBe(500)
    expect(await app.pd.grants.list(ada)).toEqual([])
    expect((await app.get(browser)).status).toBe(401)
    await app.pd.close()
    expect(simulator.liveGrants()).toEqual([])
  })
})
