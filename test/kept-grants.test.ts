import { approve, type StandIn, startPagerDuty } from '../src/testing'
import { Browser } from './support/browser'
import { type DropIn, startDropIn } from './support/drop-in'

let standIn: StandIn
let app: DropIn
let browser: Browser
let kept: string

beforeAll(async () => {
  standIn = await startPagerDuty()
})
afterAll(() => standIn.close())
beforeEach(async () => {
  app = await startDropIn(standIn, {}, (express) => {
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
