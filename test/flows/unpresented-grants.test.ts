import { TokenStoreError } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'
import { HeldStore } from '../support/held-store'
import { startPassportApp } from '../support/passport-app'

const secret = 'a secret of thirty-two characters or more, for tests'
const ada = { accountID: 'PACME00', userID: 'PACME01' }

/** What waits for sessions to present new grants. */
let timers: (() => void)[]
let simulator: Simulator

beforeEach(async () => {
  timers = []
  const set = setTimeout
  jest.spyOn(globalThis, 'setTimeout').mockImplementation(((run: () => void, after: number) => {
    if (after === 55_000) timers.push(run)
    return set(run, after)
  }) as never)
  simulator = await startPagerDuty()
})
afterEach(async () => {
  jest.restoreAllMocks()
  await simulator.close()
})

function passTheMinute(): void {
  expect(timers).not.toEqual([])
  for (const run of timers) run()
}

describe('a grant that no session has presented within a minute', () => {
  let store: HeldStore
  let app: DropIn
  let browser: Browser

  beforeEach(async () => {
    store = new HeldStore()
    browser = new Browser()
    app = await startDropIn(simulator, { tokenStore: store, secret })
  })
  afterEach(() => app.close())

  test('ends, and its tokens are revoked', async () => {
    await app.logIn(browser)
    expect(simulator.liveGrants()).toHaveLength(1)
    passTheMinute()
    await app.pd.close()
    expect(await app.pd.grants.list(ada)).toEqual([])
    expect(simulator.liveGrants()).toEqual([])
    expect((await app.get(browser)).status).toBe(401)
  })

  test('leaves its tokens to another login of its user', async () => {
    await app.logIn(browser)
    expect((await app.get(browser)).status).toBe(200)
    await app.logIn(new Browser())
    passTheMinute()
    await app.pd.close()
    expect(simulator.calls.revoke).toBe(0)
    await app.logOut(browser)
    await app.pd.close()
    expect(simulator.liveGrants()).toEqual([])
  })

  test('ends too where an outage kept a step-up from its session', async () => {
    await app.logIn(browser)
    await app.get(browser)
    const again = await app.begin(browser)
    timers = []
    let isDown = false
    store.fault = (sent) => {
      isDown ||= sent.startsWith('delete sess:')
      return isDown ? new TokenStoreError('no reply') : undefined
    }
    expect((await browser.visit(await approve(again, { user: 'PACME01' }))).status).toBe(503)
    store.fault = undefined
    passTheMinute()
    await app.pd.close()
    expect(simulator.liveGrants()).toEqual([])
  })

  test('stays where a session has presented it, and its tokens', async () => {
    await app.logIn(browser)
    expect((await app.get(browser)).status).toBe(200)
    passTheMinute()
    await app.pd.close()
    expect((await app.get(browser)).status).toBe(200)
    expect(simulator.calls.revoke).toBe(0)
  })

  test('stays where it is kept', async () => {
    await app.logIn(browser)
    const [grant] = await app.pd.grants.list(ada)
    await app.pd.grants.keep(grant?.grantID as string)
    passTheMinute()
    await app.pd.close()
    expect(await app.pd.grants.list(ada)).toHaveLength(1)
    expect(simulator.calls.revoke).toBe(0)
  })
})

test('a login of an app with its own Passport stays without a request, as its session is stored', async () => {
  const app = await startPassportApp(simulator)
  const browser = new Browser()
  await app.consent(browser)
  passTheMinute()
  await app.pd.close()
  expect(await app.see(browser)).toMatchObject({ pagerduty: 'PACME01' })
  await app.close()
})
