import passport from 'passport'
import { type PagerDuty, type PagerDutyUser, type RequestGrant, MemoryTokenStore, pagerduty } from '../../src'
import { approve } from '../../src/testing'
import { Browser } from '../support/browser'
import { secret } from '../support/passport-app'
import { app, browser, setUpPassportTests, simulator, start } from '../support/passport-test'

setUpPassportTests()

const local = { user: { id: 'local-7' }, isAuthenticated: true }
const ada = { accountID: 'PACME00', userID: 'PACME01' }

describe('where PagerDuty users are kept with the local user who linked them', () => {
  /** Local users by PagerDuty's. */
  let users: Map<string, string>
  const keyOf = ({ accountID, id }: PagerDutyUser) => `${accountID}/${id}`

  beforeEach(async () => {
    users = new Map()
    await start({
      options: {
        verify: async ({ user }, req) => {
          await Promise.resolve()
          const id = users.get(keyOf(user))
          return req.user ?? (id === undefined ? false : { id })
        },
      },
      more: (express) =>
        express.post('/keep', (req, res) => {
          users.set(keyOf(req.pagerduty.user as PagerDutyUser), (req.user as { id: string }).id)
          res.json('kept')
        }),
    })
  })

  /** A local user links PagerDuty, and has it kept for logins. */
  async function linkAndKeep(by = browser): Promise<void> {
    await app.get(by, '/local/local-7')
    await app.consent(by)
    await app.post(by, '/keep')
  }

  test('a login with PagerDuty is that of the local user, and ends with its grant', async () => {
    await linkAndKeep()
    const other = new Browser()
    await app.consent(other)
    expect(await app.see(other)).toMatchObject({ ...local, pagerduty: 'PACME01' })
    expect((await app.get(other)).status).toBe(200)
    await app.pd.grants.revoke(ada)
    expect(await app.see(other)).toMatchObject({ user: null, isAuthenticated: false, pagerduty: null })
  })

  test('a login with a PagerDuty user who is not linked is denied, and leaves no grant', async () => {
    await linkAndKeep()
    const stranger = new Browser()
    const denied = await app.consent(stranger, '/auth/pagerduty', 'PACME02')
    expect(denied.headers.get('location')).toBe('/refused')
    expect(await app.see(stranger)).toMatchObject({ user: null, pagerduty: null })
    expect(simulator.liveGrants()).toHaveLength(1)
  })

  test('a link whose local user was logged out meanwhile is denied too', async () => {
    await app.get(browser, '/local/local-7')
    const callback = await app.approved(browser)
    await app.post(browser, '/logout')
    expect((await browser.visit(callback)).headers.get('location')).toBe('/refused')
    expect(await app.see(browser)).toMatchObject({ user: null, pagerduty: null })
    expect(simulator.liveGrants()).toEqual([])
  })

  test('a step-up of a login with PagerDuty keeps the local user, and the login still ends with its grant', async () => {
    await linkAndKeep()
    const other = new Browser()
    await app.consent(other)
    await app.consent(other, '/services')
    expect((await app.get(other, '/services')).status).toBe(200)
    expect(await app.see(other)).toMatchObject(local)
    await app.pd.grants.revoke(ada)
    expect(await app.see(other)).toMatchObject({ user: null, pagerduty: null })
  })

  test('an unlink in one session takes PagerDuty from the others of the user, and logs none of them out', async () => {
    const sessions = [browser, new Browser()]
    for (const one of sessions) {
      await app.get(one, '/local/local-7')
      await app.consent(one)
    }
    expect(await app.pd.grants.list(ada)).toHaveLength(2)
    await app.post(browser, '/unlink')
    expect(await app.see(sessions[1] as Browser)).toMatchObject({ ...local, pagerduty: 'PACME01' })
    await app.pd.grants.revoke(ada)
    for (const one of sessions) expect(await app.see(one)).toMatchObject({ ...local, pagerduty: null })
    expect(simulator.liveGrants()).toEqual([])
  })

  test('a link after an unlink is a new one', async () => {
    await linkAndKeep()
    const { grantID } = await app.see(browser)
    await app.post(browser, '/unlink')
    await app.consent(browser)
    const again = await app.see(browser)
    expect(again).toMatchObject({ ...local, pagerduty: 'PACME01' })
    expect(again.grantID).not.toBe(grantID)
    expect((await app.get(browser)).status).toBe(200)
  })
})

describe('two PagerDuty accounts, each linked by an instance of its own name', () => {
  let globex: PagerDuty | undefined

  beforeEach(async () => {
    await start({
      more(express) {
        const callbackURL = 'http://127.0.0.1/auth/globex/callback'
        const tokenStore = new MemoryTokenStore()
        const scope = 'incidents.read'
        globex = pagerduty({ ...simulator.options(), name: 'globex', callbackURL, scope, tokenStore, secret })
        const instance = globex
        passport.use(instance.strategy as never)
        const link = passport.authorize('globex')
        express.use(instance.sessionTokens())
        express.get('/auth/globex', link)
        express.get('/auth/globex/callback', link, (_req, res) => res.json('linked'))
        express.get('/both', (req, res) => {
          const { globex: second } = req as unknown as { globex: RequestGrant }
          res.json([req.user ?? null, req.pagerduty.user?.id ?? null, second.user?.id ?? null])
        })
        express.get('/globex/incidents', instance.requireScopes('incidents.read'), async (req, res) => {
          const { globex: second } = req as unknown as { globex: RequestGrant }
          res.json(await (await second.fetch('/incidents')).json())
        })
        // Behind the middleware of both instances: each ends its own grant.
        express.post('/logout-of-both', (req, res, next) =>
          req.logout((error) => (error ? next(error) : res.json('out'))),
        )
        express.post('/globex/unlink', async (req, res) => {
          await (req as unknown as { globex: RequestGrant }).globex.logout()
          res.json('unlinked')
        })
      },
    })
    await app.get(browser, '/local/local-7')
    await app.consent(browser)
    await linkGlobex()
  })
  afterEach(() => globex?.close())

  async function linkGlobex(user = 'PGLBX01'): Promise<void> {
    const begun = await browser.visit(`${app.url}/auth/globex`)
    const callback = new URL(await approve(begun.headers.get('location') as string, { user }))
    expect((await browser.visit(app.url + callback.pathname + callback.search)).status).toBe(200)
  }
  const both = async (by = browser): Promise<unknown> => (await app.get(by, '/both')).json()

  test('are both there, each with the tokens of its own user', async () => {
    expect(await both()).toEqual([local.user, 'PACME01', 'PGLBX01'])
    expect((await app.get(browser)).status).toBe(200)
    const { incidents } = (await (await app.get(browser, '/globex/incidents')).json()) as {
      incidents: { html_url: string }[]
    }
    expect(incidents.length).toBeGreaterThan(0)
    for (const { html_url: url } of incidents) expect(url).toMatch(/^https:\/\/globex\./)
  })

  test('are linked again one by one', async () => {
    await linkGlobex('PGLBX02')
    expect(await both()).toEqual([local.user, 'PACME01', 'PGLBX02'])
    await app.consent(browser, '/auth/pagerduty', 'PACME02')
    expect(await both()).toEqual([local.user, 'PACME02', 'PGLBX02'])
  })

  test('are unlinked one by one', async () => {
    await app.post(browser, '/globex/unlink')
    expect(await both()).toEqual([local.user, 'PACME01', null])
    await app.post(browser, '/unlink')
    expect(await both()).toEqual([local.user, null, null])
    expect(simulator.liveGrants()).toEqual([])
  })

  test('both end with the login of the local user', async () => {
    const old = browser.copy()
    await app.post(browser, '/logout-of-both')
    expect(await both()).toEqual([null, null, null])
    expect(await both(old)).toEqual([null, null, null])
    expect(simulator.liveGrants()).toEqual([])
  })
})
