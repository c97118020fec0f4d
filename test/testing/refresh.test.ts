import { classicClient, logIn, refresh, requestToken, standIns, statusOf, tokensOf } from './support'

const { start, pass } = standIns()

describe('a refresh', () => {
  it('answers with a new pair, without an id_token, and keeps the old access token alive', async () => {
    const standIn = await start()
    const first = await logIn(standIn)
    const { status, body } = await refresh(standIn, first.refreshToken)
    const second = tokensOf(body)
    expect(status).toBe(200)
    expect(body).not.toHaveProperty('id_token')
    expect(second.scope).toBe(first.scope)
    expect(second.refreshToken).not.toBe(first.refreshToken)
    expect(await statusOf(standIn, second.accessToken)).toBe(200)
    expect(await statusOf(standIn, first.accessToken)).toBe(200)
  })

  it('ends the old access token with revokeOldAccessToken', async () => {
    const standIn = await start({ revokeOldAccessToken: true })
    const { accessToken, refreshToken } = await logIn(standIn)
    await refresh(standIn, refreshToken)
    expect(await statusOf(standIn, accessToken)).toBe(401)
  })

  it('of a used token ends the whole family', async () => {
    const standIn = await start()
    const first = await logIn(standIn)
    const second = tokensOf((await refresh(standIn, first.refreshToken)).body)

    const reused = await refresh(standIn, first.refreshToken)
    expect(reused.status).toBe(400)
    expect(reused.body['error']).toBe('invalid_grant')
    expect((await refresh(standIn, second.refreshToken)).body['error']).toBe('invalid_grant')
    expect(await statusOf(standIn, second.accessToken)).toBe(401)
    expect(standIn.reuses).toBe(1)
  })

  it('of a used token harms no other login of the same user', async () => {
    const standIn = await start()
    const [one, other] = [await logIn(standIn), await logIn(standIn)]
    await refresh(standIn, one.refreshToken)
    await refresh(standIn, one.refreshToken)
    expect((await refresh(standIn, other.refreshToken)).status).toBe(200)
  })

  it("of a used token only fails with reuse: 'reject'", async () => {
    const standIn = await start({ reuse: 'reject' })
    const first = await logIn(standIn)
    const second = tokensOf((await refresh(standIn, first.refreshToken)).body)
    expect((await refresh(standIn, first.refreshToken)).body['error']).toBe('invalid_grant')
    expect((await refresh(standIn, second.refreshToken)).status).toBe(200)
  })

  it('of a used token gives the same pair again within the grace', async () => {
    const standIn = await start({ grace: 10 })
    const { refreshToken } = await logIn(standIn)
    const once = tokensOf((await refresh(standIn, refreshToken)).body)
    pass(5)
    expect(tokensOf((await refresh(standIn, refreshToken)).body)).toEqual(once)
    pass(10)
    expect((await refresh(standIn, refreshToken)).body['error']).toBe('invalid_grant')
    expect(standIn.reuses).toBe(2)
  })

  it('lets one of many concurrent callers through', async () => {
    const standIn = await start({ reuse: 'reject', tokenLatency: 30 })
    const { refreshToken } = await logIn(standIn)
    const answers = await Promise.all(Array.from({ length: 5 }, () => refresh(standIn, refreshToken)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(standIn.reuses).toBe(4)
  })

  it('fails for another client, without harm', async () => {
    const standIn = await start({ clients: [classicClient, { ...classicClient, clientID: 'other' }] })
    const { refreshToken } = await logIn(standIn, { scope: 'write' })
    expect((await refresh(standIn, refreshToken, 'other')).body['error']).toBe('invalid_grant')
    expect((await refresh(standIn, refreshToken)).status).toBe(200)
  })

  it('fails without a token and with an unknown one', async () => {
    const standIn = await start()
    expect((await requestToken(standIn, { grant_type: 'refresh_token' })).body['error']).toBe(
      'invalid_request',
    )
    expect((await refresh(standIn, 'unknown')).body['error']).toBe('invalid_grant')
  })

  it('fails after the lifetime of the refresh token', async () => {
    const standIn = await start({ refreshTokenLifetime: 100 })
    const { refreshToken } = await logIn(standIn)
    pass(101)
    expect((await refresh(standIn, refreshToken)).body['error']).toBe('invalid_grant')
  })

  it('fails after the rolling window, however fresh the token is', async () => {
    const standIn = await start({ rollingWindow: 150, refreshTokenLifetime: 100 })
    const { refreshToken } = await logIn(standIn)
    pass(90)
    const renewed = tokensOf((await refresh(standIn, refreshToken)).body)
    pass(70)
    expect((await refresh(standIn, renewed.refreshToken)).body['error']).toBe('invalid_grant')
  })

  it('does not follow a later change of the app, unlike the next login', async () => {
    const standIn = await start()
    const { refreshToken } = await logIn(standIn)
    standIn.configure('stand-in-client', { scope: [] })
    expect((await refresh(standIn, refreshToken)).body['scope']).toBe('openid incidents.read users.read')
  })
})

describe('the newest tokens of a user', () => {
  it('are those that would still be accepted', async () => {
    const standIn = await start()
    const first = await logIn(standIn)
    const second = tokensOf((await refresh(standIn, first.refreshToken)).body)
    expect(standIn.newestRefreshToken('PACME01')).toBe(second.refreshToken)
    expect(standIn.newestAccessToken('PACME01')).toBe(second.accessToken)
    expect(standIn.newestRefreshToken('PACME02')).toBeUndefined()
    standIn.revokeAll()
    expect(standIn.newestRefreshToken('PACME01')).toBeUndefined()
    expect(standIn.newestAccessToken('PACME01')).toBeUndefined()
  })
})
