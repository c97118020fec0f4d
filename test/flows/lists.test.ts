import type { RateLimit, UserGrant } from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

interface Incident {
  id: string
  title: string
  status: string
}

const total = 237
const webhookSecret = 'a-secret-of-a-webhook'
const scope = ['incidents.read', 'incidents.write', 'services.read', 'users.read']
let simulator: Simulator
let app: DropIn

beforeAll(async () => {
  simulator = await startPagerDuty()
  app = await startDropIn(simulator, { scope, account: 'us.acme' }, (express) => {
    express.get('/all', (req, res, next) => {
      idsIn(req.pagerduty.paginate<Incident>('/incidents')).then((ids) => void res.json(ids), next)
    })
  })
  await Promise.all([fill('us.acme'), fill('eu.globex')])
})
afterAll(async () => {
  await app.close()
  await simulator.close()
})
beforeEach(() => simulator.resetCalls())

/** Creates incidents until there are 237. */
async function fill(account: string): Promise<void> {
  const { appTokens } = app.pd
  const one = async (path: string) =>
    (await (await appTokens.fetch(path, { account })).json()) as Record<string, never[]>
  const { incidents } = await one('/incidents')
  const { services = [] } = await one('/services')
  const existing = incidents?.length ?? 0
  for (let number = existing; number < total; number++) {
    const body = JSON.stringify({ incident: { title: `Number ${number}`, service: services[0] } })
    const created = await appTokens.fetch('/incidents', { account, method: 'POST', body })
    expect(created.status).toBe(201)
  }
}

async function grantOf(user: string): Promise<UserGrant> {
  const logins: string[] = []
  app.pd.on('login', ({ grantID }) => void logins.push(grantID))
  await app.logIn(undefined, { user })
  const grant = await app.pd.grants.get(logins.at(-1) ?? '')
  if (grant === undefined) throw new Error(`${user} is not logged in`)
  return grant
}

async function idsIn(list: AsyncIterable<Incident>): Promise<string[]> {
  const ids: string[] = []
  for await (const { id } of list) ids.push(id)
  return ids
}

test.each([
  ['US', 'PACME01'],
  ['EU', 'PGLBX01'],
])('a user of the %s region reads all 237 incidents', async (_region, user) => {
  const grant = await grantOf(user)
  simulator.resetCalls()
  const ids = await idsIn(grant.paginate<Incident>('/incidents'))
  expect([ids.length, new Set(ids).size]).toEqual([total, total])
  expect(simulator.calls.api).toBe(3)
})

test.each(['us.acme', 'eu.globex'])('the app reads all 237 incidents of %s', async (account) => {
  const ids = await idsIn(
    app.pd.appTokens.paginate<Incident>('/incidents', { scope: 'incidents.read', account }),
  )
  expect([ids.length, new Set(ids).size]).toEqual([total, total])
  expect(simulator.calls.api).toBe(3)
})

test('a handler of webhooks reads a list as the app', async () => {
  const found: number[] = []
  const hook = await startDropIn(simulator, { scope, account: 'us.acme', webhookSecret }, (express, pd) => {
    express.post(
      '/hook',
      pd.webhook(async (_event, { paginate }) => {
        const list = paginate<Incident>('/incidents?statuses[]=triggered', { scope: 'incidents.read' })
        found.push((await idsIn(list)).length)
      }),
    )
  })
  try {
    await simulator.sendWebhook(`${hook.url}/hook`, 'incident.triggered', { secret: webhookSecret })
    expect(found).toHaveLength(1)
    expect(found[0]).toBeGreaterThan(200)
  } finally {
    await hook.close()
  }
})

test('a token that is revoked between two pages is replaced, and no item is missing', async () => {
  const grant = await grantOf('PACME01')
  const ids: string[] = []
  for await (const { id } of grant.paginate<Incident>('/incidents?limit=50')) {
    ids.push(id)
    if (ids.length === 50) simulator.expireTokens()
  }
  expect(new Set(ids).size).toBe(total)
})

test('a user who is not logged in is asked to log in', async () => {
  const answer = await app.get(new Browser(), '/all')
  expect([answer.status, await answer.json()]).toMatchObject([401, { code: 'ERR_PAGERDUTY_UNAUTHORIZED' }])
  const { browser } = await app.logIn()
  expect(await (await app.get(browser, '/all')).json()).toHaveLength(total)
})

test('calls near the rate limit are reported, and a list survives it', async () => {
  const reported: RateLimit[] = []
  app.pd.on('rateLimit', (detail) => void reported.push(detail))
  const grant = await grantOf('PACME02')
  const { now } = simulator.settings
  let ahead = 0
  simulator.settings.now = () => now() + ahead
  simulator.settings.rateLimit = { limit: 3 }
  const ids: string[] = []
  try {
    for await (const { id } of grant.paginate<Incident>('/incidents?limit=60')) {
      ids.push(id)
      // A second before the limit is reset, so that the wait is short.
      if (ids.length === 60) ahead = 59_000
    }
  } finally {
    simulator.settings.now = now
    simulator.settings.rateLimit = undefined
  }
  expect(new Set(ids).size).toBe(total)
  expect(reported).toMatchObject([
    {
      state: 'exhausted',
      token: 'user',
      limit: 3,
      remaining: 0,
      user: { id: 'PACME02' },
      grantID: grant.grantID,
    },
  ])
})
