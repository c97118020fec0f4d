import { type Login, type PagerDutyOptions, TokenStoreError } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'
import { HeldStore, defer } from '../support/held-store'

// A command that a test holds back is not a store that hangs, however busy the machine is.
jest.mock('../../src/async/timeout', () => ({
  ...jest.requireActual<object>('../../src/async/timeout'),
  withinDeadline: <T>(work: Promise<T>) => work,
}))

const secret = 'a secret of thirty-two characters or more, for tests'
const all = ['incidents.read', 'incidents.write', 'users.read', 'services.read']

let simulator: Simulator
let store: HeldStore
let app: DropIn
let browser: Browser
/** Tokens that PagerDuty was asked to revoke. */
let revoked: string[]
/** What a call of the token endpoint waits for. */
let tokenCall: { reached: () => void; go: Promise<void> } | undefined

beforeEach(async () => {
  simulator = await startPagerDuty()
  simulator.configure('simulator-client', { scope: all })
  store = new HeldStore()
  browser = new Browser()
  revoked = []
  await start()
  await app.logIn(browser)
})
afterEach(async () => {
  jest.restoreAllMocks()
  await app.close()
  await simulator.close()
})

async function start(options: PagerDutyOptions = {}): Promise<void> {
  const watched: typeof fetch = async (url, init) => {
    const form = new URLSearchParams(String(init?.body))
    if (String(url).endsWith('/oauth/revoke')) revoked.push(form.get('token') as string)
    if (form.get('grant_type') === 'refresh_token' && tokenCall !== undefined) {
      const { reached, go } = tokenCall
      tokenCall = undefined
      const response = await fetch(url, init)
      reached()
      await go
      return response
    }
    return fetch(url, init)
  }
  app = await startDropIn(
    simulator,
    { tokenStore: store, secret, fetch: watched, ...options },
    (express, pd) => {
      express.get('/write', pd.requireScopes('incidents.write'), (_req, res) => void res.json('written'))
      express.get('/id', (req, res) => void res.json(req.pagerduty.grantID ?? null))
    },
  )
}

/** The same app with other options, in which the user is logged in. */
async function restart(options: PagerDutyOptions): Promise<void> {
  await app.logOut(browser)
  await app.pd.close()
  await app.close()
  revoked = []
  browser = new Browser()
  await start(options)
  await app.logIn(browser)
}

/** The callback of a step-up, or of a login. */
async function callback(path = '/write', user = 'PACME01', visitor = browser): Promise<string> {
  let at = app.url + path
  while (!at.startsWith(simulator.url)) {
    at = new URL((await visitor.visit(at)).headers.get('location') as string, at).href
  }
  return approve(at, { user })
}

async function stepUp(path = '/write'): Promise<void> {
  expect((await browser.visit(await callback(path))).status).toBe(302)
  expect((await browser.visit(app.url + path)).status).toBe(200)
}

async function grantOf(visitor = browser): Promise<string> {
  return (await (await visitor.visit(`${app.url}/id`)).json()) as string
}

/** By the time all work that continues after the responses is done, PagerDuty was not asked to revoke anything. */
async function expectNothingRevoked(): Promise<void> {
  await app.pd.close()
  expect(revoked).toEqual([])
}

/** A logout revokes everything that came of the logins of this browser. */
async function expectAllRevokedByLogout(): Promise<void> {
  expect((await app.logOut(browser)).status).toBe(204)
  await app.pd.close()
  expect(simulator.liveGrants()).toEqual([])
}

/** A refresh of the browser's grant to which PagerDuty has responded, with the response still on its way. */
async function refreshOnItsWay(): Promise<{ request: Promise<Response>; arrive: () => void }> {
  const [reached, go] = [defer(), defer()]
  tokenCall = { reached: reached.resolve, go: go.promise }
  simulator.expireTokens()
  const request = app.get(browser.copy())
  await reached.promise
  return { request, arrive: go.resolve }
}

describe('tokens that a step-up or another login of the same user replaces', () => {
  test.each([
    ['a step-up', () => stepUp()],
    ['two step-ups', async () => (await stepUp(), stepUp('/services'))],
    ['another login', async () => void (await app.logIn(browser))],
    [
      'a step-up whose refresh came before',
      async () => {
        simulator.expireTokens()
        await app.get(browser)
        await stepUp()
      },
    ],
  ])('are not revoked before the logout, and then all are: %s', async (_what, replace) => {
    await replace()
    expect((await app.get(browser)).status).toBe(200)
    expect(revoked).toEqual([])
    await expectAllRevokedByLogout()
  })

  test('are not revoked by any of it while the user is logged in', async () => {
    await stepUp()
    await app.logIn(browser)
    await stepUp('/services')
    await expectNothingRevoked()
    expect((await app.get(browser)).status).toBe(200)
  })

  test.each([
    ['its id', async () => app.pd.grants.revoke(await grantOf())],
    ['its user', async () => app.pd.grants.revoke({ accountID: 'PACME00', userID: 'PACME01' })],
  ])('are revoked with the grant by %s', async (_how, revoke) => {
    await stepUp()
    await revoke()
    await app.pd.close()
    expect(simulator.liveGrants()).toEqual([])
    expect(new Set(revoked).size).toBe(2)
  })

  test('are revoked by the id of the grant before, which leads to the new one for two minutes', async () => {
    const before = await grantOf()
    await stepUp()
    await app.pd.grants.revoke(before)
    expect((await app.get(browser)).status).toBe(401)
    await app.pd.close()
    expect(simulator.liveGrants()).toEqual([])
  })

  test('are carried on by refreshes', async () => {
    await stepUp()
    simulator.expireTokens()
    expect((await app.get(browser)).status).toBe(200)
    await expectAllRevokedByLogout()
  })

  test('of a grant that is kept stay its own, and are revoked with it', async () => {
    const kept = await grantOf()
    await app.pd.grants.keep(kept)
    await stepUp()
    await app.logOut(browser)
    expect((await (await app.pd.grants.get(kept))?.fetch('/incidents'))?.status).toBe(200)
    await app.pd.grants.revoke(kept)
    await app.pd.close()
    expect(simulator.liveGrants()).toEqual([])
  })

  test('keep() by the id of the grant before keeps the new one', async () => {
    const before = await grantOf()
    await stepUp()
    expect(await app.pd.grants.keep(before)).toBe(true)
    const after = await grantOf()
    await app.logIn(browser, { user: 'PACME02' })
    expect(await app.pd.grants.get(after)).toBeDefined()
    expect((await app.pd.grants.get(before))?.grantID).toBe(after)
  })

  test('of another user are revoked at once', async () => {
    await app.logIn(browser, { user: 'PACME02' })
    await app.pd.close()
    expect(revoked).toHaveLength(1)
    expect(simulator.liveGrants().map((grant) => grant.user?.id)).toEqual(['PACME02'])
  })
})

describe('a refresh that is on its way while its grant is replaced', () => {
  test('gives its pair to the new grant, and its request a response', async () => {
    const { request, arrive } = await refreshOnItsWay()
    await browser.visit(await callback())
    arrive()
    expect((await request).status).toBe(200)
    expect(revoked).toEqual([])
    await expectAllRevokedByLogout()
  })

  test('and that waits for the lock, goes on with the new grant', async () => {
    const { request, arrive } = await refreshOnItsWay()
    const waiting = app.get(browser.copy())
    const login = await callback()
    const hold = store.hold(/^replace grant:/)
    arrive()
    await hold.reached
    const finishing = browser.visit(login)
    hold.release()
    expect([(await request).status, (await waiting).status, (await finishing).status]).toEqual([
      200, 200, 302,
    ])
    expect(revoked).toEqual([])
    await expectAllRevokedByLogout()
  })

  test('revokes its pair where the new grant has been logged out, too', async () => {
    const { request, arrive } = await refreshOnItsWay()
    await browser.visit(await callback())
    await app.logOut(browser)
    arrive()
    expect((await request).status).toBe(401)
    await app.pd.close()
    expect(simulator.liveGrants()).toEqual([])
  })

  test('revokes its pair where another user has logged in', async () => {
    const { request, arrive } = await refreshOnItsWay()
    await app.logIn(browser, { user: 'PACME02' })
    arrive()
    expect((await request).status).toBe(401)
    await app.pd.close()
    expect(simulator.liveGrants().map((grant) => grant.user?.id)).toEqual(['PACME02'])
  })
})

describe('a login that fails although PagerDuty sent tokens', () => {
  const refusing = {
    verify: ({ requestedScopes, user }: Login) => !requestedScopes.includes('incidents.write') && user,
  }

  test('because too little was granted, leaves what the browser holds', async () => {
    await restart({ partialGrant: 'fail' })
    const login = await callback()
    simulator.configure('simulator-client', { scope: ['incidents.read', 'users.read'] })
    expect((await browser.visit(login)).headers.get('location')).toBe('/write')
    expect((await app.get(browser)).status).toBe(200)
    expect(revoked).toEqual([])
    await expectAllRevokedByLogout()
  })

  test('because verify rejects it, leaves what the browser holds', async () => {
    await restart(refusing)
    expect((await browser.visit(await callback())).status).toBe(403)
    expect((await app.get(browser)).status).toBe(200)
    expect(revoked).toEqual([])
    await expectAllRevokedByLogout()
  })

  test('because its id_token is not good, leaves what the browser holds', async () => {
    const login = await callback()
    simulator.settings.idTokenClaims = (claims) => ({ ...claims, aud: 'another-client' })
    expect((await browser.visit(login)).status).toBe(403)
    expect((await app.get(browser)).status).toBe(200)
    expect(revoked).toEqual([])
    await expectAllRevokedByLogout()
  })

  test('because it covers less than what is held, leaves what the browser holds', async () => {
    const login = await callback()
    simulator.configure('simulator-client', { scope: ['incidents.write'] })
    expect((await browser.visit(login)).headers.get('location')).toBe('/write')
    expect((await app.get(browser)).status).toBe(200)
    expect(revoked).toEqual([])
    await expectAllRevokedByLogout()
  })

  test('of another user revokes its own tokens at once, and no others', async () => {
    await restart(refusing)
    expect((await browser.visit(await callback('/write', 'PACME02'))).status).toBe(403)
    await app.pd.close()
    expect(revoked).toHaveLength(1)
    expect(simulator.liveGrants().map((grant) => grant.user?.id)).toEqual(['PACME01'])
  })

  test('revokes its tokens where the browser has been logged out meanwhile', async () => {
    const asked = defer()
    const go = defer()
    await restart({
      verify: async ({ requestedScopes, user }: Login) => {
        if (!requestedScopes.includes('incidents.write')) return user
        asked.resolve()
        await go.promise
        return false
      },
    })
    const login = await callback()
    const finishing = browser.copy().visit(login)
    await asked.promise
    await app.logOut(browser)
    go.resolve()
    expect((await finishing).status).toBe(403)
    await app.pd.close()
    expect(simulator.liveGrants()).toEqual([])
  })

  test('where no one is logged in revokes its tokens at once', async () => {
    await app.close()
    await start({ verify: () => false })
    const stranger = new Browser()
    expect((await app.logIn(stranger)).finished.status).toBe(403)
    await app.pd.close()
    expect(revoked).toHaveLength(1)
  })

  test('logs no one out when the store fails at that moment', async () => {
    const login = await callback()
    simulator.settings.idTokenClaims = (claims) => ({ ...claims, aud: 'another-client' })
    const warned = jest.fn()
    app.pd.on('warning', warned)
    store.fault = (command) =>
      command.startsWith('replace grant:') ? new TokenStoreError('down') : undefined
    await browser.visit(login)
    store.fault = undefined
    expect(warned).toHaveBeenCalled()
    expect((await app.get(browser)).status).toBe(200)
    await expectNothingRevoked()
  })
})
