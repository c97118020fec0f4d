import { inspect } from 'node:util'
import fc from 'fast-check'
import {
  type AppToken,
  AppTokens,
  ConfigurationError,
  type TokenStore,
  TokenStoreError,
  pagerduty,
} from '../../src'
import { parseAccount } from '../../src/app-tokens/account'
import { runs } from '../fuzz/runs'
import { AppTokenApp, answering, pass, passMonotonic, stepWallClock, until } from '../support/app-token-app'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const scopes = ['incidents.read', 'incidents.write', 'users.read', 'services.read', 'oncalls.read']

let app: AppTokenApp
beforeEach(async () => {
  app = await AppTokenApp.start()
})
afterEach(async () => {
  jest.restoreAllMocks()
  await app.close()
})

const scopeOf = (accessToken: string) => app.issued.get(accessToken)

describe('what is requested', () => {
  test('is the account and the scopes, by client credentials', async () => {
    const { accessToken, scope, expiresAt } = await app.process().getToken('users.read incidents.read')
    expect(Object.fromEntries(app.forms[0] as URLSearchParams)).toEqual({
      grant_type: 'client_credentials',
      scope: 'as_account-us.acme incidents.read users.read',
      client_id: 'simulator-client',
      client_secret: 'simulator-secret',
    })
    expect(scope).toEqual(['as_account-us.acme', 'incidents.read', 'users.read'])
    expect(scopeOf(accessToken)).toBe('as_account-us.acme incidents.read users.read')
    expect(expiresAt - Date.now()).toBeGreaterThan(day - minute)
    expect(expiresAt - Date.now()).toBeLessThanOrEqual(day)
  })

  test('is a set: order, repetition and the way of writing make no other token', async () => {
    const tokens = app.process()
    const spellings = [
      'users.read incidents.read',
      ' incidents.read\n users.read ',
      ['incidents.read', 'users.read'],
      ['users.read', 'incidents.read', 'users.read'],
      'openid users.read incidents.read',
    ]
    const got = await Promise.all(spellings.map((spelling) => tokens.getToken(spelling)))
    expect(new Set(got.map(({ accessToken }) => accessToken)).size).toBe(1)
    expect(app.requests).toBe(1)
  })

  test('keeps scope sets, accounts, clients and endpoints apart', async () => {
    const tokens = app.process()
    const elsewhere = app.process({ tokenURL: `${app.simulator.url}/oauth/token?`, identityURL: undefined })
    const got = await Promise.all([
      tokens.getToken('users.read'),
      tokens.getToken('users.read incidents.read'),
      tokens.getToken('users.read', { account: 'eu.globex' }),
      elsewhere.getToken('users.read'),
    ])
    expect(got.map(({ accessToken }) => scopeOf(accessToken))).toEqual([
      'as_account-us.acme users.read',
      'as_account-us.acme incidents.read users.read',
      'as_account-eu.globex users.read',
      'as_account-us.acme users.read',
    ])
    expect(new Set(got.map(({ accessToken }) => accessToken)).size).toBe(4)
  })

  test('is appScope where a call names none, else the login’s scope without openid', async () => {
    const options = { scope: 'openid users.read' }
    await app.process({ ...options, appScope: ['services.read'] }).getToken()
    await app.process(options).getToken()
    expect(app.forms.map((form) => form.get('scope'))).toEqual([
      'as_account-us.acme services.read',
      'as_account-us.acme users.read',
    ])
  })

  test.each([[{}], [{ scope: [] }], [{ scope: 'openid' }]])(
    'needs scopes from somewhere: %j is none',
    async (options) => {
      const tokens = app.process(options)
      await expect(tokens.getToken()).rejects.toMatchObject({ option: 'scope' })
      await expect(tokens.fetch('/users')).rejects.toMatchObject({ option: 'scope' })
      expect((await tokens.getToken('users.read')).scope).toContain('users.read')
    },
  )

  test.each([
    'read',
    'as_account-us.other',
    'users.read"',
    ['users.read incidents.read'],
    [''],
    [7],
    null,
    {},
  ])('is never %j', async (scope) => {
    const tokens = app.process()
    await tokens.getToken('users.read incidents.read')
    await expect(tokens.getToken(scope as string)).rejects.toBeInstanceOf(ConfigurationError)
    expect(app.requests).toBe(1)
  })
})

describe('the account', () => {
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'
  /** The grammar once more, in other words. */
  function isAccountName(text: string): boolean {
    const region = text.slice(0, 3)
    const label = text.slice(3)
    const isLabel = [...label].every((character) => `${letters}-`.includes(character))
    const hasGoodEnds = letters.includes(label.charAt(0)) && letters.includes(label.slice(-1))
    return (
      ['us.', 'eu.'].includes(region) && label.length >= 1 && label.length <= 63 && isLabel && hasGoodEnds
    )
  }
  const nearly = fc
    .tuple(
      fc.constantFrom('us', 'eu', 'US', 'ap', '', ' us', 'us\n'),
      fc.constantFrom('.', '', ' ', '..'),
      fc.oneof(
        fc.string({ unit: fc.constantFrom(...letters, '-'), maxLength: 66 }),
        fc.string({
          unit: fc.constantFrom('a', '-', ' ', '\n', '.', '%', 'é', 'A', '\0', '+', '&'),
          maxLength: 9,
        }),
      ),
    )
    .map((parts) => parts.join(''))

  test('is service region and subdomain and nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(nearly, fc.string()), (text) => {
        const parse = () => parseAccount(text).name
        if (isAccountName(text)) return parse() === text
        expect(parse).toThrow(ConfigurationError)
        return true
      }),
      runs(3000),
    )
  })

  test.each([
    undefined,
    null,
    '',
    ['us.acme'],
    { toString: () => 'us.acme' },
    'us.acme incidents.write',
    'us.acme\n',
    'us.acme\tincidents.write',
    'as_account-us.acme',
    'https://acme.pagerduty.com',
    `us.${'a'.repeat(64)}`,
    'us.-acme',
    'us.acme-',
  ])('cannot be %j', async (account) => {
    const tokens = app.process({ account: undefined })
    const options = { account: account as string }
    await expect(tokens.getToken('users.read', options)).rejects.toMatchObject({ option: 'account' })
    await expect(tokens.fetch('/users', { scope: 'users.read', ...options })).rejects.toMatchObject({
      option: 'account',
    })
    expect(app.requests).toBe(0)
  })

  test('adds no scope, even if the same words were requested in another way', async () => {
    const tokens = app.process()
    await tokens.getToken('incidents.write users.read')
    await expect(tokens.getToken('users.read', { account: 'us.acme incidents.write' })).rejects.toThrow(
      'account',
    )
    await expect(tokens.getToken(['users.read'], { account: 'us.acme,incidents.write' })).rejects.toThrow(
      'account',
    )
  })

  test('decides the API host, and tokens go to no other region', async () => {
    const sent: string[] = []
    const fake: typeof fetch = async (url, init) => {
      if (String(url).endsWith('/oauth/token')) return fetch(url, init)
      sent.push(String(url))
      return Response.json({})
    }
    const tokens = app.process({ apiURL: undefined, mcpURL: undefined, fetch: fake, scope: 'users.read' })
    await tokens.fetch('/users')
    await tokens.fetch('/users', { account: 'eu.globex' })
    await expect(tokens.fetch('https://api.eu.pagerduty.com/users')).rejects.toThrow('mcp.pagerduty.com only')
    const init = { account: 'eu.globex' }
    await expect(tokens.fetch('https://api.pagerduty.com/users', init)).rejects.toThrow(
      'api.eu.pagerduty.com',
    )
    expect(sent).toEqual(['https://api.pagerduty.com/users', 'https://api.eu.pagerduty.com/users'])
  })
})

describe('the From header', () => {
  const from = 'oncall@acme.example'
  const seen: [string, string | null][] = []
  const recording: typeof fetch = async (url, init) => {
    if (String(url).endsWith('/oauth/token')) return fetch(url, init)
    const path = new URL(String(url)).pathname
    seen.push([`${init?.method ?? 'GET'} ${path}`, new Headers(init?.headers).get('from')])
    return Response.json({})
  }
  beforeEach(() => seen.splice(0))

  test('goes with the operations that declare one, and with no other', async () => {
    const tokens = app.process({ from, fetch: recording, scope: 'incidents.read incidents.write' })
    const body = '{}'
    await tokens.fetch('/incidents?limit=1')
    await tokens.fetch('/incidents', { method: 'post', body })
    await tokens.fetch(`${app.simulator.url}/incidents/P1/notes?a=b#c`, { method: 'POST', body })
    await tokens.fetch('/incidents/P1/notes')
    await tokens.fetch('/services', { method: 'POST', body })
    await tokens.fetch('/no/such', { method: 'POST', body })
    expect(seen).toEqual([
      ['GET /incidents', null],
      ['post /incidents', from],
      ['POST /incidents/P1/notes', from],
      ['GET /incidents/P1/notes', null],
      ['POST /services', null],
      ['POST /no/such', null],
    ])
  })

  test('of the call wins', async () => {
    const tokens = app.process({ from, fetch: recording, scope: 'incidents.write' })
    const init = { method: 'POST', headers: { FROM: 'ada@acme.example', 'X-Own': 'kept' } }
    await tokens.fetch('/incidents', init)
    expect(seen).toEqual([['POST /incidents', 'ada@acme.example']])
    expect(init.headers).toEqual({ FROM: 'ada@acme.example', 'X-Own': 'kept' })
  })

  test('is not sent where none is given', async () => {
    await app.process({ fetch: recording, scope: 'incidents.write' }).fetch('/incidents', { method: 'POST' })
    expect(seen).toEqual([['POST /incidents', null]])
  })

  test.each([
    'ada',
    'ada@acme',
    '@acme.example',
    'Ada <ada@acme.example>',
    'ada@acme.example\nX: y',
    'ä@acme.example',
    '',
    7,
  ])('cannot be %j: that is rejected at start-up', (wrong) => {
    expect(() => app.process({ from: wrong as string })).toThrow(
      '"from" must be the e-mail address of a PagerDuty user, such as "oncall@acme.example"',
    )
  })

  test('comes from PAGERDUTY_FROM as well, and a mistake there names it', async () => {
    const options = {
      ...app.simulator.options(),
      callbackURL: 'http://localhost/cb',
      scope: 'incidents.write',
      account: 'us.acme',
    }
    process.env['PAGERDUTY_FROM'] = from
    const pd = pagerduty({ ...options, fetch: recording })
    await pd.appTokens.fetch('/incidents', { method: 'POST' })
    await pd.close()
    expect(seen).toEqual([['POST /incidents', from]])
    process.env['PAGERDUTY_FROM'] = 'ada'
    expect(() => pagerduty(options)).toThrow('"from"')
    delete process.env['PAGERDUTY_FROM']
  })
})

describe('an app that gets no app tokens gets an error that says why', () => {
  const classic = {
    clientID: 'classic',
    appType: 'classic',
    callbackURL: 'http://localhost/cb',
    scope: 'read',
  } as const

  test.each([
    ['confidential', { clientSecret: 'a secret' }],
    ['public', {}],
  ])('a %s Classic app', async (_what, more) => {
    expect(() => new AppTokens({ ...classic, ...more })).toThrow(/appType.*Scoped/)
    const pd = pagerduty({ ...classic, ...more })
    expect(() => pd.appTokens).toThrow(/appType.*Scoped/)
    expect(() => pd.appTokens).toThrow(ConfigurationError)
    await pd.close()
  })

  test('a public client', () => {
    expect(() => new AppTokens({ clientID: 'public', scope: 'users.read' })).toThrow('clientSecret')
  })

  test('an account or a scope that cannot be, at the start', () => {
    const options = { ...app.simulator.options(), callbackURL: 'http://localhost/cb', scope: 'users.read' }
    expect(() => pagerduty({ ...options, account: 'acme' })).toThrow('"account"')
    expect(() => pagerduty({ ...options, appScope: 'write' })).toThrow('Classic')
  })

  test('a use of pd.appTokens without an account', async () => {
    const pd = pagerduty({
      ...app.simulator.options(),
      callbackURL: 'http://localhost/cb',
      scope: 'users.read',
    })
    await expect(pd.appTokens.getToken()).rejects.toThrow('"account"')
    expect((await pd.appTokens.fetch('/users', { account: 'us.acme' })).status).toBe(200)
    expect(pd.appTokens).toBe(pd.appTokens)
    await pd.close()
    await expect(pd.appTokens.getToken('services.read', { account: 'us.acme' })).rejects.toMatchObject({
      name: 'TokenStoreError',
      code: 'ERR_PAGERDUTY_CLOSED',
    })
  })
})

describe('where tokens come from', () => {
  test('a thousand cold callers make one request', async () => {
    app.simulator.settings.tokenLatency = 50
    const tokens = app.process()
    const got = await Promise.all(Array.from({ length: 1000 }, () => tokens.getToken('users.read')))
    expect(new Set(got.map(({ accessToken }) => accessToken)).size).toBe(1)
    expect(app.requests).toBe(1)
  })

  test('memory first: no command to the store, no request', async () => {
    const tokens = app.process()
    const first = await tokens.getToken('users.read')
    const before = app.store.commands.length
    for (let call = 0; call < 20; call++)
      expect((await tokens.getToken(['users.read'])).accessToken).toBe(first.accessToken)
    expect(app.store.commands).toHaveLength(before)
    expect(app.requests).toBe(1)
  })

  test('then the store: another process requests nothing', async () => {
    const first = await app.process().getToken('users.read')
    const second = await app.process().getToken('users.read')
    expect({ ...second, accessToken: second.accessToken }).toEqual({
      ...first,
      accessToken: first.accessToken,
    })
    expect(app.requests).toBe(1)
  })

  test('several cold processes make one request', async () => {
    app.simulator.settings.tokenLatency = 100
    const got = await Promise.all(Array.from({ length: 5 }, () => app.process().getToken('users.read')))
    expect(new Set(got.map(({ accessToken }) => accessToken)).size).toBe(1)
    expect(app.requests).toBe(1)
  })

  test('what is stored is sealed, for its own key and this secret', async () => {
    const tokens = app.process()
    const { accessToken } = await tokens.getToken('users.read')
    const { accessToken: other } = await tokens.getToken('services.read')
    const everything = JSON.stringify([...app.store.written, ...app.store.commands])
    for (const secret of [accessToken, other, 'users.read', 'acme']) expect(everything).not.toContain(secret)

    const [[firstKey, first], [secondKey, second]] = [...app.store.written].filter(([key]) =>
      key.startsWith('app:'),
    ) as [[string, string], [string, string]]
    await app.store.memory.replace(firstKey, first, second)
    await app.store.memory.replace(secondKey, second, first)
    const neighbour = app.process()
    expect(scopeOf((await neighbour.getToken('users.read')).accessToken)).toBe(
      'as_account-us.acme users.read',
    )
    expect(scopeOf((await neighbour.getToken('services.read')).accessToken)).toBe(
      'as_account-us.acme services.read',
    )
    expect(app.requests).toBe(4)
    await app.process({ secret: 'another secret, of thirty-two characters too' }).getToken('users.read')
    expect(app.requests).toBe(5)
  })

  test('tokens show by name only', async () => {
    const token = await app.process().getToken('users.read')
    const shown = [inspect(token, { showHidden: true, getters: true }), JSON.stringify([token, { ...token }])]
    expect(shown.join()).not.toContain(token.accessToken)
    expect(shown.join()).toContain('users.read')
  })

  test('10,000 calls at random, in two processes, never give a token of another set or account', async () => {
    const processes = [app.process(), app.process()]
    const calls = Array.from({ length: 10_000 }, () => {
      const wanted = scopes.filter(() => Math.random() < 0.5)
      if (wanted.length === 0) wanted.push('users.read')
      const account = Math.random() < 0.5 ? 'us.acme' : 'eu.globex'
      return { wanted, account, process: processes[Math.random() < 0.5 ? 0 : 1] as AppTokens }
    })
    const mixUps: unknown[] = []
    await Promise.all(
      calls.map(async ({ wanted, account, process }) => {
        const shuffled = wanted.toSorted(() => Math.random() - 0.5)
        const { accessToken, scope } = await process.getToken(shuffled, { account })
        const expected = [`as_account-${account}`, ...wanted.toSorted()].join(' ')
        if (scopeOf(accessToken) !== expected || scope.join(' ') !== expected) mixUps.push([expected, scope])
      }),
    )
    const sets = new Set(calls.map(({ wanted, account }) => [account, ...wanted].join(' ')))
    expect(mixUps).toEqual([])
    expect(sets.size).toBeGreaterThan(50)
    expect(app.requests).toBe(sets.size)
  })
})

describe('renewal', () => {
  test('happens ahead of the end and behind the callers, who are all served at once', async () => {
    const tokens = app.process()
    const { accessToken: old } = await tokens.getToken('users.read')
    pass(0.89 * day)
    await tokens.getToken('users.read')
    expect(app.requests).toBe(1)

    pass(0.1 * day)
    app.simulator.settings.tokenLatency = 1000
    let waits = 0
    for (let call = 0; call < 100; call++) {
      let isServed = false
      const got = tokens.getToken('users.read').then(({ accessToken }) => {
        isServed = true
        return accessToken
      })
      await Promise.resolve().then(() => Promise.resolve())
      await Promise.resolve()
      if (!isServed) waits += 1
      expect(await got).toBe(old)
    }
    expect(waits).toBe(0)
    await until(() => app.requests === 2)
    expect(app.issued.size).toBe(1)
  })

  test('is one request in the fleet; the others take what it brought', async () => {
    const fleet = Array.from({ length: 4 }, () => app.process())
    const all = () => Promise.all(fleet.map(async (one) => (await one.getToken('users.read')).accessToken))
    const [old] = await all()
    pass(0.99 * day)
    app.simulator.settings.tokenLatency = 50
    expect(new Set(await all())).toEqual(new Set([old]))
    await until(() => app.issued.size === 2)
    jest.restoreAllMocks() // The waits between looks at the store need a clock that goes.
    let now = await all()
    while (new Set(now).has(old as string))
      now = await new Promise((resolve) => setTimeout(resolve, 20, all()))
    expect(new Set(now).size).toBe(1)
    expect(app.requests).toBe(2)
  })

  test('is spread: tokens of one moment are not renewed in one moment, but in all processes at the same', async () => {
    const sets = scopes.flatMap((one) => scopes.filter((two) => one < two).map((two) => [one, two]))
    const wanted = ['us.acme', 'eu.globex'].flatMap((account) => sets.map((set) => ({ account, set })))
    stepWallClock(0)
    const [one, two] = [app.process(), app.process()]
    for (const { account, set } of wanted) await one.getToken(set, { account })
    for (const { account, set } of wanted) await two.getToken(set, { account })
    expect(app.requests).toBe(20)
    pass(0.95 * day) // About two thirds are due.
    for (const { account, set } of wanted) await one.getToken(set, { account })
    await app.settled()
    const renewed = app.requests - 20
    expect(renewed).toBeGreaterThanOrEqual(5)
    expect(renewed).toBeLessThanOrEqual(19)
    for (const { account, set } of wanted) await two.getToken(set, { account })
    await app.settled()
    expect(app.requests - 20).toBe(renewed)
  })

  test('may fail until the real end, and no caller sees it', async () => {
    const tokens = app.process()
    const failures = jest.fn()
    const { accessToken, expiresAt } = await tokens.getToken('users.read')
    app.simulator.settings.tokenFault = () => {
      failures()
      return '503'
    }
    pass(0.99 * day)
    while (Date.now() < expiresAt - 40_000) {
      expect((await tokens.getToken('users.read')).accessToken).toBe(accessToken)
      pass(30_000)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => failures.mock.calls.length > 3)
    expect(failures.mock.calls.length).toBeLessThan(0.01 * (day / 30_000) + 2)
    stepWallClock(expiresAt - Date.now() - 1)
    expect((await tokens.getToken('users.read')).accessToken).toBe(accessToken)
    pass(1)
    await expect(tokens.getToken('users.read')).rejects.toMatchObject({ status: 503, isTransient: true })
    app.simulator.settings.tokenFault = undefined
    passMonotonic(61_000)
    expect((await tokens.getToken('users.read')).accessToken).not.toBe(accessToken)
  })

  test.each([[0], [undefined], [null], ['3600'], [-1], [1e308], [0.001]])(
    'does not go round where expires_in is %j',
    async (expires_in) => {
      const tokens = app.process({ fetch: answering({ expires_in }) })
      const neighbour = app.process({ fetch: answering({ expires_in }) })
      for (let call = 0; call < 25; call++) {
        await tokens.getToken('users.read', { minValidity: 60 })
        await neighbour.getToken('users.read')
        expect((await tokens.fetch('/users', { scope: 'users.read' })).status).toBe(200)
      }
      expect(app.requests).toBe(1)
    },
  )

  test('comes early for who needs the token longer, and not for what no token can have', async () => {
    const tokens = app.process()
    const first = await tokens.getToken('users.read')
    pass(12 * hour)
    expect((await tokens.getToken('users.read', { minValidity: 11 * 3600 })).accessToken).toBe(
      first.accessToken,
    )
    const longer = await tokens.getToken('users.read', { minValidity: 13 * 3600 })
    expect(longer.accessToken).not.toBe(first.accessToken)
    expect(longer.expiresAt).toBeGreaterThan(Date.now() + 13 * hour)
    for (const minValidity of [25 * 3600, Infinity, NaN, -Infinity])
      for (let call = 0; call < 10; call++) await tokens.getToken('users.read', { minValidity })
    expect(app.requests).toBe(2)
    pass(2 * day)
    await tokens.getToken('users.read', { minValidity: -10 * 24 * 3600 })
    expect(app.requests).toBe(3)
  })

  test('serves who needs less from a flight that was begun for less, and who needs more from another', async () => {
    const [one, two] = [app.process(), app.process()]
    await one.getToken('users.read')
    pass(12 * hour)
    const [short, long] = await Promise.all([
      two.getToken('users.read'),
      two.getToken('users.read', { minValidity: 20 * 3600 }),
    ])
    expect(long.expiresAt).toBeGreaterThan(short.expiresAt)
    expect(app.requests).toBe(2)
  })

  test('happens once when the clock is set forward; set back, an expired token lasts until the API rejects it', async () => {
    const tokens = app.process()
    const first = await tokens.getToken('users.read')
    stepWallClock(2 * day)
    const second = await tokens.getToken('users.read')
    await tokens.getToken('users.read')
    expect(app.requests).toBe(2)
    stepWallClock(-3 * day)
    passMonotonic(2 * day)
    app.simulator.revokeAll() // PagerDuty has a clock of its own.
    expect((await tokens.getToken('users.read')).accessToken).toBe(second.accessToken)
    expect((await tokens.fetch('/users', { scope: 'users.read' })).status).toBe(200)
    const third = await tokens.getToken('users.read')
    expect(new Set([first, second, third].map(({ accessToken }) => accessToken)).size).toBe(3)
    expect(app.requests).toBe(3)
  })
})

describe('a token that is rejected', () => {
  const call = (tokens: AppTokens, init: RequestInit = {}) =>
    tokens.fetch('/users', { scope: 'users.read', ...init })

  test('is replaced without the caller noticing, once for all', async () => {
    const fleet = Array.from({ length: 4 }, () => app.process())
    await Promise.all(fleet.map((one) => call(one)))
    app.simulator.revokeAll()
    const answers = await Promise.all(fleet.flatMap((one) => Array.from({ length: 25 }, () => call(one))))
    expect(answers.filter(({ status }) => status !== 200)).toEqual([])
    expect(app.requests).toBe(2)
    app.simulator.revokeAll()
    expect((await call(fleet[0] as AppTokens)).status).toBe(200)
    expect(app.requests).toBe(3)
  })

  test('is replaced for a POST as well', async () => {
    const tokens = app.process({ scope: 'incidents.read incidents.write' })
    const { incidents } = (await (await tokens.fetch('/incidents')).json()) as { incidents: { id: string }[] }
    app.simulator.revokeAll()
    const path = `/incidents/${incidents[0]?.id}/notes`
    const body = JSON.stringify({ note: { content: 'once' } })
    expect((await tokens.fetch(path, { method: 'POST', body })).status).toBe(201)
    const { notes } = (await (await tokens.fetch(path)).json()) as { notes: { content: string }[] }
    expect(notes.filter(({ content }) => content === 'once')).toHaveLength(1)
  })

  test('is replaced although the other one that is stored was revoked with it', async () => {
    const [one, two] = [app.process(), app.process()]
    await call(one)
    await call(two)
    pass(12 * hour)
    await two.getToken('users.read', { minValidity: 20 * 3600 })
    pass(hour)
    app.simulator.revokeAll()
    expect((await call(one)).status).toBe(200)
    expect((await call(two)).status).toBe(200)
    expect(app.requests).toBe(3)
  })

  test('does not cause a token request for each call if the API rejects every token', async () => {
    const [one, two] = [app.process(), app.process()]
    app.simulator.failNext('api', { status: 401, body: 'Unauthorized' }, 10_000)
    const statuses = new Set<number>()
    for (let round = 0; round < 30; round++) statuses.add((await call(one)).status)
    expect(statuses).toEqual(new Set([401]))
    expect(app.requests).toBe(2)
    pass(10_001)
    for (let round = 0; round < 30; round++) statuses.add((await call(one)).status)
    expect(app.requests).toBe(3)

    // Another process has got a token that serves, meanwhile.
    app.simulator.clearFaults()
    app.simulator.revokeAll()
    expect((await call(one)).status).toBe(401)
    expect((await call(two)).status).toBe(200)
    expect((await call(one)).status).toBe(200)
    expect(app.requests).toBe(4)
  })

  test('is no reason to wait for the end of the request once the caller has gone', async () => {
    app.simulator.settings.tokenLatency = 300
    const tokens = app.process()
    const controller = new AbortController()
    const reason = new Error('The browser has gone')
    const gone = call(tokens, { signal: controller.signal })
    const stays = call(tokens)
    await until(() => app.requests === 1)
    controller.abort(reason)
    await expect(gone).rejects.toBe(reason)
    expect(app.issued.size).toBe(0)
    expect((await stays).status).toBe(200)
    await expect(call(app.process(), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(app.requests).toBe(1)
  })

  test('is forgotten by its value only', async () => {
    const [one, two] = [app.process(), app.process()]
    const old = await one.getToken('users.read')
    const other = await one.getToken('services.read')
    const before = app.store.commands.length
    await one.invalidate('another')
    await one.invalidate(`${old.accessToken} `)
    expect((await one.getToken('users.read')).accessToken).toBe(old.accessToken)
    expect(app.store.commands.slice(before)).toEqual(
      Array(2).fill(expect.stringMatching(/^get token:[\w-]{22}$/)),
    )
    await one.invalidate(old)
    const next = await one.getToken('users.read')
    expect(next.accessToken).not.toBe(old.accessToken)
    await one.invalidate(old.accessToken)
    expect((await one.getToken('users.read')).accessToken).toBe(next.accessToken)
    expect((await two.getToken('users.read')).accessToken).toBe(next.accessToken)
    expect((await two.getToken('services.read')).accessToken).toBe(other.accessToken)
    expect(app.requests).toBe(3)
  })

  test('is removed from the store by a process that never held it, whatever it was issued for', async () => {
    const holder = app.process()
    const other = await holder.getToken('services.read')
    const { accessToken } = await holder.getToken('users.read', { account: 'eu.globex' })
    const stranger = app.process()
    await stranger.invalidate(accessToken)
    const tokenOf = async (process: AppTokens) =>
      (await process.getToken('users.read', { account: 'eu.globex' })).accessToken
    const next = await tokenOf(app.process())
    expect(next).not.toBe(accessToken)
    expect(await tokenOf(stranger)).toBe(next)
    // A second notice about the old one leaves the new one alone.
    await app.process().invalidate(accessToken)
    expect(await tokenOf(app.process())).toBe(next)
    expect((await app.process().getToken('services.read')).accessToken).toBe(other.accessToken)
    // Memory of another process is out of reach.
    expect(await tokenOf(holder)).toBe(accessToken)
    await holder.invalidate(accessToken)
    expect(await tokenOf(holder)).toBe(next)
    expect(app.requests).toBe(3)
  })

  test.each(['get', 'delete'])(
    'is given out no more by a process that never held it, though the store fails at %s',
    async (operation) => {
      const { accessToken } = await app.process().getToken('users.read')
      const tokens = app.process()
      app.store.fault = (command) => (command.startsWith(operation) ? new Error('ECONNRESET') : undefined)
      await expect(tokens.invalidate(accessToken)).rejects.toThrow(TokenStoreError)
      app.store.fault = undefined
      const next = (await tokens.getToken('users.read')).accessToken
      expect(next).not.toBe(accessToken)
      expect((await app.process().getToken('users.read')).accessToken).toBe(next)
    },
  )

  test('is not returned by the first read of a process if it is invalidated during the read', async () => {
    const { accessToken } = await app.process().getToken('users.read')
    const tokens = app.process()
    const get = app.store.memory.get.bind(app.store.memory)
    let release = () => {}
    const slow = new Promise<void>((resolve) => (release = resolve))
    const reading = jest.spyOn(app.store.memory, 'get').mockImplementation(async (key) => {
      const value = await get(key)
      if (key.startsWith('app:')) await slow
      return value
    })
    const first = tokens.getToken('users.read')
    await until(() => reading.mock.calls.length > 0)
    const forgotten = tokens.invalidate(accessToken)
    release()
    await forgotten
    expect((await first).accessToken).not.toBe(accessToken)
  })

  test('is not stored where it could not be found again by its value', async () => {
    app.store.fault = (command) => (command.startsWith('create token:') ? new Error('ECONNRESET') : undefined)
    const { accessToken } = await app.process().getToken('users.read')
    app.store.fault = undefined
    expect([...app.store.written.keys()].filter((key) => key.startsWith('app:'))).toEqual([])
    expect((await app.process().getToken('users.read')).accessToken).not.toBe(accessToken)
  })

  test('does not come back from a store that could not forget it', async () => {
    const tokens = app.process()
    const { accessToken } = await tokens.getToken('users.read')
    app.store.fault = (command) => (command.startsWith('get app:') ? new Error('ECONNRESET') : undefined)
    await expect(tokens.invalidate(accessToken)).rejects.toThrow(TokenStoreError)
    app.store.fault = undefined
    expect((await tokens.getToken('users.read')).accessToken).not.toBe(accessToken)
  })

  test('does not come back with a flight that was on its way', async () => {
    const { accessToken } = await app.process().getToken('users.read')
    const tokens = app.process()
    await tokens.getToken('users.read')
    const held: TokenStore['get'] = app.store.memory.get.bind(app.store.memory)
    pass(0.99 * day)
    let release = () => {}
    const slow = new Promise<void>((resolve) => (release = resolve))
    jest.spyOn(app.store.memory, 'get').mockImplementation(async (key) => {
      const value = await held(key)
      await slow
      return value
    })
    await tokens.getToken('users.read') // Begins to renew.
    const forgotten = tokens.invalidate(accessToken)
    const next = tokens.getToken('users.read')
    release()
    await forgotten
    expect((await next).accessToken).not.toBe(accessToken)
    expect((await tokens.getToken('users.read')).accessToken).toBe((await next).accessToken)
  })
})

test('its methods can be passed on as functions, to another client for example', async () => {
  const tokens = app.process()
  const getToken = Reflect.get(tokens, 'getToken') as (scope: string) => Promise<AppToken>
  const fetch = Reflect.get(tokens, 'fetch') as (url: string, init: object) => Promise<Response>
  const paginate = Reflect.get(tokens, 'paginate') as (url: string, init: object) => AsyncGenerator
  expect((await getToken('users.read')).scope).toContain('users.read')
  expect([fetch, paginate].map((method) => typeof method)).toEqual(['function', 'function'])
  const scope = 'users.read'
  await expect(fetch('https://elsewhere.example/', { scope })).rejects.toMatchObject({
    code: 'ERR_PAGERDUTY_FOREIGN_URL',
  })
  await expect(paginate('https://elsewhere.example/', { scope }).next()).rejects.toMatchObject({
    code: 'ERR_PAGERDUTY_FOREIGN_URL',
  })
})
