import { request } from 'node:http'
import { type PagerDutyOptions, pagerduty } from '../../src'
import { withEnvironment } from '../../src/environment'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { type Simulation, askDoctor, runCommand, startSimulation, troubles } from '../support/command'
import { type DropIn, startDropIn } from '../support/drop-in'

let simulation: Simulation
let app: DropIn

beforeAll(async () => {
  simulation = await startSimulation()
  app = await startDropIn(
    { options: () => ({}) } as unknown as Simulator,
    optionsOf(simulation),
    (express, pd) => {
      express.post(
        '/webhooks/pagerduty',
        pd.webhook(() => {}),
      )
    },
  )
})
afterAll(async () => {
  await app.close()
  await simulation.stop()
})

/** What an app has whose environment is what was printed, but for its address. */
function optionsOf({ env }: Simulation): PagerDutyOptions {
  const { callbackURL, ...options } = withEnvironment({}, env)
  expect(callbackURL).toBe('http://localhost:3000/auth/pagerduty/callback')
  return options
}

interface Answer {
  status: number
  location: string | undefined
  text: string
}

/** Node's fetch writes Host and Sec-Fetch-Site itself. */
function send(method: string, headers: Record<string, string> = {}, body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(simulation.page, { method, headers }, (answer) => {
      let text = ''
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()))
      answer.on('end', () =>
        resolve({
          status: answer.statusCode as number,
          location: answer.headers.location,
          text: text.replaceAll(/\s+/g, ' '),
        }),
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** What the page says after a button. */
async function press(form: Record<string, string>): Promise<string> {
  const pressed = await send('POST', { Origin: simulation.url }, new URLSearchParams(form).toString())
  expect(pressed).toMatchObject({ status: 303, location: '/__simulator/' })
  return /role="status">([^<]*)/.exec((await send('GET')).text)?.[1] ?? ''
}

const calls = async () =>
  (await fetch(`${simulation.url}/__simulator/calls`)).json() as Promise<{ token: object }>

test('what is printed is an environment with which the doctor is content', async () => {
  const { code, findings } = await askDoctor(simulation.env)
  expect(troubles(findings)).toEqual([])
  expect(code).toBe(0)
})

test('a user logs in there, and is shown on the page without a token', async () => {
  await app.logIn()
  const { text } = await send('GET')
  expect(text).toMatch(
    /Ada Okafor[^]*incidents\.read[^]*access token ends in 24 h; refresh token ends in 30 days/,
  )
  expect(text).not.toMatch(/pd(us|eu)\+_/)
})

test('buttons end tokens, and make calls fail and slow', async () => {
  const { browser } = await app.logIn()
  expect(await press({ do: 'reset' })).toBe('Calls are counted from zero.')
  expect(await press({ do: 'expire' })).toBe(
    'All access tokens have expired; refresh tokens are still valid.',
  )
  expect((await app.get(browser)).status).toBe(200)
  expect((await calls()).token).toMatchObject({ refresh_token: 1 })
  expect(await press({ do: 'fail', fault: '503', times: '2' })).toBe('The next 2 token calls fail: 503.')
  expect(troubles((await askDoctor(simulation.env)).findings)).toEqual(['error credentials'])
  expect(await press({ do: 'clear' })).toBe('The next calls succeed.')
  expect(troubles((await askDoctor(simulation.env)).findings)).toEqual([])
  expect(await press({ do: 'latency', token: '5', api: '7' })).toBe('Latencies are set.')
  expect((await send('GET')).text).toMatch(/name="token"[^>]*value="5"[^]*name="api"[^>]*value="7"/)
  expect(await press({ do: 'revoke' })).toBe('All grants are revoked.')
  expect((await send('GET')).text).toContain('There is no live grant')
  expect((await app.get(browser)).status).toBe(401)
})

test('logins are approved at once when asked to', async () => {
  expect(await press({ do: 'approve', user: 'PACME02' })).toBe('Logins are approved at once.')
  await app.logIn()
  expect((await send('GET')).text).toContain('<strong>Ben Ruiz</strong>')
  expect(await press({ do: 'approve', user: '' })).toBe('Logins wait for consent.')
})

test('users of another account than that of the Scoped app are turned away, as PagerDuty does', async () => {
  await expect(app.logIn(undefined, { user: 'PGLBX01' })).rejects.toThrow('registered in the account acme')
})

test('a webhook is sent, signed, to this machine only', async () => {
  const to = (url: string) => press({ do: 'webhook', url, event: 'incident.triggered' })
  expect(await to(`${app.url}/webhooks/pagerduty`)).toBe('incident.triggered got the response 202.')
  expect(await to('http://127.0.0.1:9/')).toContain('was not delivered')
  expect(await to('https://app.example/webhooks')).toContain('is no address of this machine: app.example')
})

test('input is shown on the page as text', async () => {
  const said = await press({ do: 'webhook', url: 'http://127.0.0.1:9/', event: '<b>"' })
  expect(said).toContain('&#60;b&#62;&#34;')
})

test.each([
  ['another site', { Origin: 'https://evil.example' }],
  ['a page that hides where it is', { Origin: 'null' }],
  ['another port of this machine', { Origin: 'http://127.0.0.1:1' }],
  ['another site, without an Origin', { 'Sec-Fetch-Site': 'cross-site' }],
  [
    'a foreign host name that resolves to this machine',
    { Host: 'evil.example', Origin: 'http://evil.example' },
  ],
])('%s cannot press a button', async (_who, headers) => {
  const { browser } = await app.logIn()
  expect((await send('POST', headers, 'do=revoke')).status).toBe(403)
  expect((await app.get(browser)).status).toBe(200)
})

test('a foreign host name that resolves to this machine does not show the page', async () => {
  expect((await send('GET', { Host: 'evil.example' })).status).toBe(403)
})

test('a simulator without that option has no control page', async () => {
  const simulator = await startPagerDuty()
  expect((await fetch(`${simulator.url}/__simulator/`)).status).toBe(404)
  await simulator.close()
})

test('client ID, scope and kind of app can be named', async () => {
  const other = await startSimulation('--client-id', 'my app', '--app-type', 'classic')
  expect(other.env).toMatchObject({
    PAGERDUTY_CLIENT_ID: 'my app',
    PAGERDUTY_APP_TYPE: 'classic',
    PAGERDUTY_SCOPE: 'write',
  })
  expect(() => pagerduty({ ...optionsOf(other), callbackURL: 'http://localhost/cb' })).not.toThrow()
  expect(await other.stop()).toBe(0)
})

test('a port that is in use is reported', async () => {
  const { port } = new URL(simulation.url)
  const { code, stderr } = await runCommand(['simulate', '--port', port], {})
  expect(stderr).toBe(`Port ${port} is taken: name another one, or none.\n`)
  expect(code).toBe(1)
})

// The last one: the app looks for new keys at most twice a minute.
test('a button rotates the keys of the JWKS', async () => {
  const keys = async () =>
    ((await (await fetch(`${simulation.url}/global/oauth/anonymous/jwks`)).json()) as { keys: object[] }).keys
  const [before] = await keys()
  expect(await press({ do: 'rotate' })).toContain('new key')
  const after = await keys()
  expect(after).toHaveLength(2)
  expect(after).toContainEqual(before)
})
