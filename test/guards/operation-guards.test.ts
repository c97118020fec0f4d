import {
  ConfigurationError,
  type Operation,
  type PagerDuty,
  operationScopes,
  pagerduty,
  requireScopesFor,
} from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { type RunningApp, serve } from '../support/app'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

const undeclared = (Object.keys(operationScopes) as Operation[]).filter(
  (operation) => operationScopes[operation] === undefined,
)

let simulator: Simulator | undefined
let app: RunningApp | undefined

afterEach(async () => {
  await app?.close()
  app = undefined
  await simulator?.close()
  simulator = undefined
})

test('a guard by operation requires the scopes that the operations declare', async () => {
  simulator = await startPagerDuty()
  const dropIn: DropIn = await startDropIn(simulator, {}, (express, pd) => {
    express.get(
      '/two',
      pd.requireScopesFor('GET /incidents', 'POST /incidents'),
      (_req, res) => void res.json(''),
    )
    express.get('/path', pd.requireScopesFor('GET /users/P1' as Operation), (_req, res) => void res.json(''))
    const named = { scopes: { 'GET /users/me': 'users.read' } } as const
    express.get('/named', pd.requireScopesFor('GET /users/me', named), (_req, res) => void res.json(''))
    const other = { scopes: { 'GET /incidents': ['services.read', 'teams.read'] } } as const
    express.get('/other', pd.requireScopesFor('GET /incidents', other), (_req, res) => void res.json(''))
    const connect = 'POST /integration-slack/workspaces/{slack_team_id}/connections'
    express.get('/several', pd.requireScopesFor(connect), (_req, res) => void res.json(''))
  })
  app = dropIn
  const { browser } = await dropIn.logIn()
  const denied = await dropIn.get(browser, '/two')
  expect([denied.status, await denied.json()]).toEqual([
    403,
    expect.objectContaining({
      required: ['incidents.read', 'incidents.write'],
      missing: ['incidents.write'],
      stepUpURL: '/auth/pagerduty?scope=incidents.write',
    }),
  ])
  expect((await dropIn.get(browser, '/path')).status).toBe(200)
  expect((await dropIn.get(browser, '/named')).status).toBe(200)
  const of = async (path: string) => (await dropIn.get(browser, path)).json()
  expect(await of('/other')).toMatchObject({ required: ['services.read', 'teams.read'] })
  const several = ['incidents.read', 'priorities.read', 'services.read', 'users.read']
  expect(await of('/several')).toMatchObject({ required: [...several, 'webhook_subscriptions.write'] })
})

test('in a Classic app reading needs read, anything else needs write, and a name given wins', async () => {
  const classic = await startPagerDuty({
    clients: [{ clientID: 'classic', clientSecret: 'x', appType: 'classic', scope: ['read'] }],
  })
  simulator = classic
  let pd: PagerDuty | undefined
  const running = await serve((express, url) => {
    const made = pagerduty({
      ...classic.options(),
      scope: 'read',
      callbackURL: `${url}/auth/pagerduty/callback`,
    })
    pd = made
    express.use(made.auth())
    const named = { scopes: { 'GET /users/me': 'write' } } as const
    express.get(
      '/reads',
      made.requireScopesFor('GET /incidents', 'GET /users'),
      (_req, res) => void res.json(''),
    )
    express.get('/head', made.requireScopesFor('HEAD /users' as Operation), (_req, res) => void res.json(''))
    express.get(
      '/writes',
      made.requireScopesFor('GET /users', 'PUT /users/{id}'),
      (_req, res) => void res.json(''),
    )
    express.get('/named', made.requireScopesFor('GET /users/me', named), (_req, res) => void res.json(''))
  })
  app = { ...running, close: () => Promise.all([pd?.close(), running.close()]).then(() => {}) }
  const browser = new Browser()
  const begun = await browser.visit(`${running.url}/auth/pagerduty`)
  await browser.visit(await approve(begun.headers.get('location') as string))
  const statuses: Record<string, number> = {}
  for (const path of ['/reads', '/head', '/writes', '/named'])
    statuses[path] = (await browser.fetch(running.url + path)).status
  expect(statuses).toEqual({ '/reads': 200, '/head': 200, '/writes': 403, '/named': 403 })
})

test.each(undeclared)(
  '%s declares no scope, so its guard is rejected at start-up unless one is named',
  (operation) => {
    expect(() => requireScopesFor(operation)).toThrow(
      /declares no scope, which does not mean that it needs none/,
    )
    expect(() => requireScopesFor('GET /incidents', operation)).toThrow(ConfigurationError)
    expect(() => requireScopesFor(operation, { scopes: { [operation]: 'users.read' } })).not.toThrow()
  },
)

test('an unknown operation, or none at all, is rejected at start-up', () => {
  expect(() => requireScopesFor('GET /incidnts' as Operation)).toThrow(/no operation of PagerDuty’s API/)
  expect(() => requireScopesFor('GET /incidents/..' as Operation)).toThrow(/no operation of PagerDuty’s API/)
  expect(() => requireScopesFor()).toThrow(/must be one or more, such as "GET \/incidents"/)
  expect(() => requireScopesFor({ stepUp: false })).toThrow(ConfigurationError)
  expect(() => requireScopesFor('GET /users/me', { scopes: { 'GET /users/me': [] } })).toThrow(
    /declares no scope/,
  )
  const blank = { scopes: { 'GET /users/me': 'two scopes' as 'users.read' } }
  expect(() => requireScopesFor('GET /users/me', blank)).toThrow(ConfigurationError)
})
