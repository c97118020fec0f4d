import { TokenStoreError } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'
import { HeldStore } from '../support/held-store'

const secret = 'a secret of thirty-two characters or more, for tests'
const ada = { accountID: 'PACME00', userID: 'PACME01' }

let simulator: Simulator
let store: HeldStore
let app: DropIn
let browser: Browser
let warnings: string[]

beforeEach(async () => {
  simulator = await startPagerDuty()
  simulator.configure('simulator-client', { scope: ['incidents.read', 'incidents.write', 'users.read'] })
  store = new HeldStore()
  browser = new Browser()
  warnings = []
  app = await startDropIn(simulator, { tokenStore: store, secret }, (express, pd) => {
    express.get('/write', pd.requireScopes('incidents.write'), (_req, res) => void res.json('written'))
    pd.on('warning', ({ error }) => void warnings.push(error.message))
  })
})
afterEach(async () => {
  jest.restoreAllMocks()
  store.fault = undefined
  await app.close()
  await simulator.close()
})

/** A callback that PagerDuty sends the browser to: of a login, or of a step-up where it is logged in. */
async function callback(path = '/auth/pagerduty'): Promise<string> {
  let at = app.url + path
  while (!at.startsWith(simulator.url)) {
    at = new URL((await browser.visit(at)).headers.get('location') as string, at).href
  }
  return approve(at, { user: 'PACME01' })
}

/** Every command fails from the first one that matches. */
function failFrom(command: RegExp): void {
  let isDown = false
  store.fault = (sent) => {
    isDown ||= command.test(sent)
    return isDown ? new TokenStoreError('no reply') : undefined
  }
}

const places: [string, RegExp][] = [
  ['its grant is stored', /^create grant:/],
  ['its grant is listed', /^(create|replace) user:/],
  ['its outcome is written', /^replace login:/],
  ['its session is stored', /^create sess:/],
]

describe.each(places)('a store that is down from when %s until after the callback', (_when, command) => {
  test('leaves no token of its login at PagerDuty', async () => {
    const login = await callback()
    failFrom(command)
    expect((await browser.visit(login)).status).toBe(503)
    store.fault = undefined
    await app.pd.close()
    expect(simulator.liveGrants()).toEqual([])
    expect(await app.pd.grants.list(ada)).toEqual([])
  })

  test('leaves none either where it stays down for longer than a new grant lives', async () => {
    const login = await callback()
    failFrom(command)
    expect((await browser.visit(login)).status).toBe(503)
    const [now, wallClock] = [performance.now.bind(performance), Date.now]
    jest.spyOn(performance, 'now').mockImplementation(() => now() + 61_000)
    jest.spyOn(Date, 'now').mockImplementation(() => wallClock() + 61_000)
    store.fault = undefined
    await app.pd.close()
    expect(simulator.liveGrants()).toEqual([])
  })
})

// Once its session is to be stored, the one before is gone.
test.each(places.slice(0, 3))(
  'a store that is down from when %s leaves a logged-in user as they were, whose logout ends the tokens of both',
  async (_when, command) => {
    await app.logIn(browser)
    const stepUp = await callback('/write')
    failFrom(command)
    expect((await browser.visit(stepUp)).status).toBe(503)
    store.fault = undefined
    expect((await app.get(browser)).status).toBe(200)
    await app.pd.close()
    expect(simulator.calls.revoke).toBe(0)
    expect(await app.pd.grants.list(ada)).toHaveLength(1)
    expect((await app.logOut(browser)).status).toBe(204)
    await app.pd.close()
    expect(simulator.liveGrants()).toEqual([])
  },
)

test('a login that is made before the store has told how the failed one ended takes its tokens along', async () => {
  const login = await callback()
  store.fault = (sent) => (sent.startsWith('replace login:') ? new TokenStoreError('no reply') : undefined)
  expect((await browser.visit(login)).status).toBe(503)
  const retry = store.hold(/^replace login:/)
  await retry.reached
  store.fault = undefined
  await app.logIn(browser)
  retry.release()
  await app.pd.close()
  expect(simulator.calls.revoke).toBe(0)
  await app.logOut(browser)
  await app.pd.close()
  expect(simulator.liveGrants()).toEqual([])
})

test('a store that does not come back before the process ends is a warning, which says what is left', async () => {
  const login = await callback()
  failFrom(/^create grant:/)
  expect((await browser.visit(login)).status).toBe(503)
  const closing = app.pd.close()
  const retry = store.hold(/^replace login:/)
  await retry.reached
  const now = performance.now.bind(performance)
  jest.spyOn(performance, 'now').mockImplementation(() => now() + 30_000)
  retry.release()
  await closing
  expect(warnings.at(-1)).toMatch(/tokens of a login that failed were not revoked/)
})
