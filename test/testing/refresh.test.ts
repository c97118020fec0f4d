import { classicClient, logIn, refresh, requestToken, simulators, statusOf, tokensOf } from './support'

const { start, pass } = simulators()

describe('a refresh', () => {
  it('responds with a new pair, without an id_token, and keeps the old access token valid', async () => {
    const simulator = await start()
    const first = await logIn(simulator)
    const { status, body } = await refresh(simulator, first.refreshToken)
    const second = tokensOf(body)
    expect(status).toBe(200)
    expect(body).not.toHaveProperty('id_token')
    expect(second.scope).toBe(first.scope)
    expect(second.refreshToken).not.toBe(first.refreshToken)
    expect(await statusOf(simulator, second.accessToken)).toBe(200)
    expect(await statusOf(simulator, first.accessToken)).toBe(200)
  })

  it('ends the old access token with revokeOldAccessToken', async () => {
    const simulator = await start({ revokeOldAccessToken: true })
    const { accessToken, refreshToken } = await logIn(simulator)
    await refresh(simulator, refreshToken)
    expect(await statusOf(simulator, accessToken)).toBe(401)
  })

  it('of a used token ends the whole family', async () => {
    const simulator = await start()
    const first = await logIn(simulator)
    const second = tokensOf((await refresh(simulator, first.refreshToken)).body)

    const reused = await refresh(simulator, first.refreshToken)
    expect(reused.status).toBe(400)
    expect(reused.body['error']).toBe('invalid_grant')
    expect((await refresh(simulator, second.refreshToken)).body['error']).toBe('invalid_grant')
    expect(await statusOf(simulator, second.accessToken)).toBe(401)
    expect(simulator.reuses).toBe(1)
  })

  it('of a used token harms no other login of the same user', async () => {
    const simulator = await start()
    const [one, other] = [await logIn(simulator), await logIn(simulator)]
    await refresh(simulator, one.refreshToken)
    await refresh(simulator, one.refreshToken)
    expect((await refresh(simulator, other.refreshToken)).status).toBe(200)
  })

  it("of a used token only fails with reuse: 'reject'", async () => {
    const simulator = await start({ reuse: 'reject' })
    const first = await logIn(simulator)
    const second = tokensOf((await refresh(simulator, first.refreshToken)).body)
    expect((await refresh(simulator, first.refreshToken)).body['error']).toBe('invalid_grant')
    expect((await refresh(simulator, second.refreshToken)).status).toBe(200)
  })

  it('of a used token gives the same pair again within the grace', async () => {
    const simulator = await start({ grace: 10 })
    const { refreshToken } = await logIn(simulator)
    const once = tokensOf((await refresh(simulator, refreshToken)).body)
    pass(5)
    expect(tokensOf((await refresh(simulator, refreshToken)).body)).toEqual(once)
    pass(10)
    expect((await refresh(simulator, refreshToken)).body['error']).toBe('invalid_grant')
    expect(simulator.reuses).toBe(2)
  })

  it('lets one of many concurrent callers through', async () => {
    const simulator = await start({ reuse: 'reject', tokenLatency: 30 })
    const { refreshToken } = await logIn(simulator)
    const answers = await Promise.all(Array.from({ length: 5 }, () => refresh(simulator, refreshToken)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(simulator.reuses).toBe(4)
  })

  it('fails for another client, without harm', async () => {
    const simulator = await start({ clients: [classicClient, { ...classicClient, clientID: 'other' }] })
    const { refreshToken } = await logIn(simulator, { scope: 'write' })
    expect((await refresh(simulator, refreshToken, 'other')).body['error']).toBe('invalid_grant')
    expect((await refresh(simulator, refreshToken)).status).toBe(200)
  })

  it('fails without a token and with an unknown one', async () => {
    const simulator = await start()
    expect((await requestToken(simulator, { grant_type: 'refresh_token' })).body['error']).toBe(
      'invalid_request',
    )
    expect((await refresh(simulator, 'unknown')).body['error']).toBe('invalid_grant')
  })

  it('fails after the lifetime of the refresh token', async () => {
    const simulator = await start({ refreshTokenLifetime: 100 })
    const { refreshToken } = await logIn(simulator)
    pass(101)
    expect((await refresh(simulator, refreshToken)).body['error']).toBe('invalid_grant')
  })

  it('fails after the rolling window, however fresh the token is', async () => {
    const simulator = await start({ rollingWindow: 150, refreshTokenLifetime: 100 })
    const { refreshToken } = await logIn(simulator)
    pass(90)
    const renewed = tokensOf((await refresh(simulator, refreshToken)).body)
    pass(70)
    expect((await refresh(simulator, renewed.refreshToken)).body['error']).toBe('invalid_grant')
  })

  it('does not follow a later change of the app, unlike the next login', async () => {
    const simulator = await start()
    const { refreshToken } = await logIn(simulator)
    simulator.configure('simulator-client', { scope: [] })
    expect((await refresh(simulator, refreshToken)).body['scope']).toBe('openid incidents.read users.read')
  })
})

describe('the newest tokens of a user', () => {
  it('are those that would still be accepted', async () => {
    const simulator = await start()
    const first = await logIn(simulator)
    const second = tokensOf((await refresh(simulator, first.refreshToken)).body)
    expect(simulator.newestRefreshToken('PACME01')).toBe(second.refreshToken)
    expect(simulator.newestAccessToken('PACME01')).toBe(second.accessToken)
    expect(simulator.newestRefreshToken('PACME02')).toBeUndefined()
    simulator.revokeAll()
    expect(simulator.newestRefreshToken('PACME01')).toBeUndefined()
    expect(simulator.newestAccessToken('PACME01')).toBeUndefined()
  })
})
