import { approve, defaultAccounts, defaultClient, sendWebhook, startPagerDuty } from '../../src/testing'
import type { Account, Fault, Simulator, SimulatorClient } from '../../src/testing'
import { authorizeURL, classicClient, simulators } from './support'

const { start } = simulators()
const [acme, globex] = defaultAccounts as [Account, Account]
const [ada] = acme.users

/** The error, whose message is what a developer sees. */
async function errorOf(run: () => unknown): Promise<unknown> {
  return Promise.resolve()
    .then(run)
    .then(
      () => 'none',
      (error: unknown) => (error instanceof TypeError ? error.message : error),
    )
}

const client = (change: object) => ({ clients: [{ ...defaultClient, ...change }] })
const account = (change: object) => ({ accounts: [{ ...acme, ...change }] })
const seconds = 'give a number from 0 to 9999999999'
const latency = 'give a number from 0 to 2147483647'

describe('startPagerDuty()', () => {
  it.each<[options: unknown, message: string]>([
    [null, '"options" is null: give an object'],
    ['x', `"options" is 'x': give an object`],
    [5, '"options" is 5: give an object'],
    [{ port: 'abc' }, `"port" is 'abc': give a whole number from 0 to 65535`],
    [{ port: 65_536 }, '"port" is 65536: give'],
    [{ port: 1.5 }, '"port" is 1.5: give'],
    [{ tls: 'yes' }, `"tls" is 'yes': give a boolean`],
    [
      client({ scope: 'users.read' }),
      `"clients[0].scope" is 'users.read': give a list such as ['incidents.read']`,
    ],
    [client({ scope: ['users.raed'] }), `"clients[0].scope" is [ 'users.raed' ]: give`],
    [client({ scope: ['users.read', 5] }), `"clients[0].scope" is [ 'users.read', 5 ]: give`],
    [client({ scope: ['write'] }), `"clients[0].scope" is [ 'write' ]: give`],
    [client({ scope: undefined }), '"clients[0].scope" is undefined: give'],
    [
      client({ redirectURIs: 'http://localhost/cb' }),
      `"clients[0].redirectURIs" is 'http://localhost/cb': give a list`,
    ],
    [client({ redirectURIs: ['/cb'] }), `"clients[0].redirectURIs" is [ '/cb' ]: give a list of whole URLs`],
    [client({ redirectURI: [] }), 'startPagerDuty() does not know "clients[0].redirectURI": use clientID,'],
    [
      client({ account: 'us.acme' }),
      `"clients[0].account" is 'us.acme': give 'acme' or 'globex' or undefined`,
    ],
    [
      client({ appType: 'Scoped' }),
      `"clients[0].appType" is 'Scoped': give 'scoped' or 'classic' or undefined`,
    ],
    [client({ clientID: '' }), '"clients[0].clientID" is empty: give a string'],
    [client({ clientSecret: 5 }), '"clients[0].clientSecret" is 5: give a string'],
    [
      { clients: [defaultClient, classicClient, defaultClient] },
      `"clients[0].clientID" is 'simulator-client': give a string that no other has`,
    ],
    [{ clients: {} }, '"clients" is {}: give a list of objects'],
    [{ clients: { clientSecret: 'a secret' } }, '"clients" is [Object]: give a list of objects'],
    [{ clients: ['simulator-client'] }, `"clients[0]" is 'simulator-client': give { clientID,`],
    [{ accounts: [] }, '"accounts" is empty: give a list of objects'],
    [{ accounts: {} }, '"accounts" is {}: give a list'],
    [account({ region: 'mars' }), `"accounts[0].region" is 'mars': give 'us' or 'eu'`],
    [account({ users: undefined }), '"accounts[0].users" is undefined: give a list'],
    [
      account({ users: [{ ...ada, id: undefined }] }),
      '"accounts[0].users[0].id" is undefined: give a string',
    ],
    [account({ users: [{ ...ada, role: 5 }] }), '"accounts[0].users[0].role" is 5: give a string'],
    [
      account({ users: [ada, ada] }),
      `"accounts[0].users[0].id" is 'PACME01': give a string that no other has`,
    ],
    [{ accounts: [acme, { ...globex, id: acme.id }] }, `"accounts[0].id" is 'PACME00': give`],
    [account({ subdomain: 5 }), '"accounts[0].subdomain" is 5: give'],
  ])('rejects %j', async (options, message) => {
    expect(await errorOf(async () => (await startPagerDuty(options as object)).close())).toContain(message)
  })

  it('does not name what is internal for an option that it does not know', async () => {
    const message = await errorOf(async () => (await startPagerDuty({ grase: 5 } as object)).close())
    expect(message).toMatch(/does not know "grase": use now, .*, port, tls, clients, accounts$/)
  })

  it('takes a port of digits, accounts without users, and null of a tokenFault', async () => {
    const simulator = await start({
      port: '0' as unknown as number,
      accounts: [{ ...acme, users: [] }],
      tokenFault: () => null as unknown as undefined,
    })
    const response = await fetch(`${simulator.url}/oauth/token`, { method: 'POST' })
    expect(response.status).toBe(400)
  })
})

describe('a setting', () => {
  const cases: [name: string, value: unknown, give: string][] = [
    ['reuse', 'nope', `give 'reject' or 'revoke-family'`],
    ['grace', '60', seconds],
    ['grace', -1, seconds],
    ['codeLifetime', Number.NaN, seconds],
    ['codeLifetime', null, seconds],
    ['accessTokenLifetime', -5, seconds],
    ['accessTokenLifetime', '60', seconds],
    ['refreshTokenLifetime', null, seconds],
    ['rollingWindow', 'a year', seconds],
    ['tokenLatency', 2 ** 31, latency],
    ['apiLatency', '7', latency],
    ['rateLimit', 5, 'give { limit }, calls a minute'],
    ['rateLimit', { limits: 5 }, 'give { limit }, calls a minute'],
    ['rateLimit', { limit: -1 }, 'give { limit }, calls a minute'],
    ['rateLimit', null, 'give { limit }, calls a minute'],
    ['tokenFault', '503', 'give a function'],
    ['idTokenClaims', {}, 'give a function'],
    ['autoApprove', 'NOBODY', 'give the id of a user that "accounts" has'],
    ['now', 5, 'give a function that returns milliseconds since the epoch'],
    ['now', () => new Date(), 'give a function that returns milliseconds since the epoch'],
    ['nullIDToken', 'false', 'give a boolean'],
    ['refreshNarrows', 1, 'give a boolean'],
  ]

  it.each(cases)('%s is not %p, as an option', async (name, value, give) => {
    const message = await errorOf(async () => (await startPagerDuty({ [name]: value })).close())
    expect(message).toMatch(new RegExp(`^"${name}" is .*: `))
    expect(message).toContain(give)
  })

  it.each(cases)('%s is not %p later either, and keeps its value', async (name, value, give) => {
    const { settings } = await start()
    const before = { ...settings }
    const message = await errorOf(() => Object.assign(settings, { [name]: value }))
    expect(message).toMatch(new RegExp(`^"settings\\.${name}" is .*: `))
    expect(message).toContain(give)
    expect({ ...settings }).toEqual(before)
  })

  it('may be undefined where that is its default, and nowhere else', async () => {
    const { settings } = await start({ accessTokenLifetime: 60 })
    settings.accessTokenLifetime = undefined
    expect(settings.accessTokenLifetime).toBeUndefined()
    expect(await errorOf(() => Object.assign(settings, { grace: undefined }))).toContain(
      '"settings.grace" is undefined',
    )
  })
})

describe('failNext()', () => {
  const status = 'give a whole number from 200 to 599'

  it.each<{ name: string; fault: unknown; times?: unknown; message: string }>([
    { name: 'a status of 600', fault: { status: 600 }, message: `"fault.status" is 600: ${status}` },
    { name: 'a status of 100', fault: { status: 100 }, message: `"fault.status" is 100: ${status}` },
    { name: 'a status of 500.5', fault: { status: 500.5 }, message: `"fault.status" is 500.5: ${status}` },
    {
      name: 'a status that is a string',
      fault: { status: '500' },
      message: `"fault.status" is '500': ${status}`,
    },
    { name: 'a fault without status', fault: {}, message: `"fault.status" is undefined: ${status}` },
    {
      name: 'statusCode',
      fault: { statusCode: 500 },
      message: 'failNext() does not know "fault.statusCode": use status,',
    },
    {
      name: 'no header name',
      fault: { status: 500, headers: { 'a b': 'c' } },
      message: '"fault.headers" is [Object]: give',
    },
    {
      name: 'headers of a string',
      fault: { status: 500, headers: 'a: b' },
      message: `"fault.headers" is 'a: b': give`,
    },
    {
      name: 'retryAfter soon',
      fault: { status: 429, retryAfter: 'soon' },
      message: `"fault.retryAfter" is 'soon': give`,
    },
    {
      name: 'after yes',
      fault: { status: 500, after: 'yes' },
      message: `"fault.after" is 'yes': give a boolean`,
    },
    { name: 'no fault', fault: undefined, message: '"fault" is undefined: give one of 429, 500,' },
    { name: 'null', fault: null, message: '"fault" is null: give one of 429, 500,' },
    { name: 'a number', fault: 500, message: '"fault" is 500: give one of 429, 500,' },
    ...[0, -1, Number.NaN, 1.5, Infinity, '2'].map((times) => ({
      ...{ name: `${times} times`, fault: '503', times },
      message: 'give a whole number from 1 to 1000000',
    })),
  ])('rejects $name, and nothing changes', async ({ fault, times, message }) => {
    const simulator = await start()
    expect(await errorOf(() => simulator.failNext('jwks', fault as Fault, times as number))).toContain(
      message,
    )
    expect((await fetch(`${simulator.url}/global/oauth/anonymous/jwks`)).status).toBe(200)
  })

  it('and tokenFault take every status of a response', async () => {
    const simulator = await start()
    for (const status of [200, 302, 404, 599]) {
      simulator.failNext('jwks', { status, headers: { 'X-Any': 'value' } })
      const response = await fetch(`${simulator.url}/global/oauth/anonymous/jwks`, { redirect: 'manual' })
      expect(response.status).toBe(status)
    }
  })

  it.each([
    [{ statusCode: 500 }, 'tokenFault does not know \\"tokenFault().statusCode\\"'],
    [Promise.resolve('503'), '\\"tokenFault().status\\" is undefined'],
    [false, '\\"tokenFault()\\" is false: give one of'],
  ])('is as strict with what a tokenFault returns: %p', async (fault, message) => {
    const simulator = await start({ tokenFault: () => fault as unknown as Fault })
    const response = await fetch(`${simulator.url}/oauth/token`, { method: 'POST' })
    expect(response.status).toBe(500)
    expect(await response.text()).toContain(message)
  })
})

describe('configure()', () => {
  it.each<[change: unknown, message: string]>([
    [undefined, '"change" is undefined: give { scope }'],
    ['users.read', `"change" is 'users.read': give { scope }`],
    [{}, '"change.scope" is undefined: give a list such as'],
    [{ scope: 'users.read' }, `"change.scope" is 'users.read': give a list such as`],
    [{ scopes: ['users.read'] }, 'configure() does not know "change.scopes": use scope'],
    [
      { scope: [], redirectURIs: ['http://localhost/cb'] },
      'configure() does not know "change.redirectURIs": use scope',
    ],
  ])('rejects %j', async (change, message) => {
    const simulator = await start()
    const configure = () => simulator.configure('simulator-client', change as SimulatorClient)
    expect(await errorOf(configure)).toContain(message)
    const page = await (await fetch(authorizeURL(simulator))).text()
    expect(page).toContain('<li>users.read</li>')
  })

  it('takes the app as it is, with another scope', async () => {
    const simulator = await start()
    simulator.configure('simulator-client', { ...defaultClient, scope: ['teams.read'] })
    expect(await (await fetch(authorizeURL(simulator))).text()).toContain('users.read (not configured')
  })
})

describe('approve()', () => {
  it.each<[decision: unknown, message: string]>([
    [null, '"options" is null: give { user, fetch, decision }'],
    ['PACME01', `"options" is 'PACME01': give { user,`],
    [{ user: 5 }, '"user" is 5: give a string'],
    [{ decision: 'maybe' }, `"decision" is 'maybe': give 'allow' or 'deny'`],
    [{ deny: true }, 'approve() does not know "deny": use user,'],
    [{ fetch: true }, '"fetch" is true: give a function'],
  ])('rejects %j', async (decision, message) => {
    const simulator = await start()
    expect(await errorOf(() => approve(authorizeURL(simulator), decision as object))).toContain(message)
    expect(simulator.calls.authorize).toBe(0)
  })

  it('rejects what is no URL', async () => {
    expect(await errorOf(() => approve(undefined as unknown as URL))).toBe(
      '"authorizeURL" is undefined: give a whole URL',
    )
  })

  it.each<[how: string, arrange: (simulator: Simulator) => void, decision: 'allow' | 'deny']>([
    ['allowed', () => undefined, 'allow'],
    ['denied', () => undefined, 'deny'],
    ['approved at once', ({ settings }) => (settings.autoApprove = 'PACME01'), 'allow'],
  ])('rejects a user who does not exist, where the login is %s', async (_how, arrange, decision) => {
    const simulator = await start()
    arrange(simulator)
    await expect(approve(authorizeURL(simulator), { user: 'usr:PACME01 →', decision })).rejects.toThrow(
      'There is no user "usr:PACME01 →" at this simulator',
    )
  })
})

describe('sendWebhook()', () => {
  const nowhere = 'http://127.0.0.1:9/'

  it.each([undefined, null, {}, { secret: '' }, { secret: [] }, { secret: ['a', ''] }])(
    'rejects the options %j',
    async (options) => {
      const simulator = await start()
      const ofSimulator: typeof sendWebhook = (...given) => simulator.sendWebhook(...given)
      for (const send of [sendWebhook, ofSimulator]) {
        expect(await errorOf(() => send(nowhere, 'pagey.ping', options as { secret: string }))).toMatch(
          /^"options\.secret" is .*: give a string that is not empty, or a list of such$/,
        )
      }
    },
  )
})
