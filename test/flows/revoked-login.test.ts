import session from 'express-session'
import { MemoryTokenStore } from '../../src'
import { startDropIn } from '../support/drop-in'
import { app, browser, setUpPassportTests, simulator, start } from '../support/passport-test'
import { WatchedStore } from '../support/watched-store'

setUpPassportTests()

const nobody = { user: null, isAuthenticated: false, pagerduty: null }

/** Ends all grants of the user, as an administrator does. */
const revoke = () => app.pd.grants.revoke({ accountID: 'PACME00', userID: 'PACME01' })

describe.each([
  ['after passport.session()', false],
  ['before passport.session()', true],
])('with sessionTokens() %s', (_where, isFirst) => {
  test('a Passport login that PagerDuty made ends with its grant, and the data of the app stays', async () => {
    await start({ isFirst })
    await app.consent(browser)
    await app.get(browser, '/put/apple')
    expect(await app.see(browser)).toMatchObject({ user: { id: 'PACME01' }, isAuthenticated: true })
    await revoke()
    const { sessionID, ...seen } = await app.see(browser)
    expect(seen).toEqual({ ...nobody, sessionID: undefined, session: { cart: 'apple', passport: {} } })
    expect(await app.see(browser)).toEqual({ ...seen, sessionID })
    expect((await app.get(browser)).status).toBe(401)
  })

  test('a login that was made otherwise, to which PagerDuty is linked, stays when the grant is over', async () => {
    await start({ isFirst })
    await app.get(browser, '/local/local-7')
    await app.consent(browser)
    expect(await app.see(browser)).toMatchObject({ user: { id: 'local-7' }, pagerduty: 'PACME01' })
    await revoke()
    for (const _again of [1, 2]) {
      const seen = await app.see(browser)
      expect(seen).toMatchObject({ user: { id: 'local-7' }, isAuthenticated: true, pagerduty: null })
      expect(seen.session).toEqual({ passport: { user: { id: 'local-7' } } })
    }
    expect((await app.get(browser)).status).toBe(401)
  })

  test('a login ends at its absolute end, at Passport too', async () => {
    await start({ isFirst, options: { session: { idle: 60_000, absolute: 60_000 } } })
    await app.consent(browser)
    const now = Date.now()
    const clock = jest.spyOn(Date, 'now').mockReturnValue(now + 60_000)
    expect(await app.see(browser)).toMatchObject(nobody)
    clock.mockRestore()
    expect(await app.see(browser)).toMatchObject(nobody)
  })

  test('a token store that cannot be reached logs no one out', async () => {
    const store = new WatchedStore()
    await start({ isFirst, options: { tokenStore: store } })
    await app.consent(browser)
    store.fault = () => new Error('unreachable')
    expect((await app.get(browser, '/')).status).toBeGreaterThanOrEqual(500)
    store.fault = undefined
    expect(await app.see(browser)).toMatchObject({ user: { id: 'PACME01' }, pagerduty: 'PACME01' })
  })

  test('a request that read its session before another login replaced it writes nothing back', async () => {
    const store = new WatchedStore()
    let goOn = () => {}
    await start({
      isFirst,
      options: { tokenStore: store },
      session: { cookie: { maxAge: 60_000 } },
    })
    await app.consent(browser)
    const { grantID = '' } = await app.see(browser)
    const callback = await app.approved(browser, '/auth/pagerduty', 'PACME02')
    const late = browser.copy()
    // The session is read, the grant not yet.
    const held = new Promise<void>((reached) => {
      const get = store.memory.get.bind(store.memory)
      jest.spyOn(store.memory, 'get').mockImplementationOnce(async (key) => {
        expect(key).toBe(`grant:${grantID}`)
        reached()
        await new Promise<void>((go) => (goOn = go))
        return get(key)
      })
    })
    const answer = app.get(late, '/')
    await held
    await browser.visit(callback)
    goOn()
    const { status, headers } = await answer
    expect([status, headers.get('set-cookie')]).toEqual([200, null])
    expect(await app.see(late)).toMatchObject({ user: null, session: {} })
    expect(await app.see(browser)).toMatchObject({ user: { id: 'PACME02' }, pagerduty: 'PACME02' })
  })
})

describe.each([
  ['after passport.session()', false],
  ['before passport.session()', true],
])('with sessionTokens() %s, a Passport login ends with a grant', (_where, isFirst) => {
  test('that was sealed with another secret', async () => {
    const sessions = new session.MemoryStore()
    const tokenStore = new MemoryTokenStore()
    await start({ isFirst, session: { store: sessions }, options: { tokenStore } })
    await app.consent(browser)
    await app.get(browser, '/put/apple')
    await app.close()
    const another = 'another secret of thirty-two characters or more'
    await start({ isFirst, session: { store: sessions }, options: { tokenStore, secret: another } })
    for (const _again of [1, 2]) {
      const seen = await app.see(browser)
      expect(seen).toMatchObject(nobody)
      expect(seen.session).toMatchObject({ cart: 'apple', passport: {} })
      expect(seen.session).not.toHaveProperty('passport.user')
    }
  })

  test('that a step-up has replaced, where a slow request brought its session back, and a logout ends both', async () => {
    let goOn = () => {}
    const held = new Promise<void>((go) => (goOn = go))
    let arrived = () => {}
    const reached = new Promise<void>((there) => (arrived = there))
    await start({
      isFirst,
      more: (express) =>
        express.get('/slow', async (req, res) => {
          arrived()
          await held
          Object.assign(req.session, { seen: 1 })
          res.json('slow')
        }),
    })
    simulator.configure('simulator-client', { scope: ['incidents.read', 'services.read'] })
    await app.consent(browser)
    const old = browser.copy()
    const slow = app.get(old, '/slow')
    await reached
    await app.consent(browser, '/services')
    goOn()
    await slow
    const other = old.copy()
    for (const _again of [1, 2]) {
      const seen = await app.see(other)
      expect(seen).toMatchObject(nobody)
      expect(seen.session).toMatchObject({ seen: 1, passport: {} })
    }
    expect(await app.see(browser)).toMatchObject({ user: { id: 'PACME01' }, pagerduty: 'PACME01' })
    await app.post(other, '/logout')
    expect(await app.see(browser)).toMatchObject(nobody)
    await app.pd.close()
    expect(simulator.liveGrants()).toEqual([])
  })
})

test('a revocation at PagerDuty logs out of Passport once the access token is over, without any guard', async () => {
  await start()
  await app.consent(browser)
  simulator.revokeAll()
  simulator.expireTokens()
  const now = Date.now()
  jest.spyOn(Date, 'now').mockReturnValue(now + 30 * 60 * 60_000)
  await app.see(browser)
  await app.pd.close()
  expect(await app.see(browser)).toMatchObject(nobody)
  jest.restoreAllMocks()
})

test('a grant that turns out to be over within a request takes the Passport login along', async () => {
  await start({
    more: (express) =>
      express.get('/use', async (req, res) => {
        const error = await req.pagerduty
          .getAccessToken({ forceRefresh: true })
          .catch((failure: Error) => failure)
        res.json({
          error: (error as Error).name,
          user: req.user ?? null,
          isAuthenticated: req.isAuthenticated(),
        })
      }),
  })
  await app.consent(browser)
  simulator.revokeAll()
  expect(await (await app.get(browser, '/use')).json()).toEqual({
    error: 'LoginRequiredError',
    user: null,
    isAuthenticated: false,
  })
  expect(await app.see(browser)).toMatchObject(nobody)
})

test('with pd.auth(), the user is gone when a request finds that the grant has ended, and after a logout', async () => {
  await start()
  const dropIn = await startDropIn(simulator, {}, (express) => {
    express.get('/use', async (req, res) => {
      await req.pagerduty.getAccessToken({ forceRefresh: true }).catch(() => {})
      res.json(req.user ?? null)
    })
    express.post('/bye', async (req, res) => {
      await req.pagerduty.logout()
      res.json(req.user ?? null)
    })
  })
  const { browser: first } = await dropIn.logIn()
  const bye = await first.fetch(`${dropIn.url}/bye`, { method: 'POST' })
  expect(await bye.json()).toBeNull()
  const { browser: second } = await dropIn.logIn()
  simulator.revokeAll()
  expect(await (await dropIn.get(second, '/use')).json()).toBeNull()
  await dropIn.close()
})

test('another login with Passport in the same session is not ended by the grant of the one before', async () => {
  await start({
    more: (express) =>
      express.get('/switch', (req, res, next) =>
        req.logIn({ id: 'local-7' } as Express.User, { keepSessionInfo: true } as never, (error) =>
          error ? next(error) : res.json('in'),
        ),
      ),
  })
  await app.consent(browser)
  await app.get(browser, '/switch')
  expect(await app.pd.grants.list({ accountID: 'PACME00', userID: 'PACME01' })).toEqual([])
  for (const _again of [1, 2]) expect(await app.see(browser)).toMatchObject({ user: { id: 'local-7' } })
})
