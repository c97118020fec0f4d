import type { PagerDutyOptions } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

const list = { method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }) }

let simulator: Simulator
let app: DropIn
/** Where tokens were sent. */
let sent: string[]

beforeEach(async () => {
  simulator = await startPagerDuty()
  sent = []
})
afterEach(async () => {
  await app.close()
  await simulator.close()
})

/** An app at PagerDuty's own addresses, for which the simulator takes the calls. */
async function startAtPagerDuty(more: PagerDutyOptions = {}): Promise<void> {
  const { apiURL, mcpURL: _, ...options } = simulator.options()
  app = await startDropIn(
    { options: () => options } as unknown as Simulator,
    {
      ...more,
      fetch: (url, init) => {
        const { origin } = new URL(String(url))
        if (new Headers(init?.headers).has('authorization')) sent.push(origin)
        return fetch(String(url).replace(/^https:\/\/(api|mcp)\.(eu\.)?pagerduty\.com/, apiURL), init)
      },
    },
    (express, pd) => {
      express.post('/tools', pd.requireLogin(), async (req, res) => {
        const own = req.pagerduty.mcpURL
        const answer = await req.pagerduty.fetch(new URL('/mcp', req.get('x-mcp') ?? own), list)
        res.json({ own, ...((await answer.json()) as object) })
      })
    },
  )
}

const callTools = (browser: Browser, at?: string) =>
  browser.fetch(`${app.url}/tools`, { method: 'POST', headers: at === undefined ? {} : { 'x-mcp': at } })

test.each([
  ['PACME01', 'https://mcp.pagerduty.com', 'https://mcp.eu.pagerduty.com'],
  ['PGLBX01', 'https://mcp.eu.pagerduty.com', 'https://mcp.pagerduty.com'],
])(
  'the token of %s goes to the MCP server of the user’s region, and to no other',
  async (user, own, other) => {
    await startAtPagerDuty()
    const { browser } = await app.logIn(new Browser(), { user })
    expect(await (await callTools(browser)).json()).toMatchObject({
      own,
      result: { tools: expect.anything() },
    })
    const refused = await callTools(browser, other)
    expect([refused.status, await refused.json()]).toMatchObject([500, { code: 'ERR_PAGERDUTY_FOREIGN_URL' }])
    expect(sent).toEqual([own])
  },
)

test('an option names another MCP server, which is then the only one, and logs no one out by rejecting tokens', async () => {
  const gateway = await startPagerDuty()
  await startAtPagerDuty({ mcpURL: gateway.url })
  const { browser } = await app.logIn()
  // It knows no such token, and responds with 401.
  for (let call = 0; call < 3; call++) await callTools(browser)
  expect(new Set(sent)).toEqual(new Set([gateway.url]))
  expect(simulator.calls.token.refresh_token).toBe(1)
  expect((await app.get(browser)).status).toBe(200)
  expect((await callTools(browser, 'https://mcp.pagerduty.com')).status).toBe(500)
  await gateway.close()
})

test('the app itself calls the MCP server of its account’s region, and verify that of its user', async () => {
  let inVerify: number | undefined
  await startAtPagerDuty({
    account: 'eu.globex',
    async verify(login) {
      inVerify = (await login.fetch('https://mcp.eu.pagerduty.com/mcp', list)).status
      return { id: login.user.id }
    },
  })
  const url = new URL('https://mcp.eu.pagerduty.com/mcp')
  expect((await app.pd.appTokens.fetch(url, { ...list, scope: 'incidents.read' })).status).toBe(200)
  await expect(app.pd.appTokens.fetch('https://mcp.pagerduty.com/mcp', list)).rejects.toMatchObject({
    code: 'ERR_PAGERDUTY_FOREIGN_URL',
  })
  const browser = new Browser()
  await browser.visit(await approve(await app.begin(browser), { user: 'PGLBX01' }))
  expect(inVerify).toBe(200)
})

test('beside an API that is not PagerDuty’s there is no MCP server unless it is named', async () => {
  app = await startDropIn(simulator, { mcpURL: undefined }, (express, pd) => {
    express.get('/mcp-url', pd.requireLogin(), (req, res) => void res.json([req.pagerduty.mcpURL ?? null]))
  })
  const { browser } = await app.logIn()
  expect(await (await browser.fetch(`${app.url}/mcp-url`)).json()).toEqual([null])
})
