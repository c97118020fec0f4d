import { type Simulator, approve, defaultClient, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type Example, example } from './examples'
import { RunningExample, environmentOf, fileOf, runApp, runScript } from './run-example'

let simulator: Simulator

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterEach(() => simulator.configure('simulator-client', defaultClient))
afterAll(() => simulator.close())

function run(one: Example, use: (app: RunningExample) => Promise<void>): Promise<string> {
  return runApp(one, environmentOf(simulator), use)
}

test('each guard admits users who were granted its scopes', async () => {
  const one = example('docs/scopes.md, Guards, ts')
  const scope = ['incidents.read', 'incidents.write', 'users.read', 'analytics.write']
  const code = `
const pd = pagerduty({ scope: ${JSON.stringify(scope)} })
app.use(pd.auth())
const guards = []
const keeping = new Proxy(pd, { get: (_pd, name) => (...args) => guards.push(pd[name](...args)) })
{
const pd = keeping
${one.code}
}
guards.forEach((guard, number) => app.get('/' + number, guard, (_req, res) => res.end()))
`
  const pass = async (app: RunningExample, browser: Browser) => {
    const answers = [0, 1, 2, 3, 4].map((number) => browser.fetch(`${app.url}/${number}`))
    return (await Promise.all(answers)).map(({ status }) => status)
  }
  const passWith = async (app: RunningExample, granted: string) => {
    simulator.configure('simulator-client', { scope: granted.split(' ') })
    return pass(app, await app.logIn())
  }
  try {
    await run({ ...one, code }, async (app) => {
      expect(await pass(app, new Browser())).toEqual([401, 401, 401, 401, 401])
      expect(await passWith(app, 'users.read')).toEqual([403, 403, 403, 200, 200])
      expect(await passWith(app, 'users.read incidents.read')).toEqual([200, 403, 403, 200, 200])
      expect(await passWith(app, 'analytics.write')).toEqual([403, 200, 403, 403, 200])
      expect(await passWith(app, 'incidents.read incidents.write')).toEqual([403, 403, 200, 403, 200])
    })
  } finally {
    simulator.configure('simulator-client', defaultClient)
  }
})

test('a custom button requests more scopes, and leads to the next page', async () => {
  const one = example('docs/scopes.md, Step-up authorization, ts')
  const next = "app.get('/incidents', pd.requireScopes('incidents.write'), (_req, res) => res.end())\n"
  await run({ ...one, code: one.code + next }, async (app) => {
    const browser = await app.logIn()
    const statusOf = async (path: string) => (await browser.fetch(app.url + path)).status
    expect(await statusOf('/incidents')).toBe(403)
    const asked = await browser.visit(`${app.url}/more`)
    const finished = await browser.visit(await approve(asked.headers.get('location') as string))
    expect(finished.headers.get('location')).toBe('/incidents')
    expect(await statusOf('/incidents')).toBe(200)
  })
})

test('a login without the scope that the app cannot do without is denied', async () => {
  await run(example('docs/scopes.md, Partial grants, ts'), async (app) => {
    simulator.configure('simulator-client', { scope: ['incidents.read'] })
    await app.logIn()
    simulator.configure('simulator-client', { scope: ['users.read'] })
    await expect(app.logIn()).rejects.toThrow('The login ended with 403')
  })
})

test('each operation and scope is as the comment beside it says', async () => {
  const one = example('docs/scopes.md, Operations, ts')
  const lines = [...one.code.matchAll(/^(\w.*\S) +\/\/ (.*)$/gm)]
  expect(lines).toHaveLength(4)
  const imports = one.code.replaceAll(/^(?!import).*$/gm, '')
  const values = lines.map(([, expression]) => expression).join(',\n')
  const printed = await runScript(
    fileOf(one),
    `${imports}process.stdout.write(JSON.stringify([${values}]))`,
    {},
  )
  expect(JSON.parse(printed)).toEqual(lines.map(([, , value]) => JSON.parse(value as string) as unknown))
})
