import { type PagerDutyEvents, TokenStoreError, type UserGrant } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'
import { HeldStore } from '../support/held-store'
import { secret, startPassportApp } from '../support/passport-app'
import { describeWithRedis, startRedis } from '../support/redis'

let simulator: Simulator
let app: DropIn
let ended: PagerDutyEvents['logout'][0][]

const owner = { accountID: 'PACME00', userID: 'PACME01' }

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())
afterEach(async () => {
  jest.restoreAllMocks()
  await app.close()
})

async function start(options: Parameters<typeof startDropIn>[1] = {}): Promise<void> {
  app = await startDropIn(simulator, options, (express, pd) => {
    express.get('/id', (req, res) => void res.json(req.pagerduty.grantID))
    express.post('/others', pd.requireLogin(), async (req, res) => {
      const { grantID = '' } = req.pagerduty
      await pd.grants.revoke({ ...owner, except: grantID })
      res.status(204).end()
    })
  })
  ended = []
  app.pd.on('logout', (detail) => ended.push(detail))
}

const idOf = async (browser: Browser) => (await (await app.get(browser, '/id')).json()) as string
const isIn = async (browser: Browser) => (await app.get(browser)).status === 200

async function stepUp(browser: Browser): Promise<void> {
  const asked = (await browser.visit(`${app.url}/services`)).headers.get('location') as string
  await browser.visit(await approve(await app.begin(browser, asked)))
}

/** Both clocks go on from here by so many milliseconds. */
function pass(milliseconds: number): number {
  const [then, ticks] = [Date.now() + milliseconds, performance.now() + milliseconds]
  jest.spyOn(Date, 'now').mockReturnValue(then)
  jest.spyOn(performance, 'now').mockReturnValue(ticks)
  return then
}

/** Grants are extended behind the response. */
async function until(isTrue: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isTrue()); tries++) {
    if (tries > 1_000) throw new Error('It has not become true')
    await new Promise(setImmediate)
  }
}

/** A visitor whose browser sends this User-Agent at the end of its login. */
async function logInWith(userAgent: string): Promise<Browser> {
  const browser = new Browser()
  const callback = await approve(await app.begin(browser), { user: 'PACME01' })
  await browser.visit(callback, { 'User-Agent': userAgent })
  return browser
}

describe('the list of a user’s grants', () => {
  test('says when each login was made and last used, and on which device', async () => {
    await start({
      label: (req) => req.get('user-agent'),
      session: { idle: 60 * 60_000 },
    })
    const then = pass(0)
    const first = await logInWith('Firefox on Mac')
    await idOf(first)
    pass(60_000)
    const second = await logInWith('Chrome on Windows')
    await idOf(second)
    const list = async () =>
      (await app.pd.grants.list(owner)).map(({ createdAt, lastUsedAt, label, isKept }) => [
        Math.round(((createdAt as number) - then) / 60_000),
        Math.round(((lastUsedAt as number) - then) / 60_000),
        label,
        isKept,
      ])
    expect(await list()).toEqual([
      [0, 0, 'Firefox on Mac', false],
      [1, 1, 'Chrome on Windows', false],
    ])
    pass(7 * 60_000)
    expect(await isIn(second)).toBe(true)
    await until(async () => (await list()).some(([, used]) => used === 8))
    expect(await list()).toEqual([
      [0, 0, 'Firefox on Mac', false],
      [1, 8, 'Chrome on Windows', false],
    ])
  })

  test('says so after a refresh, and of a kept grant too', async () => {
    await start({ label: async () => 'a device' })
    const { browser } = await app.logIn()
    const id = await idOf(browser)
    await app.pd.grants.keep(id)
    const before = await app.pd.grants.get(id)
    expect(before).toMatchObject({ isKept: true, label: 'a device' })
    simulator.expireTokens()
    await before?.getAccessToken({ forceRefresh: true })
    const { createdAt, lastUsedAt } = before as { createdAt: number; lastUsedAt: number }
    expect(await app.pd.grants.get(id)).toMatchObject({
      createdAt,
      lastUsedAt,
      label: 'a device',
      isKept: true,
    })
    const later = pass(10 * 60_000)
    await idOf(browser)
    await until(async () => (await app.pd.grants.get(id))?.lastUsedAt === later)
    expect((await app.pd.grants.get(id))?.isKept).toBe(true)
  })

  test('is of use as JSON, and has no token in it', async () => {
    await start({ label: () => 'a device' })
    await app.logIn()
    const [grant] = await app.pd.grants.list(owner)
    const text = JSON.stringify([grant])
    const { grantID, createdAt, lastUsedAt, expiresAt, grantedScopes, requestedScopes } = grant as UserGrant
    expect(JSON.parse(text)).toEqual([
      {
        grantID,
        user: grant?.user,
        grantedScopes,
        requestedScopes,
        ...{ createdAt, lastUsedAt, expiresAt, label: 'a device', isKept: false },
      },
    ])
    expect([grantID, createdAt, expiresAt, grantedScopes]).not.toContain(undefined)
    for (const token of [simulator.newestAccessToken('PACME01'), simulator.newestRefreshToken('PACME01')]) {
      expect(token).toEqual(expect.any(String))
      expect(text).not.toContain(token)
    }
  })

  test('has a time of its own for a step-up, and the name of the device', async () => {
    await start({ label: () => 'a device' })
    const then = pass(0)
    const { browser } = await app.logIn()
    await idOf(browser)
    pass(5_000)
    await stepUp(browser)
    const [grant, ...others] = await app.pd.grants.list(owner)
    expect(others).toEqual([])
    expect(grant).toMatchObject({ createdAt: then + 5_000, label: 'a device' })
  })

  test('has it for an app with sessions of its own, which extends the grant', async () => {
    await start()
    const passport = await startPassportApp(simulator, { options: { session: { idle: 60_000 } } })
    const browser = new Browser()
    await passport.consent(browser)
    const later = pass(30_000)
    const used = async () => (await passport.pd.grants.list(owner))[0]?.lastUsedAt
    expect(await used()).toBeLessThan(later)
    await passport.see(browser)
    await until(async () => (await used()) === later)
    await passport.close()
  })

  test('is empty of times for a request without a login', async () => {
    await start()
    let seen: unknown
    app.pd.on('denied', () => {})
    await app.close()
    app = await startDropIn(simulator, {}, (express) => {
      express.get('/who', (req, res) => {
        const { createdAt, lastUsedAt, label, isKept } = req.pagerduty
        seen = { createdAt, lastUsedAt, label, isKept }
        res.end()
      })
    })
    await app.get(new Browser(), '/who')
    expect(seen).toEqual({ createdAt: undefined, lastUsedAt: undefined, label: undefined, isKept: false })
  })
})

describe('the option label', () => {
  test.each<[string, () => never]>([
    [
      'throws',
      () => {
        throw new Error('no device')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no device')) as never],
    ['returns something else', () => 5 as never],
  ])('that %s leaves the login without one, and warns', async (_what, label) => {
    await start({ label })
    const warnings: string[] = []
    app.pd.on('warning', ({ error }) => warnings.push(error.message))
    const { browser } = await app.logIn()
    expect(await isIn(browser)).toBe(true)
    expect((await app.pd.grants.list(owner))[0]?.label).toBeUndefined()
    expect(warnings).toEqual([expect.stringMatching(/no device|"label" must return a string/)])
  })

  test('is cut off after 200 characters, none of them in half, and is not stored in clear', async () => {
    const store = new HeldStore()
    const long = '💻'.repeat(300)
    await start({ label: () => long, tokenStore: store, secret })
    await app.logIn()
    expect((await app.pd.grants.list(owner))[0]?.label).toBe('💻'.repeat(200))
    const values = await Promise.all(
      store.commands.map((command) => store.memory.get(command.split(' ').slice(1).join(' '))),
    )
    expect(values.join()).not.toContain('💻')
  })

  test('may return nothing', async () => {
    await start({ label: () => undefined })
    await app.logIn()
    expect((await app.pd.grants.list(owner))[0]?.label).toBeUndefined()
  })

  test('that is not a function is rejected at start-up', async () => {
    await start()
    await expect(startDropIn(simulator, { label: 'Firefox' as never })).rejects.toThrow(
      '"label" must be a function',
    )
  })
})

describe('revoke() with except', () => {
  test('logs the user out everywhere else', async () => {
    await start()
    const { browser: here } = await app.logIn()
    const { browser: there } = await app.logIn()
    const { browser: another } = await app.logIn(new Browser(), { user: 'PACME02' })
    await app.pd.grants.keep(await idOf(there))
    expect((await here.fetch(`${app.url}/others`, { method: 'POST' })).status).toBe(204)
    expect([await isIn(here), await isIn(there), await isIn(another)]).toEqual([true, false, true])
    expect(await app.pd.grants.list(owner)).toHaveLength(1)
    expect(ended.map(({ reason }) => reason)).toEqual(['revoked'])
  })

  test('leaves the grant that has just replaced the named one', async () => {
    await start()
    const { browser: here } = await app.logIn()
    const { browser: there } = await app.logIn()
    const id = await idOf(here)
    await stepUp(here)
    await app.pd.grants.revoke({ ...owner, except: id })
    expect([await isIn(here), await isIn(there)]).toEqual([true, false])
  })

  test('leaves it also where it is replaced while the others are ended', async () => {
    const store = new HeldStore()
    await start({ tokenStore: store, secret })
    const { browser: here } = await app.logIn()
    const id = await idOf(here)
    const asked = (await here.visit(`${app.url}/services`)).headers.get('location') as string
    const callback = await approve(await app.begin(here, asked))
    // The step-up has listed its grant, and not replaced the other one yet.
    const listed = store.hold(/^replace user:/, 'after')
    const stepped = here.visit(callback)
    await listed.reached
    const reading = store.hold(new RegExp(`^get grant:${id}`))
    const revoked = app.pd.grants.revoke({ ...owner, except: id })
    await reading.reached
    listed.release()
    await stepped
    reading.release()
    await revoked
    expect(await isIn(here)).toBe(true)
  })

  test('ends the logins that are in progress', async () => {
    const store = new HeldStore()
    await start({ tokenStore: store, secret })
    const { browser: here } = await app.logIn()
    const id = await idOf(here)
    const browser = new Browser()
    const callback = await approve(await app.begin(browser), { user: 'PACME01' })
    const creating = store.hold(/^create grant:/)
    const login = browser.visit(callback)
    await creating.reached
    await app.pd.grants.revoke({ ...owner, except: id })
    creating.release()
    expect((await login).status).toBe(403)
    expect([await isIn(here), await isIn(browser)]).toEqual([true, false])
  })

  test('is rejected if the named grant has ended, and ends nothing', async () => {
    await start()
    const { browser: here } = await app.logIn()
    const id = await idOf(here)
    await app.logOut(here)
    const { browser: there } = await app.logIn()
    await expect(app.pd.grants.revoke({ ...owner, except: id })).rejects.toThrow('"except"')
    expect(await isIn(there)).toBe(true)
  })

  test.each<[string, object]>([
    ['undefined', { except: undefined }],
    ['empty', { except: '' }],
    ['a list', { except: ['one'] }],
    ['the id of no grant', { except: 'bogus-id-12345678901234' }],
  ])('that is %s is rejected, and ends nothing', async (_what, more) => {
    await start()
    const { browser } = await app.logIn()
    await expect(app.pd.grants.revoke({ ...owner, ...more } as never)).rejects.toThrow(
      '"except" must be the id of a grant of this user',
    )
    expect(await isIn(browser)).toBe(true)
  })

  test('that names the grant of another user is rejected', async () => {
    await start()
    const { browser } = await app.logIn()
    const { browser: another } = await app.logIn(new Browser(), { user: 'PACME02' })
    const except = await idOf(another)
    await expect(app.pd.grants.revoke({ ...owner, except })).rejects.toThrow('"except"')
    expect(await isIn(browser)).toBe(true)
  })

  test('that is misspelt is rejected by name', async () => {
    await start()
    const { browser } = await app.logIn()
    const misspelt = { ...owner, exept: await idOf(browser) }
    await expect(app.pd.grants.revoke(misspelt)).rejects.toThrow('did you mean "except"?')
    await expect(app.pd.grants.list({ ...owner, except: 'one' } as never)).rejects.toThrow('"except"')
    expect(await isIn(browser)).toBe(true)
  })

  test('rejects where the store fails, and ends the rest when it is called again', async () => {
    const store = new HeldStore()
    await start({ tokenStore: store, secret })
    const { browser: here } = await app.logIn()
    const { browser: there } = await app.logIn()
    const except = await idOf(here)
    store.fault = (command) => (command.startsWith('delete') ? new TokenStoreError('down') : undefined)
    await expect(app.pd.grants.revoke({ ...owner, except })).rejects.toMatchObject({
      code: 'ERR_PAGERDUTY_TOKEN_STORE',
    })
    store.fault = undefined
    await app.pd.grants.revoke({ ...owner, except })
    expect([await isIn(here), await isIn(there)]).toEqual([true, false])
  })
})

describe('the event logout', () => {
  test('says whether the session was ended, the grant revoked, or another login took its place', async () => {
    await start()
    const { browser } = await app.logIn()
    const first = await idOf(browser)
    await stepUp(browser)
    const second = await idOf(browser)
    await app.logIn(browser, { user: 'PACME02' })
    const third = await idOf(browser)
    await app.logOut(browser)
    const { browser: other } = await app.logIn()
    const fourth = await idOf(other)
    await app.pd.grants.revoke(fourth)
    expect(ended.map(({ grantID, reason }) => [grantID, reason])).toEqual([
      [first, 'replaced'],
      [second, 'replaced'],
      [third, 'logout'],
      [fourth, 'revoked'],
    ])
  })
})

describe('a kept grant', () => {
  test('that a step-up has replaced in its session outlives a logout, and is listed until it is revoked', async () => {
    await start()
    const { browser } = await app.logIn()
    const kept = await idOf(browser)
    await app.pd.grants.keep(kept)
    await stepUp(browser)
    const held = await idOf(browser)
    await app.logOut(browser)
    expect(ended.map(({ grantID, reason }) => [grantID, reason])).toEqual([[held, 'logout']])
    const listed = await app.pd.grants.list(owner)
    expect(listed.map(({ grantID, isKept }) => [grantID, isKept])).toEqual([[kept, true]])
    expect((await listed[0]?.fetch('/incidents'))?.status).toBe(200)
    await app.pd.grants.revoke(kept)
    expect(await app.pd.grants.list(owner)).toEqual([])
  })
})

describeWithRedis('in Redis', () => {
  test('session and grant are extended in one command, which notes the use', async () => {
    const server = await startRedis()
    await start({ redis: server.url, secret, session: { idle: 5_000 } })
    const { browser } = await app.logIn()
    const id = await idOf(browser)
    const used = async () => (await app.pd.grants.get(id))?.lastUsedAt ?? 0
    const first = await used()
    await until(async () => (await isIn(browser)) && (await used()) > first + 400)
    expect(await app.pd.grants.list(owner)).toHaveLength(1)
    await app.close()
    await server.stop()
    await start()
  })
})
