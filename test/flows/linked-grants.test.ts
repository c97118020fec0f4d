import { Passport } from 'passport'
import { MemoryTokenStore, pagerduty } from '../../src'
import { approve } from '../../src/testing'
import { serve } from '../support/app'
import { type Seen, secret } from '../support/passport-app'
import { app, browser, setUpPassportTests, simulator, start } from '../support/passport-test'

setUpPassportTests()

const local = { user: { id: 'local-7' }, isAuthenticated: true }
const owner = { accountID: 'PACME00', userID: 'PACME01' }

/** A local user adds PagerDuty. */
async function link(user?: string): Promise<Seen & { account: unknown }> {
  if (browser.cookies.size === 0) await app.get(browser, '/local/local-7')
  return (await (await app.consent(browser, '/auth/pagerduty', user)).json()) as Seen & { account: unknown }
}

const listed = () => app.pd.grants.list(owner)

describe('passport.authorize', () => {
  test('adds PagerDuty to a login that was made otherwise, which stays as it was', async () => {
    await start({ options: { verify: ({ user }) => ({ account: user.id }) } })
    await app.get(browser, '/local/local-7')
    await app.get(browser, '/put/apple')
    const session = { cart: 'apple', passport: { user: { id: 'local-7' } } }
    const answer = await link()
    expect(answer).toMatchObject({ ...local, account: { account: 'PACME01' }, session })
    const seen = await app.see(browser)
    expect(seen).toMatchObject({ ...local, pagerduty: 'PACME01', session })
    expect((await app.get(browser)).status).toBe(200)
  })

  test('has the grant on the request at once, and in the session before the response leaves', async () => {
    await start()
    const answer = await link()
    expect(answer).toMatchObject({
      pagerduty: 'PACME01',
      session: { pagerduty: { grants: { pagerduty: answer.grantID } } },
    })
    expect(await app.see(browser)).toMatchObject({ pagerduty: 'PACME01', grantID: answer.grantID })
  })

  test('gives the session another id, so that who planted the old one gets no access to PagerDuty', async () => {
    await start({ session: { saveUninitialized: true } })
    await app.see(browser)
    const planted = browser.copy()
    app.links = true
    await link()
    expect(await app.see(browser)).toMatchObject({ user: null, pagerduty: 'PACME01' })
    expect(await app.see(planted)).toMatchObject({ user: null, pagerduty: null })
  })

  test('keeps how long the session of this user was to live', async () => {
    await start({
      session: { cookie: { maxAge: 60_000 } },
      more: (express) =>
        express.get('/remember', (req, res) => {
          req.session.cookie.maxAge = 3_600_000
          Object.assign(req.session, { remembered: true })
          res.json('remembered')
        }),
    })
    await app.get(browser, '/local/local-7')
    await app.get(browser, '/remember')
    const { sessionID } = await link()
    const stored = await new Promise<{ cookie: { originalMaxAge: number } }>((resolve) =>
      app.sessions.get(sessionID, (_error, data) => resolve(data as never)),
    )
    expect(stored.cookie.originalMaxAge).toBeGreaterThan(3_000_000)
  })

  test('makes a grant that lives as long as its session, even where the next request comes late', async () => {
    await start()
    await link()
    const [wall, monotonic] = [Date.now(), performance.now()]
    const setClocks = (milliseconds: number) => {
      jest.spyOn(Date, 'now').mockReturnValue(wall + milliseconds)
      jest.spyOn(performance, 'now').mockReturnValue(monotonic + milliseconds)
    }
    setClocks(2 * 60_000)
    expect(await app.see(browser)).toMatchObject({ ...local, pagerduty: 'PACME01' })
    setClocks(7 * 60 * 60_000)
    expect(await app.see(browser)).toMatchObject({ pagerduty: 'PACME01' })
    setClocks(14 * 60 * 60_000)
    expect(await app.see(browser)).toMatchObject({ pagerduty: 'PACME01' })
  })

  test('that is repeated replaces the old grant with the new one, whichever user it belongs to', async () => {
    await start()
    const first = await link()
    const second = await link('PACME02')
    expect(await app.see(browser)).toMatchObject({ ...local, pagerduty: 'PACME02', grantID: second.grantID })
    expect(await app.pd.grants.get(first.grantID ?? '')).toBeUndefined()
  })

  test('goes on to the page of a step-up, with the login and the data of the session', async () => {
    await start()
    const { grantID } = await link()
    await app.get(browser, '/put/apple')
    const finished = await app.consent(browser, '/services')
    expect(finished.headers.get('location')).toBe('/services')
    expect((await app.get(browser, '/services')).status).toBe(200)
    expect(await app.see(browser)).toMatchObject({ ...local, session: { cart: 'apple' } })
    expect((await listed()).map((grant) => grant.grantID)).not.toContain(grantID)
    expect(await listed()).toHaveLength(1)
  })

  test('that the user denies leaves everything as it was', async () => {
    await start()
    await app.get(browser, '/local/local-7')
    const begun = await browser.visit(`${app.url}/auth/pagerduty`)
    const asked = begun.headers.get('location') as string
    const denied = await browser.visit(await approve(asked, { decision: 'deny' }))
    expect(denied.headers.get('location')).toBe('/refused')
    expect(await app.see(browser)).toMatchObject({ ...local, pagerduty: null })
  })

  test('rejects another PagerDuty user where PagerDuty made the login, and adds the same one', async () => {
    await start()
    await app.consent(browser)
    app.links = true
    const refused = await app.consent(browser, '/auth/pagerduty', 'PACME02')
    expect(refused.headers.get('location')).toBe('/refused')
    expect(await app.see(browser)).toMatchObject({ user: { id: 'PACME01' }, pagerduty: 'PACME01' })
    expect(await app.pd.grants.list({ ...owner, userID: 'PACME02' })).toEqual([])
    await link()
    expect(await app.see(browser)).toMatchObject({ user: { id: 'PACME01' }, pagerduty: 'PACME01' })
    await app.pd.grants.revoke(owner)
    expect(await app.see(browser)).toMatchObject({ user: null, isAuthenticated: false })
  })

  test('that fails in the session store logs no one out, and leaves no cookie of another session', async () => {
    await start({ session: { cookie: { maxAge: 3_600_000 } } })
    await app.get(browser, '/local/local-7')
    await app.get(browser, '/put/apple')
    const destroy = jest
      .spyOn(app.sessions, 'destroy')
      .mockImplementation((_id, callback) => callback?.(new Error('the session store is down')))
    const failed = await app.consent(browser)
    expect([failed.status, failed.headers.get('set-cookie')]).toEqual([
      500,
      expect.not.stringContaining('connect.sid') as unknown,
    ])
    destroy.mockRestore()
    expect(await app.see(browser)).toMatchObject({ ...local, pagerduty: null, session: { cart: 'apple' } })
  })

  test('says what is missing where there is no session', async () => {
    await start()
    let failure: Error | undefined
    const bare = await serve((express, url) => {
      const passport = new Passport()
      const pd = pagerduty({
        ...simulator.options(),
        scope: 'incidents.read',
        callbackURL: `${url}/callback`,
        tokenStore: new MemoryTokenStore(),
        secret,
      })
      passport.use(pd.strategy as never)
      express.get('/connect', passport.authorize('pagerduty'))
      express.get('/callback', passport.authorize('pagerduty'))
      express.use((error: Error, _req: unknown, res: import('express').Response, _next: unknown) => {
        failure = error
        res.status(500).end()
      })
    })
    const begun = await browser.visit(`${bare.url}/connect`)
    await browser.visit(await approve(begun.headers.get('location') as string))
    expect(failure?.message).toMatch(/^"session" is missing: no session middleware ran before/)
    await bare.close()
  })
})

describe('a linked grant', () => {
  test('ends alone with req.pagerduty.logout(): the login, the session and its data stay', async () => {
    await start()
    await link()
    await app.get(browser, '/put/apple')
    const before = await app.see(browser)
    expect(await (await app.post(browser, '/unlink')).json()).toMatchObject({ ...local, pagerduty: null })
    const after = await app.see(browser)
    expect(after).toMatchObject({ ...local, pagerduty: null, sessionID: before.sessionID })
    expect(after.session).toEqual({ cart: 'apple', passport: { user: { id: 'local-7' } } })
    expect(await listed()).toEqual([])
    expect(simulator.liveGrants()).toEqual([])
  })

  test.each(['/logout', '/destroy'])('ends with the login of the session (%s)', async (path) => {
    await start()
    await link()
    const old = browser.copy()
    await app.post(browser, path)
    expect(await app.see(browser)).toMatchObject({ user: null, pagerduty: null })
    expect(await app.see(old)).toMatchObject({ user: null, pagerduty: null })
    expect(await listed()).toEqual([])
  })

  test('ends when another local user logs in', async () => {
    await start()
    await link()
    await app.get(browser, '/local/local-8')
    expect(await app.see(browser)).toMatchObject({ user: { id: 'local-8' }, pagerduty: null })
    expect(await listed()).toEqual([])
  })
})
