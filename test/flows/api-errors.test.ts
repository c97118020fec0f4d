import { type PagerDutyOAuthError, apiError } from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

let simulator: Simulator
let app: DropIn
let thrown: PagerDutyOAuthError | undefined

beforeAll(async () => {
  simulator = await startPagerDuty()
  const options = {
    scope: ['users.read'],
    stepUpScope: ['incidents.read'],
    account: 'us.acme',
    appScope: 'users.read',
  }
  app = await startDropIn(simulator, options, (express, pd) => {
    express.get('/as/:who/:list', (req, res, next) => {
      const caller = req.params.who === 'user' ? req.pagerduty : pd.appTokens
      const call = async () => {
        const answer = await caller.fetch(`/${req.params.list}`)
        thrown = await apiError(answer)
        if (thrown !== undefined) throw thrown
        res.json(await answer.json())
      }
      call().catch(next)
    })
  })
})
afterEach(() => simulator.clearFaults())
afterAll(async () => {
  await app.close()
  await simulator.close()
})

/** Opens a page in a browser that is logged in: its status, where it leads, and what the operator reads. */
async function open(path: string) {
  const { browser } = await app.logIn(new Browser())
  const answer = await browser.visit(app.url + path, Browser.navigation)
  const { status, headers } = answer
  const page = await answer.text()
  return {
    offersLogin: page.includes('href="/auth/pagerduty'),
    status,
    to: headers.get('location'),
    message: thrown?.message,
    hint: thrown?.hint,
  }
}

test('a scope that the user’s token lacks leads to the consent to it', async () => {
  expect(await open('/as/user/incidents')).toEqual({
    status: 302,
    offersLogin: false,
    to: expect.stringContaining('scope=incidents.read') as string,
    message: 'GET /incidents needs a PagerDuty permission that was not granted: incidents.read',
    hint: expect.stringContaining('add it there first') as string,
  })
})

test('a scope that the app’s token lacks leads nowhere, although the user lacks it too', async () => {
  expect(await open('/as/app/incidents')).toEqual({
    status: 502,
    to: null,
    offersLogin: false,
    message: 'GET /incidents needs a scope that the app token does not have: incidents.read',
    hint: expect.stringContaining('appScope') as string,
  })
})

test('a 401 of the user’s token offers the login', async () => {
  simulator.failNext('api', { status: 401, body: 'Unauthorized' }, 3)
  expect(await open('/as/user/users')).toMatchObject({ status: 401, offersLogin: true })
})

test('a 401 of the app’s token offers none', async () => {
  simulator.failNext('api', { status: 401, body: 'Unauthorized' }, 3)
  expect(await open('/as/app/users')).toEqual({
    status: 502,
    to: null,
    offersLogin: false,
    message: 'PagerDuty’s REST API responded with 401 to GET /users as the app',
    hint: expect.stringContaining('No user has to log in') as string,
  })
})
