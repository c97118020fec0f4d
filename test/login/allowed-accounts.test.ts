import { type PagerDutyOptions, pagerduty } from '../../src'
import { requireAllowedAccount } from '../../src/login/allowed-accounts'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { withEnvironment } from '../../src/environment'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

let simulator: Simulator
let app: DropIn

beforeEach(async () => {
  simulator = await startPagerDuty()
})
afterEach(() => simulator.close())

const owner = { accountID: 'PACME00', userID: 'PACME01' }

describe('a login', () => {
  afterEach(() => app.close())

  test.each([['us.acme'], [['eu.globex', 'us.acme']], ['PACME00'], [['PACME00', 'eu.initech']]])(
    'of a listed account succeeds: %j',
    async (accounts) => {
      app = await startDropIn(simulator, { accounts })
      const { browser } = await app.logIn()
      expect((await app.get(browser)).status).toBe(200)
    },
  )

  test.each([['eu.acme'], ['us.globex'], [['us.acme-staging', 'us.acm']], ['PGLBX00']])(
    'of another account is denied with a page that says so, and its tokens are revoked: %j',
    async (accounts) => {
      app = await startDropIn(simulator, { accounts })
      const failures: unknown[] = []
      app.pd.on('loginFailed', ({ reason }) => failures.push(reason))
      const browser = new Browser()
      const finished = await browser.visit(await approve(await app.begin(browser), { user: 'PACME01' }))
      const page = await finished.text()
      expect(finished.status).toBe(403)
      expect(page).toContain('This app is not for your PagerDuty account, us.acme')
      expect(failures).toEqual(['ERR_PAGERDUTY_ACCOUNT_NOT_ALLOWED'])
      expect((await app.get(browser)).status).toBe(401)
      expect(await app.pd.grants.list(owner)).toEqual([])
      await app.pd.close()
      expect(simulator.calls.revoke).toBe(1)
      expect(simulator.liveGrants()).toEqual([])
    },
  )

  test('of another account leaves the user of the browser logged in', async () => {
    app = await startDropIn(simulator, { accounts: 'us.acme' })
    const { browser } = await app.logIn()
    const { finished } = await app.logIn(browser, { user: 'PGLBX01' })
    expect(finished.status).toBe(403)
    expect((await app.get(browser)).status).toBe(200)
  })

  test('is not brought to verify if its account is not listed', async () => {
    const verify = jest.fn(() => ({ id: 'anyone' }))
    app = await startDropIn(simulator, { accounts: 'us.acme', verify })
    await app.logIn(new Browser(), { user: 'PGLBX01' })
    expect(verify).not.toHaveBeenCalled()
  })
})

describe('an account', () => {
  const user = {
    id: 'PACME01',
    accountID: 'PACME00',
    apiURL: 'https://api.pagerduty.com',
    delegationID: undefined,
    subdomain: 'acme',
    region: 'us' as const,
  }

  test('that the id_token does not name is let in by its id only', () => {
    for (const missing of [{ region: undefined }, { subdomain: undefined }]) {
      const unnamed = { ...user, ...missing }
      expect(() => requireAllowedAccount(['us.acme'], unnamed)).toThrow('account, PACME00')
      expect(() => requireAllowedAccount(['PACME00'], unnamed)).not.toThrow()
    }
  })

  test('is found by its subdomain, whatever the case in which PagerDuty writes it', () => {
    expect(() => requireAllowedAccount(['us.acme'], { ...user, subdomain: 'Acme' })).not.toThrow()
  })

  test.each([{ subdomain: 'acme.evil' }, { subdomain: '' }, { accountID: 'us.acme', subdomain: 'other' }])(
    'is not taken for another one: %j',
    (other) => {
      const accounts = ['us.acme']
      const isLetIn = () => requireAllowedAccount(accounts, { ...user, ...other })
      expect(isLetIn).toThrow(expect.objectContaining({ code: 'ERR_PAGERDUTY_ACCOUNT_NOT_ALLOWED' }))
    },
  )
})

describe('the option accounts', () => {
  const start = (accounts: unknown) =>
    pagerduty({
      ...simulator.options(),
      scope: 'incidents.read',
      callbackURL: 'http://localhost/auth/pagerduty/callback',
      accounts: accounts as PagerDutyOptions['accounts'],
    })

  test.each([
    [[]],
    ['acme'],
    ['ap.acme'],
    ['us.Acme'],
    ['us.acme.pagerduty.com'],
    [['us.acme', '']],
    [5],
    [[null]],
  ])('is rejected as %j', (accounts) => {
    expect(() => start(accounts)).toThrow('"accounts" must list accounts')
  })

  test.each(['us.acme,eu.globex', 'us.acme, eu.globex', 'us.acme eu.globex', ['us.acme;eu.globex']])(
    'is rejected as %j, with a hint that shows the list',
    (accounts) => {
      expect(() => start(accounts)).toThrow(
        expect.objectContaining({ option: 'accounts', hint: "Supply a list: ['us.acme', 'eu.globex']." }),
      )
    },
  )

  test('comes from the environment, with commas', () => {
    const read = (value: string) => withEnvironment({}, { PAGERDUTY_ACCOUNTS: value }).accounts
    expect([read('us.acme'), read('us.acme, eu.globex'), read('')]).toEqual([
      'us.acme',
      ['us.acme', 'eu.globex'],
      undefined,
    ])
  })
})
