import { type Account, type Simulator, approve, defaultAccounts, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type RedisServer, describeWithRedis, startRedis } from '../support/redis'
import { type Example, example } from './examples'
import { type RunningExample, environmentOf, runApp } from './run-example'

const [acme, globex] = defaultAccounts as [Account, Account]
let simulator: Simulator | undefined

afterEach(async () => {
  await simulator?.close()
  simulator = undefined
})

test('users of other accounts are kept out', async () => {
  const accounts = [{ ...acme, id: 'PACCT1' }, globex]
  const client = {
    clientID: 'classic',
    clientSecret: 'its secret',
    appType: 'classic',
    scope: ['write'],
  } as const
  simulator = await startPagerDuty({ accounts, clients: [client] })
  const one = example('docs/accounts.md, Which accounts may log in, ts')
  await runApp(one, simulator.env(), async (app) => {
    const browser = await app.logIn()
    expect(await (await browser.fetch(`${app.url}/me`)).json()).toEqual({ id: 'PACME01' })
    await expect(app.logIn('/auth/pagerduty', 'PGLBX01')).rejects.toThrow('ended with 403')
  })
})

/** The example with the simulator in the place of PagerDuty. */
function atSimulator(one: Example): Example {
  const urls =
    'identityURL: process.env.PAGERDUTY_IDENTITY_URL!, apiURL: process.env.PAGERDUTY_API_URL!, scope: ['
  return { ...one, code: one.code.replaceAll('scope: [', urls) }
}

test('an account has app tokens of its own', async () => {
  simulator = await startPagerDuty()
  const one = atSimulator(example('docs/app-tokens.md, Without logins, ts'))
  const show = "app.get('/as-app', async (_req, res) => res.json(await response?.json()))\n"
  await runApp({ ...one, code: one.code + show }, environmentOf(simulator), async (app) => {
    const answer = await new Browser().fetch(`${app.url}/as-app`)
    const { incidents } = (await answer.json()) as { incidents: { html_url: string }[] }
    expect(incidents[0]?.html_url).toMatch(/^https:\/\/globex\./)
  })
})

describeWithRedis('an instance for each customer', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  const hostOf = (id: string) => `${id}.app.example.com`
  const clientOf = (id: string, account: string) => ({
    clientID: `client-${id}`,
    clientSecret: `secret-of-${id}`,
    account,
    scope: ['incidents.read'],
    redirectURIs: [`https://${hostOf(id)}/auth/pagerduty/callback`],
  })

  /** Runs the example with room for one instance. It shows which instances are open, and which were closed. */
  async function run(use: (app: RunningExample) => Promise<void>): Promise<void> {
    simulator = await startPagerDuty({ clients: [clientOf('one', 'acme'), clientOf('two', 'globex')] })
    const { code } = example('docs/accounts.md, An instance for each customer, ts')
    const watched = `
import { pagerduty as make } from 'passport-pagerduty'
const closed: string[] = []
const findCustomer = async (id: string) => JSON.parse(process.env.TEST_CUSTOMERS!)[id]
let letGo = () => {}
const pagerduty: typeof make = (options) => {
  const pd = make(options)
  const { close } = pd
  pd.close = () => (closed.push(new URL(String(options!.callbackURL)).hostname), close())
  return pd
}
`
    const shown = `
app.get('/open', (_req, res) => res.json({ open: [...open.keys()], closed }))
app.get('/let-go', (_req, res) => (letGo(), res.end()))
`
    const own = code
      .replace(', pagerduty }', ' }')
      .replace('const mostOpen = 100', 'const mostOpen = 1')
      .replace(
        'app.use(pd.errors())',
        "app.get('/held', (_req, res) => (letGo = () => res.end()))\n  app.use(pd.errors())",
      )
      .replace('app.listen(3000)', `${shown}app.listen(3000)`)
    const customers = {
      one: { id: 'one', ...clientOf('one', 'us.acme') },
      two: { id: 'two', ...clientOf('two', 'eu.globex') },
    }
    const one = atSimulator({
      page: 'docs/accounts.md',
      heading: 'instances',
      language: 'ts',
      position: 0,
      code: watched + own,
    })
    const env = {
      ...environmentOf(simulator),
      REDIS_URL: server.url,
      TEST_CUSTOMERS: JSON.stringify(customers),
    }
    await runApp(one, env, use)
  }

  const headersOf = (id: string) => ({ Host: hostOf(id), 'X-Forwarded-Proto': 'https' })
  const get = (app: RunningExample, browser: Browser, id: string, path: string) =>
    browser.fetch(app.url + path, { headers: headersOf(id) })
  const instances = async (app: RunningExample) => (await new Browser().fetch(`${app.url}/open`)).json()

  async function logIn(app: RunningExample, id: string, user: string): Promise<Browser> {
    const browser = new Browser()
    const begun = await browser.visit(`${app.url}/auth/pagerduty`, headersOf(id))
    const callback = await approve(begun.headers.get('location') as string, { user })
    expect(callback).toMatch(`https://${hostOf(id)}/auth/pagerduty/callback?`)
    const finished = await browser.visit(callback.replace(`https://${hostOf(id)}`, app.url), headersOf(id))
    expect(finished.status).toBe(302)
    return browser
  }

  test('has its customer’s users, who stay logged in when it is closed and made again', () =>
    run(async (app) => {
      const ada = await logIn(app, 'one', 'PACME01')
      const greta = await logIn(app, 'two', 'PGLBX01')
      expect(await instances(app)).toEqual({ open: ['two'], closed: [hostOf('one')] })
      for (const [browser, id, account] of [
        [ada, 'one', 'acme'],
        [greta, 'two', 'globex'],
      ] as const) {
        const answer = await get(app, browser, id, '/incidents')
        const { incidents } = (await answer.json()) as { incidents: { html_url: string }[] }
        expect(incidents[0]?.html_url).toMatch(`https://${account}.`)
      }
      expect((await new Browser().fetch(`${app.url}/incidents`)).status).toBe(404)
    }))

  test('takes no session of another customer', () =>
    run(async (app) => {
      const ada = await logIn(app, 'one', 'PACME01')
      expect((await get(app, ada, 'one', '/incidents')).status).toBe(200)
      simulator?.failNext('api', '500')
      expect((await get(app, ada, 'one', '/incidents')).status).toBe(503)
      expect((await get(app, ada, 'two', '/incidents')).status).toBe(401)
    }))

  test('is not closed while it has a request', () =>
    run(async (app) => {
      const held = get(app, new Browser(), 'one', '/held')
      while (!JSON.stringify(await instances(app)).includes('one')) continue
      await get(app, new Browser(), 'two', '/incidents')
      expect(await instances(app)).toEqual({ open: ['one', 'two'], closed: [] })
      await new Browser().fetch(`${app.url}/let-go`)
      expect((await held).status).toBe(200)
      await get(app, new Browser(), 'two', '/incidents')
      expect(await instances(app)).toEqual({ open: ['two'], closed: [hostOf('one')] })
    }))
})
