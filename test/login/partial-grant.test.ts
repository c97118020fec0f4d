import {
  MemoryTokenStore,
  PagerDutyStrategy,
  type PartialGrant,
  type PartialGrantPolicy,
  pagerduty,
} from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

const requestedScopes = ['incidents.read', 'users.read']
const secret = 'a secret of thirty-two characters or more, for tests'
const connection = { clientID: 'a', clientSecret: 'b', callbackURL: 'https://app.example/cb', secret }

let simulator: Simulator
let app: DropIn
const warn = jest.fn<void, [string]>()
const told = jest.fn()
const failed = jest.fn()

beforeEach(async () => {
  simulator = await startPagerDuty()
  for (const mock of [warn, told, failed]) mock.mockClear()
})
afterEach(async () => {
  await app?.close()
  await simulator.close()
})

/** An app with this policy, at a PagerDuty where it is configured for these scopes. */
async function start(configured: string[], partialGrant?: PartialGrantPolicy): Promise<void> {
  simulator.configure('simulator-client', { scope: configured })
  app = await startDropIn(simulator, { partialGrant, logger: { warn } })
  app.pd.on('partialGrant', told).on('loginFailed', failed)
}

const spelling =
  'Only openid came back: none of incidents.read, users.read is configured on the app at PagerDuty.'

describe('a login that is granted less than it requested', () => {
  test('is accepted by default, with an event and a warning, each difference once', async () => {
    await start(['users.read'])
    const { browser, finished } = await app.logIn()
    expect([finished.status, finished.headers.get('location')]).toEqual([302, '/'])
    await app.logIn()
    expect(told).toHaveBeenCalledTimes(2)
    expect(told.mock.calls[0]?.[0]).toMatchObject({
      when: 'login',
      user: { id: 'PACME01' },
      requestedScopes,
      grantedScopes: ['openid', 'users.read'],
      missing: ['incidents.read'],
    })
    expect(warn.mock.calls).toEqual([
      ['PagerDuty left out incidents.read: not configured on the app there, or spelt differently.'],
    ])
    expect((await app.get(browser, '/me')).status).toBe(200)
    expect((await app.get(browser)).status).toBe(403)
  })

  test('logs the usual mistakes if only openid came back', async () => {
    await start(['Incidents.Read'])
    await app.logIn()
    expect(warn.mock.calls[0]?.[0]).toContain(`${spelling} Check their spelling and case there.`)
  })

  test('is denied by "fail": 403, the hint for the operator and not for the browser, tokens revoked, no user logged in', async () => {
    await start([], 'fail')
    const { browser, finished } = await app.logIn()
    expect(finished.status).toBe(403)
    const page = await finished.text()
    expect(page).toContain('PagerDuty granted less than this app needs')
    expect(page).not.toContain('Only openid')
    expect(failed.mock.calls[0]?.[0].error).toMatchObject({
      name: 'ScopeNotGrantedError',
      code: 'ERR_PAGERDUTY_SCOPE_NOT_GRANTED',
      hint: expect.stringContaining(spelling),
      requested: requestedScopes,
      granted: ['openid'],
      missing: requestedScopes,
    })
    expect((await app.get(browser, '/me')).status).toBe(401)
    await app.pd.close()
    expect(simulator.newestAccessToken('PACME01')).toBeUndefined()
  })

  test.each<[string, unknown, number]>([
    ['false rejects', false, 403],
    ['a promise of false rejects', Promise.resolve(false), 403],
    ['true accepts', true, 302],
    ['nothing accepts', undefined, 302],
  ])('is accepted or rejected by a function: %s', async (_what, verdict, status) => {
    const judge = jest.fn<unknown, [PartialGrant, { originalUrl: string }]>().mockReturnValue(verdict)
    await start(['users.read'], judge)
    const { finished } = await app.logIn()
    expect(finished.status).toBe(status)
    expect((await finished.text()).includes('ERR_PAGERDUTY_SCOPE_NOT_GRANTED')).toBe(status === 403)
    const [difference, req] = judge.mock.calls[0] as [PartialGrant, { originalUrl: string }]
    expect(difference).toMatchObject({
      requestedScopes,
      missing: ['incidents.read'],
      user: { id: 'PACME01' },
    })
    expect(req.originalUrl).toMatch(/^\/auth\/pagerduty\/callback\?/)
    // It knows already.
    expect(warn).not.toHaveBeenCalled()
    expect(told).toHaveBeenCalledTimes(1)
  })

  test('is an error where the function throws one, and its text stays here', async () => {
    await start(['users.read'], () => {
      throw new Error('the database of plans is down')
    })
    const { browser, finished } = await app.logIn()
    expect(finished.status).toBe(500)
    expect((await app.get(browser, '/me')).status).toBe(401)
  })
})

test('a login that is granted everything calls no function, emits no event and logs no warning', async () => {
  const judge = jest.fn().mockReturnValue(false)
  await start(requestedScopes, judge)
  expect((await app.logIn()).finished.headers.get('location')).toBe('/')
  for (const mock of [judge, warn, told]) expect(mock).not.toHaveBeenCalled()
})

test('a refresh that narrows is reported, even where a function checks logins', async () => {
  await start(requestedScopes, () => false)
  const { browser } = await app.logIn()
  simulator.settings.refreshNarrows = true
  simulator.configure('simulator-client', { scope: ['users.read'] })
  simulator.expireTokens()
  await app.get(browser)
  expect((await app.get(browser)).status).toBe(403)
  expect(warn.mock.calls).toEqual([
    ['PagerDuty no longer grants incidents.read: the app at PagerDuty may have been changed.'],
  ])
})

describe('a scope that this package does not know', () => {
  const misspelt = 'incidents.raed'

  test('is reported at start-up, once, with the nearest name, wherever it is set', async () => {
    const pd = pagerduty({
      ...connection,
      scope: [misspelt, 'users.read'],
      stepUpScope: ['Users.Write'],
      appScope: ['schedule.read'],
      logger: { warn },
    })
    pd.requireScopes(misspelt as 'users.read')
    pd.requireScopes('users.read', { stepUpScope: ['oncall.read'] })
    pd.requireScopesFor('GET /users/me', { scopes: { 'GET /users/me': 'user.read' as 'users.read' } })
    await pd.close()
    expect(
      warn.mock.calls.map(([text]) => /names "(\S+)".*did you mean "(\S+)"/.exec(text)?.slice(1)),
    ).toEqual([
      [misspelt, 'incidents.read'],
      ['Users.Write', 'users.write'],
      ['schedule.read', 'schedules.read'],
      ['oncall.read', 'oncalls.read'],
      ['user.read', 'users.read'],
    ])
  })

  test('is also reported for a strategy that the app creates itself', () => {
    const emitted = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const options = { ...connection, tokenStore: new MemoryTokenStore(), scope: misspelt }
    new PagerDutyStrategy(options)
    new PagerDutyStrategy({ ...options, extraScopes: [misspelt] })
    expect(emitted.mock.calls.map(([text]) => text)).toEqual([expect.stringContaining('"incidents.read"')])
    emitted.mockRestore()
  })

  test('can be allowed on purpose, and is requested', async () => {
    simulator.configure('simulator-client', { scope: ['teapots.read'] })
    app = await startDropIn(simulator, {
      scope: 'teapots.read',
      extraScopes: ['teapots.read'],
      logger: { warn },
    })
    const begun = new URL(await app.begin(new Browser()))
    expect(begun.searchParams.get('scope')).toBe('teapots.read')
    expect(warn).not.toHaveBeenCalled()
  })
})
