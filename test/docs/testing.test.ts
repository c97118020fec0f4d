import { freePort } from '../support/redis'
import { example, programOf } from './examples'
import { runJest, runTests } from './run-example'

/** What the pieces below leave to the reader: an app at a simulator. */
const readersApp = `
import assert from 'node:assert/strict'
import express from 'express'
import { pagerduty } from 'passport-pagerduty'
import { loginAs } from 'passport-pagerduty/testing'
import request from 'supertest'

function appAt(simulator) {
  const callbackURL = 'http://localhost:3000/auth/pagerduty/callback'
  const pd = pagerduty({ ...simulator.options(), callbackURL, scope: 'incidents.read users.read' })
  const app = express().use(pd.auth())
  app.get('/me', (req, res) => res.json({ ...req.pagerduty.user, scope: req.pagerduty.grantedScopes }))
  app.get('/incidents', pd.requireScopes('incidents.read'), async (req, res) => {
    const response = await req.pagerduty.fetch('/incidents')
    res.status(response.status).json(await response.json())
  })
  app.get('/services', pd.requireScopes('services.read'), (_req, res) => res.json([]))
  return app.use(pd.errors())
}
`

/** Each of the four users that the page names logs in. */
const whoCanLogIn = (code: string) => `${readersApp}${code}
const people = { PACME01: 'acme', PACME02: 'acme', PGLBX01: 'globex', PGLBX02: 'globex' }
const app = appAt(simulator)
for (const [user, subdomain] of Object.entries(people)) {
  const agent = await loginAs(request.agent(app), user)
  const { body } = await agent.get('/me')
  assert.deepEqual([body.id, body.subdomain, body.scope], [user, subdomain, ['openid', 'users.read']])
}
`

const whatGoesWrong = (code: string) => `${readersApp}${code}
const app = appAt(simulator)
assert.equal(simulator.settings.tokenLatency, 12_000)
simulator.settings.tokenLatency = 300 // this test should not take that long
const began = performance.now()
await assert.rejects(loginAs(request.agent(app)), /The login did not succeed: the app responded with 503/)
assert.ok(performance.now() - began >= 300)
simulator.settings.tokenLatency = 0

const agent = await loginAs(request.agent(app))
const statuses = []
while (statuses.length < 3) statuses.push((await agent.get('/incidents')).status)
assert.deepEqual(statuses, [500, 500, 200])

const { clientID, clientSecret } = simulator.options()
const body = new URLSearchParams({
  grant_type: 'refresh_token',
  refresh_token: simulator.newestRefreshToken('PACME01'),
  client_id: clientID,
  client_secret: clientSecret,
})
const refresh = async () => (await fetch(simulator.url + '/oauth/token', { method: 'POST', body })).json()
const { access_token } = await refresh()
assert.match(access_token, /./)
assert.equal((await refresh()).access_token, access_token)

const { keys } = await (await fetch(simulator.url + '/global/oauth/anonymous/jwks')).json()
assert.equal(keys.length, 2)
`

const denied = (code: string) => `${readersApp}
import { startPagerDuty } from 'passport-pagerduty/testing'
const app = appAt(await startPagerDuty())
${code.replace(/import assert.*\n|import request.*\n/g, '')}
await browser.get('/incidents').expect(401)
// Node's fetch() counts as a script, whatever it accepts.
const server = app.listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const headers = { Accept: 'text/html', 'Sec-Fetch-Mode': 'navigate' }
const script = await fetch('http://127.0.0.1:' + server.address().port + '/incidents', { headers, redirect: 'manual' })
assert.equal(script.status, 401)
// A request of node:http may say that it navigates.
const { get } = await import('node:http')
const { port } = server.address()
const navigation = await new Promise((resolve) => get({ port, path: '/incidents', headers }, resolve))
assert.equal(navigation.statusCode, 302)
const elsewhere = await loginAs(request.agent('http://127.0.0.1:' + port), 'PACME01')
await elsewhere.get('/incidents').expect(200)
server.close()
`

const stepUp = (code: string) => `${readersApp}
import { startPagerDuty } from 'passport-pagerduty/testing'
const app = appAt(await startPagerDuty())
${code.replaceAll(/import .*\n/g, '')}
`

const time = (code: string) => `${readersApp}
import { startPagerDuty } from 'passport-pagerduty/testing'
const simulator = await startPagerDuty()
const agent = await loginAs(request.agent(appAt(simulator)))
await agent.get('/incidents').expect(200)
const began = Date.now()
${code}
assert.ok(Date.now() - began < 60_000)
`

const byHTTPS = (code: string) => `
import assert from 'node:assert/strict'
${code}
assert.match(simulator.url, /^https:/)
assert.equal(simulator.calls.token.authorization_code, 1)
`

/** The app has the secret from the example, and handles a delivery once. */
const webhooks = (port: number) => (code: string) =>
  `
import assert from 'node:assert/strict'
import express from 'express'
import { pagerduty } from 'passport-pagerduty'
const callbackURL = 'http://localhost:3000/auth/pagerduty/callback'
const webhookSecret = '${/secret: '([^']*)'/.exec(code)?.[1]}'
const pd = pagerduty({ clientID: 'id', clientSecret: 'secret', callbackURL, scope: 'users.read', webhookSecret })
const app = express()
const handled = []
app.post('/webhooks/pagerduty', pd.webhook((event) => void handled.push(event.event_type)))
await new Promise((resolve) => app.listen(${port}, resolve))
${code.replace('localhost:3000', `localhost:${port}`)}
assert.equal(delivery.status, 202)
assert.deepEqual(handled, ['incident.triggered'])
`

test('the tests of the pages pass, and the pieces of tests do what they say', async () => {
  const pieces = {
    'docs/testing.md, Tests of your own, ts 3': denied,
    'docs/testing.md, Tests of your own, ts 4': stepUp,
    'docs/testing.md, Who can log in, ts': whoCanLogIn,
    'docs/testing.md, What goes wrong, ts': whatGoesWrong,
    'docs/testing.md, By https, ts': byHTTPS,
    'docs/testing.md, Time, ts': time,
    'docs/testing.md, Webhooks, ts': webhooks(await freePort()),
  }
  const files = {
    'README.md, Testing, ts': 1,
    'docs/testing.md, Tests of your own, ts': 1,
    'docs/testing.md, A token store of your own, ts': 19,
  }
  const report = await runTests({
    files: Object.keys(files).map((name) => programOf(example(name), '')),
    pieces: Object.fromEntries(
      Object.entries(pieces).map(([name, around]) => [name, around(example(name).code)]),
    ),
  })
  const count = Object.values(files).reduce((sum, one) => sum + one, Object.keys(pieces).length)
  expect(report).toContain(`# pass ${count}\n# fail 0\n`)
})

test('the test for Jest passes as an ECMAScript module, with the option where it is needed', async () => {
  const { code } = example('docs/testing.md, Tests of your own, ts 2')
  expect(await runJest(code, { NODE_OPTIONS: '--experimental-vm-modules' })).toContain('1 passed')
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 24 || (major === 24 && minor >= 9)) return // Jest requires modules there
  expect(await runJest(code, {})).toContain('Must use import to load ES Module')
})
