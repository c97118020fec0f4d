import { scopes } from '../../src'
import { type Account, type Simulator, startPagerDuty } from '../../src/testing'
import { startDropIn } from '../support/drop-in'
import { WatchedStore } from '../support/watched-store'

/** What the doc comment of `TokenStore` promises to stores, where everything is as long as it can be. */
class ContractStore extends WatchedStore {
  readonly violations: string[] = []
  readonly kinds = new Set<string>()
  longestKey = 0

  override get(key: string): Promise<string | undefined> {
    this.#check(key)
    return super.get(key)
  }

  override create(key: string, value: string, ttl: number): Promise<boolean> {
    this.#check(key, value, ttl)
    return super.create(key, value, ttl)
  }

  override replace(key: string, expected: string, value: string, ttl?: number): Promise<boolean> {
    this.#check(key, value, ttl ?? 1)
    return super.replace(key, expected, value, ttl)
  }

  override delete(key: string, expected?: string): Promise<boolean> {
    this.#check(key)
    return super.delete(key, expected)
  }

  #check(key: string, value = 'x', ttl = 1): void {
    this.kinds.add(key.slice(0, key.indexOf(':')))
    this.longestKey = Math.max(this.longestKey, key.length)
    const isKept =
      /^[ -~]{1,300}$/.test(key) &&
      // eslint-disable-next-line no-control-regex
      /^[^\u0000-\u001f]{1,262144}$/.test(value) &&
      !/\p{Surrogate}/u.test(value) &&
      Number.isInteger(ttl) &&
      ttl >= 1 &&
      ttl <= 34_560_000_000
    if (!isKept) this.violations.push(`${key} = ${value.slice(0, 40)} for ${ttl}`)
  }
}

const account: Account = {
  id: 'P'.repeat(128),
  name: 'Acme',
  subdomain: 'acme',
  region: 'us',
  users: [{ id: 'U'.repeat(128), name: 'Ada Okafor', email: 'ada@acme.example', role: 'owner' }],
}
const client = {
  clientID: `client ${'~'.repeat(300)}`,
  clientSecret: 'simulator-secret',
  scope: Object.keys(scopes),
}
const webhookSecret = 'secret-of-the-subscription'
const longest = 400 * 24 * 60 * 60_000

test('what is written to a store keeps to the contract, however long everything is', async () => {
  const simulator: Simulator = await startPagerDuty({ accounts: [account], clients: [client] })
  const store = new ContractStore()
  const app = await startDropIn(
    simulator,
    {
      tokenStore: store,
      secret: 'a secret of thirty-two characters or more, for tests',
      scope: Object.keys(scopes),
      account: 'us.acme',
      webhookSecret,
      session: { idle: longest, absolute: longest },
      verify: ({ user }) => ({ id: user.id, note: '\u{1f600}\n\u0000'.repeat(200) }),
    },
    (express, pd) => {
      express.post(
        '/webhooks/pagerduty',
        pd.webhook(() => {}, { name: 'x'.repeat(64), maxAge: 365 * 24 * 60 * 60 }),
      )
      express.get('/note', pd.requireLogin(), async (req, res) => {
        Object.assign(req.session, { note: 'é\ud800\n\u0000"'.repeat(1_000) })
        await pd.grants.keep(req.pagerduty.grantID ?? '')
        res.end()
      })
      express.get('/unknown', async (_req, res) => {
        for (const id of ['\u0000', 'é', 'x'.repeat(500)])
          if ((await pd.grants.get(id)) !== undefined) res.status(500)
        res.end()
      })
    },
  )
  const { browser } = await app.logIn(undefined, { user: account.users[0]?.id as string })
  const statusOf = async (path: string) => (await app.get(browser, path)).status
  expect([await statusOf('/'), await statusOf('/note'), await statusOf('/unknown')]).toEqual([200, 200, 200])
  simulator.expireTokens()
  simulator.failNext('token', { status: 429, retryAfter: 1 })
  expect(await statusOf('/me')).toBe(200)
  await app.pd.appTokens.fetch('/incidents').catch(() => {})
  simulator.configure(client.clientID, { ...client, scope: ['users.read'] })
  await app.pd.appTokens.getToken('incidents.read').catch(() => {})
  const event = { id: 'E'.repeat(200), event_type: 'incident.triggered' }
  const delivery = await simulator.sendWebhook(`${app.url}/webhooks/pagerduty`, event, {
    secret: webhookSecret,
  })
  expect(delivery.status).toBe(202)
  await app.logOut(browser)
  await app.close()
  await simulator.close()
  expect(store.violations).toEqual([])
  expect([...store.kinds].toSorted()).toEqual(
    expect.arrayContaining(['app', 'grant', 'lock', 'login', 'narrow', 'pause', 'sess', 'user', 'webhook']),
  )
  expect(store.longestKey).toBeGreaterThan(250)
})
