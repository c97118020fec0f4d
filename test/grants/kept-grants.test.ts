import { TokenStoreError } from '../../src'
import { approve, type Simulator, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'
import { HeldStore } from '../support/held-store'
import { secret } from '../support/passport-app'
import { WatchedStore } from '../support/watched-store'

let simulator: Simulator
let app: DropIn
let browser: Browser
let kept: string

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())
beforeEach(async () => {
  app = await startDropIn(simulator, {}, (express) => {
    express.get('/id', (req, res) => void res.json(req.pagerduty.grantID))
  })
  browser = (await app.logIn()).browser
  kept = await grantID()
  await app.pd.grants.keep(kept)
})
afterEach(() => app.close())

const grantID = async () => (await (await app.get(browser, '/id')).json()) as string

/** What a background job gets with the kept grant. */
async function job(): Promise<number | undefined> {
  const grant = await app.pd.grants.get(kept)
  return (await grant?.fetch('/incidents'))?.status
}

test.each([{ accountID: 'PACME00', id: 'PACME01' }, { accountID: 'PACME00' }, {}, '', 5, null, undefined])(
  'revoking, listing, reading or keeping %j is rejected: it names no user and no grant',
  async (owner) => {
    await expect(app.pd.grants.revoke(owner as never)).rejects.toThrow('must be { accountID, userID }')
    await expect(app.pd.grants.list(owner as never)).rejects.toThrow('"owner"')
    await expect(app.pd.grants.get(owner as never)).rejects.toThrow('"owner"')
    await expect(app.pd.grants.keep(owner as never)).rejects.toThrow('"owner"')
    expect((await app.get(browser)).status).toBe(200)
  },
)

describe('a grant that is kept for background jobs', () => {
  test.each(['PACME01', 'PACME02'])('outlives another login in its browser, by %s', async (user) => {
    await app.logIn(browser, { user })
    expect(await grantID()).not.toBe(kept)
    expect(await job()).toBe(200)
    await app.logOut(browser)
    expect(await job()).toBe(200)
  })

  test('outlives a step-up', async () => {
    const asked = (await browser.visit(`${app.url}/services`)).headers.get('location') as string
    await browser.visit(await approve(await app.begin(browser, asked)))
    expect((await app.get(browser, '/services')).status).toBe(200)
    expect(await grantID()).not.toBe(kept)
    expect(await job()).toBe(200)
  })

  test('ends with a logout of the session that holds it', async () => {
    await app.logOut(browser)
    expect(await job()).toBeUndefined()
  })

  test('ends when it is revoked', async () => {
    await app.pd.grants.revoke(kept)
    expect(await job()).toBeUndefined()
    expect((await app.get(browser)).status).toBe(401)
  })
})

test('a grant that is not kept ends as another login takes its place', async () => {
  const other = (await app.logIn()).browser
  const { browser: same } = await app.logIn(other)
  const listed = await app.pd.grants.list({ accountID: 'PACME00', userID: 'PACME01' })
  expect((await app.get(same)).status).toBe(200)
  expect(listed).toHaveLength(2) // The kept one, and the newest.
})

test('a grant that a step-up replaces before it is kept is found by its old id for two minutes, and listed once', async () => {
  const { browser: second } = await app.logIn()
  const id = (await (await app.get(second, '/id')).json()) as string
  const asked = (await second.visit(`${app.url}/services`)).headers.get('location') as string
  await second.visit(await approve(await app.begin(second, asked)))
  const successor = (await (await app.get(second, '/id')).json()) as string
  expect(successor).not.toBe(id)
  expect(await app.pd.grants.keep(id)).toBe(true)
  const found = await app.pd.grants.get(id)
  expect(found?.grantID).toBe(successor)
  expect((await found?.fetch('/incidents'))?.status).toBe(200)
  const listed = await app.pd.grants.list({ accountID: 'PACME00', userID: 'PACME01' })
  expect(listed.filter(({ grantID: each }) => each === successor)).toHaveLength(1)
  const now = performance.now()
  const clock = jest.spyOn(performance, 'now').mockReturnValue(now + 121_000)
  expect(await app.pd.grants.get(id)).toBeUndefined()
  expect((await app.pd.grants.get(successor))?.grantID).toBe(successor)
  clock.mockRestore()
})

test('keep() that failed at the list of the user’s grants is completed when it is called again', async () => {
  const store = new HeldStore()
  const short = await startDropIn(simulator, { tokenStore: store, secret, session: { absolute: 60_000 } })
  const { browser: visitor } = await short.logIn()
  const owner = { accountID: 'PACME00', userID: 'PACME01' }
  const [grant] = await short.pd.grants.list(owner)
  const id = grant?.grantID as string
  store.fault = (command) =>
    command.startsWith('replace user:') ? new TokenStoreError('no reply') : undefined
  await expect(short.pd.grants.keep(id)).rejects.toMatchObject({ code: 'ERR_PAGERDUTY_TOKEN_STORE' })
  store.fault = undefined
  expect(await short.pd.grants.keep(id)).toBe(true)
  // Also where only the grant itself was kept before.
  expect(await short.pd.grants.keep(id)).toBe(true)
  jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 120_000)
  expect((await short.get(visitor)).status).toBe(401)
  expect((await short.pd.grants.list(owner)).map((one) => one.grantID)).toEqual([id])
  await short.pd.grants.revoke(owner)
  expect(await short.pd.grants.get(id)).toBeUndefined()
  jest.restoreAllMocks()
  await short.close()
})

test('a grant that is kept while its session is being extended lives on when both would have ended', async () => {
  const store = new WatchedStore()
  const own = await startDropIn(
    simulator,
    { tokenStore: store, secret, session: { idle: 60_000 } },
    (express, pd) => {
      express.post('/keep', async (req, res) => {
        const { grantID = '' } = req.pagerduty
        res.json([grantID, await pd.grants.keep(grantID)])
      })
    },
  )
  const { browser: first } = await own.logIn()
  const answer = await first.fetch(`${own.url}/keep`, { method: 'POST' })
  const [id, isKept] = (await answer.json()) as [string, boolean]
  await own.get(first, '/')
  const now = performance.now()
  const clock = jest.spyOn(performance, 'now').mockReturnValue(now + 24 * 60 * 60_000)
  expect(isKept).toBe(true)
  expect((await own.get(first)).status).toBe(401)
  expect(await own.pd.grants.get(id)).toBeDefined()
  clock.mockRestore()
  await own.close()
})
