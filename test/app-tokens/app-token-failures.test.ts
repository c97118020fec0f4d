import { AppTokens, ScopeNotGrantedError, TokenEndpointError, TokenStoreError, pagerduty } from '../../src'
import { CircuitBreaker } from '../../src/oauth/circuit-breaker'
import { AppTokenApp, answering, pass, passMonotonic, until } from '../support/app-token-app'

const day = 24 * 60 * 60_000
const clientID = 'simulator-client'

let app: AppTokenApp
beforeEach(async () => {
  app = await AppTokenApp.start()
})
afterEach(async () => {
  jest.restoreAllMocks()
  app.store.fault = undefined
  await app.close()
})

/** What a call fails with. */
async function failure(call: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  return call.then(
    () => {
      throw new Error('It did not fail')
    },
    (error: Error & Record<string, unknown>) => error,
  )
}

const kindsOf = (command: string) => command.replace(/ (\w+):.*/, ' $1:')
const stored = (kind: string) => app.store.commands.map(kindsOf).includes(`create ${kind}:`)

describe('a failed request', () => {
  test('is one failure for all who wait, here and elsewhere, and is not tried again at once', async () => {
    app.simulator.settings.tokenLatency = 100
    app.simulator.settings.tokenFault = () => '503'
    const fleet = [app.process(), app.process(), app.process()]
    const calls = fleet.flatMap((one) =>
      Array.from({ length: 50 }, () => failure(one.getToken('users.read'))),
    )
    const errors = await Promise.all(calls)
    for (const error of errors)
      expect(error).toMatchObject({ status: 503, isTransient: true, httpStatus: 503 })
    expect(app.requests).toBe(1)
    expect(stored('app')).toBe(false)
  })

  test.each([
    [1, '500'],
    [1, 'html'],
    [1, 'reset'],
    [40, { status: 503, retryAfter: 40 }],
    [7, { status: 429, headers: { 'ratelimit-reset': '7' } }],
  ] as const)('pauses for %d s at first after %j, in all processes', async (seconds, fault) => {
    const [one, two] = [app.process(), app.process()]
    app.simulator.failNext('token', fault)
    const [first] = [await failure(one.getToken('users.read')), await failure(two.getToken('users.read'))]
    expect(first).toBeInstanceOf(TokenEndpointError)
    passMonotonic(seconds * 800 - 50) // Without a wish of PagerDuty's they are up to a fifth shorter.
    expect(await failure(one.getToken('users.read'))).toMatchObject({ status: 503 })
    await failure(two.getToken('users.read'))
    expect(app.requests).toBe(1)
    passMonotonic(seconds * 200 + 1_100)
    expect((await two.getToken('users.read')).scope).toContain('users.read')
    expect(app.requests).toBe(2)
  })

  test('says how long to wait', async () => {
    const tokens = app.process()
    app.simulator.failNext('token', { status: 503, retryAfter: 40 })
    expect(await failure(tokens.getToken('users.read'))).toMatchObject({ retryAfter: 40 })
    passMonotonic(30_000)
    expect(Number((await failure(tokens.getToken('users.read')))['retryAfter'])).toBeLessThanOrEqual(10)
  })

  test.each(['invalid_client', '429'] as const)('%s pauses everything of the client', async (fault) => {
    const [one, two] = [app.process(), app.process()]
    app.simulator.failNext('token', fault)
    await failure(one.getToken('users.read'))
    await failure(one.getToken('services.read', { account: 'eu.globex' }))
    await failure(two.getToken('incidents.read'))
    expect(app.requests).toBe(1)
    expect(await new CircuitBreaker(app.store, clientID).check('a grant')).toBeInstanceOf(TokenEndpointError)
    expect(await new CircuitBreaker(app.store, 'another client').check('a grant')).toBeUndefined()
  })

  test('of wrong credentials is reported as such', async () => {
    const tokens = app.process({ clientSecret: 'wrong' })
    const error = await failure(tokens.getToken('users.read'))
    expect(error).toMatchObject({
      error: 'invalid_client',
      httpStatus: 401,
      hint: expect.stringContaining('clientSecret') as string,
    })
  })

  test('of an app without app tokens pauses them, and no user’s refresh', async () => {
    const tokens = app.process()
    app.simulator.failNext('token', { status: 400, body: { error: 'unauthorized_client' } })
    await failure(tokens.getToken('users.read'))
    expect(await failure(tokens.getToken('services.read'))).toMatchObject({ error: 'unauthorized_client' })
    expect(app.requests).toBe(1)
    expect(await new CircuitBreaker(app.store, clientID).check('a grant')).toBeUndefined()
    expect(await new CircuitBreaker(app.store, clientID, 'app tokens').check('any')).toBeDefined()
  })

  test('of several sets in a row pauses app tokens, and no user’s refresh', async () => {
    const tokens = app.process()
    app.simulator.failNext('token', '500', 10)
    await failure(tokens.getToken('users.read'))
    await failure(tokens.getToken('services.read'))
    expect(app.requests).toBe(2)
    await failure(tokens.getToken('incidents.read'))
    expect(app.requests).toBe(2)
    expect(await new CircuitBreaker(app.store, clientID).check('a grant')).toBeUndefined()
  })

  test('“Invalid scope”, as PagerDuty says it, is known for what it is, and concerns this request only', async () => {
    const tokens = app.process()
    for (const account of ['us.nobody', 'eu.nobody', 'us.nowhere']) {
      const error = await failure(tokens.getToken('users.read', { account }))
      expect(error).toMatchObject({ code: 'invalid_scope', error: 'invalid_request', isTransient: false })
      expect(error['hint']).toContain('account')
    }
    expect(app.requests).toBe(3)
    expect(await failure(tokens.getToken('users.read', { account: 'us.nobody' }))).toMatchObject({
      code: 'invalid_scope',
    })
    expect(app.requests).toBe(3)
    expect((await tokens.getToken('users.read')).scope).toContain('as_account-us.acme')
    expect(app.requests).toBe(4)
  })
})

test('“Invalid scope” is no link in a row of failures: what fails before or after it pauses only itself', async () => {
  const tokens = app.process()
  await failure(tokens.getToken('users.read', { account: 'us.nobody' }))
  app.simulator.failNext('token', '500')
  await failure(tokens.getToken('services.read'))
  expect((await tokens.getToken('users.read')).scope).toContain('users.read')
  app.simulator.failNext('token', '500')
  await failure(tokens.getToken('oncalls.read'))
  await failure(tokens.getToken('users.read', { account: 'us.nowhere' }))
  expect((await tokens.getToken('incidents.read')).scope).toContain('incidents.read')
})

describe('a grant of fewer scopes than requested', () => {
  const scope = ['users.read', 'teams.read', 'abilities.read']

  test('is an error that names the difference, is not cached, and is not requested again for half a minute', async () => {
    const [one, two] = [app.process(), app.process()]
    const calls = [one, one, two].map((process) => failure(process.getToken(scope)))
    for (const error of await Promise.all(calls)) {
      expect(error).toBeInstanceOf(ScopeNotGrantedError)
      expect(error).toMatchObject({
        missing: ['abilities.read', 'teams.read'],
        granted: ['as_account-us.acme', 'users.read'],
        requested: ['as_account-us.acme', 'abilities.read', 'teams.read', 'users.read'],
        status: 503,
      })
      expect(error.message).toContain('abilities.read teams.read')
    }
    expect(app.requests).toBe(1)
    expect(stored('app')).toBe(false)

    app.simulator.configure(clientID, { scope })
    passMonotonic(29_000)
    const later = await failure(one.getToken(scope))
    expect((later['headers'] as Record<string, string>)['Retry-After']).toBe('1')
    await failure(two.getToken(scope))
    expect(app.requests).toBe(1)
    passMonotonic(2_100)
    expect((await two.getToken(scope)).scope).toEqual(expect.arrayContaining(scope))
    expect((await one.getToken(scope)).scope).toEqual(expect.arrayContaining(scope))
    expect(app.requests).toBe(2)
  })

  test('does not affect any other set', async () => {
    const tokens = app.process()
    await failure(tokens.getToken(scope))
    expect((await tokens.getToken('users.read')).scope).toContain('users.read')
  })

  test('does not invalidate a token that is already held', async () => {
    const tokens = app.process()
    const { accessToken } = await tokens.getToken('users.read')
    app.simulator.configure(clientID, { scope: ['incidents.read'] })
    pass(0.99 * day)
    for (let call = 0; call < 10; call++)
      expect((await tokens.getToken('users.read')).accessToken).toBe(accessToken)
    await app.settled()
    for (let call = 0; call < 10; call++)
      expect((await tokens.getToken('users.read')).accessToken).toBe(accessToken)
    await app.settled()
    expect(app.requests).toBe(2)
  })

  test.each([
    ['no account', 'users.read', ['as_account-us.acme']],
    ['another account', 'as_account-us.other users.read', ['as_account-us.acme']],
    ['other case', 'as_account-us.acme Users.read', ['users.read']],
    ['another separator', 'as_account-us.acme,users.read', ['as_account-us.acme', 'users.read']],
    ['nothing', '', ['as_account-us.acme', 'users.read']],
  ])('is detected when the response names %s', async (_what, scope, missing) => {
    const tokens = app.process({ fetch: answering({ scope }) })
    expect(await failure(tokens.getToken('users.read'))).toMatchObject({ missing })
  })

  test.each([
    ['names none', { scope: undefined }],
    ['names it null', { scope: null, id_token: null }],
    ['names more, in another order', { scope: 'users.read as_account-us.acme  services.read' }],
  ])('is not assumed when the response %s', async (_what, change) => {
    const { scope } = await app.process({ fetch: answering(change) }).getToken('users.read')
    expect(scope).toEqual(expect.arrayContaining(['as_account-us.acme', 'users.read']))
  })
})

describe('a store that fails', () => {
  test.each([
    ['at once', () => new TokenStoreError('Redis is gone')],
    ['with an error of its own', () => new TypeError('socket is not defined')],
  ])('%s: each process requests one token of its own for each set', async (_what, fault) => {
    app.store.fault = fault
    const [one, two] = [app.process(), app.process()]
    const calls = [one, two].flatMap((tokens) =>
      Array.from({ length: 100 }, () => [tokens.getToken('users.read'), tokens.getToken('services.read')]),
    )
    await Promise.all(calls.flat())
    expect(app.requests).toBe(4)
    expect((await one.fetch('/users', { scope: 'users.read' })).status).toBe(200)
    app.simulator.revokeAll()
    expect((await one.fetch('/users', { scope: 'users.read' })).status).toBe(200)
    expect(app.requests).toBe(5)
  })

  test('after the request: this process uses the token, and no caller sees the failure', async () => {
    app.store.fault = (command) =>
      /^(create|replace) app:/.test(command) ? new TokenStoreError('READONLY') : undefined
    const tokens = app.process()
    await tokens.getToken('users.read')
    await tokens.getToken('users.read')
    expect(app.requests).toBe(1)
    expect(app.store.commands.map(kindsOf)).toContain('delete lock:')
  })

  test('while PagerDuty fails as well: PagerDuty is left alone all the same', async () => {
    app.store.fault = () => new TokenStoreError('Redis is gone')
    app.simulator.settings.tokenFault = () => '503'
    const tokens = app.process()
    for (let call = 0; call < 20; call++)
      expect(await failure(tokens.getToken('users.read'))).toMatchObject({ httpStatus: 503 })
    expect(app.requests).toBe(1)
  })

  test.each(['', '{}', 'not sealed', '1.aaaaaa.AAAA'])('holds %j: that counts as none', async (value) => {
    await app.process().getToken('users.read')
    const [key = '', sealed = ''] = [...app.store.written].find(([name]) => name.startsWith('app:')) ?? []
    await app.store.memory.replace(key, sealed, value)
    await app.process().getToken('users.read')
    await app.process().getToken('users.read')
    expect(app.requests).toBe(2)
  })
})

describe('the lock', () => {
  const lock = () =>
    app.store.commands.find((command) => command.startsWith('create lock:'))?.slice('create '.length) ?? ''

  test('of a process that died is waited for, and then the next one requests a token', async () => {
    const tokens = app.process()
    await tokens.getToken('users.read')
    await tokens.invalidate(await tokens.getToken('users.read'))
    await app.store.memory.create(lock(), 'the dead', 400)
    const startedAt = performance.now()
    await tokens.getToken('users.read')
    expect(performance.now() - startedAt).toBeGreaterThan(390)
    expect(app.requests).toBe(2)
  })

  test('of a process that hangs keeps no caller waiting for ever', async () => {
    const tokens = app.process()
    await tokens.getToken('users.read')
    await tokens.invalidate(await tokens.getToken('users.read'))
    await app.store.memory.create(lock(), 'the sleeper', 6_000)
    app.simulator.failNext('token', 'stall') // And then PagerDuty hangs as well.
    const startedAt = performance.now()
    const error = await failure(tokens.getToken('users.read'))
    expect(error).toMatchObject({ code: 'ERR_PAGERDUTY_TOKEN_TIMEOUT', status: 503, isTransient: true })
    expect(performance.now() - startedAt).toBeLessThan(14_000)
    await app.simulator.close()
  })

  test('is not left behind by close(), which finishes and stores what runs, and begins nothing', async () => {
    app.simulator.settings.tokenLatency = 200
    const tokens = app.process()
    const got = tokens.getToken('users.read')
    await until(() => app.requests === 1)
    await tokens.close()
    expect(app.issued.size).toBe(1)
    const { accessToken } = await got
    expect(await app.store.get(lock())).toBeUndefined()
    expect((await app.process().getToken('users.read')).accessToken).toBe(accessToken)
    expect((await tokens.getToken('users.read')).accessToken).toBe(accessToken)
    expect(await failure(tokens.getToken('services.read'))).toBeInstanceOf(TokenStoreError)
    pass(0.99 * day)
    await tokens.getToken('users.read')
    expect(app.requests).toBe(1)
  })

  test('is not waited for any more after close()', async () => {
    const tokens = app.process()
    await tokens.getToken('users.read')
    await tokens.invalidate(await tokens.getToken('users.read'))
    await app.store.memory.create(lock(), 'another process', 5_000)
    const waiting = failure(tokens.getToken('users.read'))
    const closed = tokens.close()
    expect(await waiting).toBeInstanceOf(TokenStoreError)
    await closed
    expect(app.requests).toBe(1)
  })
})

test('events report app tokens and failures, and show no token', async () => {
  const callback = { callbackURL: 'http://localhost/callback', scope: 'users.read' }
  const pd = pagerduty({ ...app.simulator.options(), ...callback, account: 'us.acme' })
  const told: unknown[] = []
  pd.on('appToken', (event) => told.push(['appToken', event]))
  pd.on('appTokenFailed', ({ error, ...event }) => told.push(['appTokenFailed', event, error.name]))
  const tokens = pd.appTokens
  const { expiresAt } = await tokens.getToken('users.read')
  await failure(tokens.getToken('teams.read', { account: 'eu.globex' }))
  expect(told).toEqual([
    ['appToken', { account: 'us.acme', scope: ['users.read'], expiresAt }],
    [
      'appTokenFailed',
      { account: 'eu.globex', scope: ['teams.read'], reason: 'ERR_PAGERDUTY_SCOPE_NOT_GRANTED' },
      'ScopeNotGrantedError',
    ],
  ])
  await pd.close()
})

test('without a store of its own an instance keeps tokens to itself', async () => {
  const options = { ...app.simulator.options(), account: 'us.acme', scope: 'users.read' }
  const [one, two] = [new AppTokens(options), new AppTokens(options)]
  expect((await one.getToken()).accessToken).not.toBe((await two.getToken()).accessToken)
  await Promise.all([one.close(), two.close()])
})
