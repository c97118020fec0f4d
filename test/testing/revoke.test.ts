import type { StandIn } from '../../src/testing'
import { logIn, refresh, standIns, statusOf, tokensOf } from './support'

const { start, pass } = standIns()

async function revoke(standIn: StandIn, token: string, secret = 'stand-in-secret'): Promise<Response> {
  const body = new URLSearchParams({ token, client_id: 'stand-in-client', client_secret: secret })
  return fetch(`${standIn.url}/oauth/revoke`, { method: 'POST', body })
}

describe('revocation', () => {
  it('of a refresh token ends its whole family', async () => {
    const standIn = await start()
    const first = await logIn(standIn)
    const second = tokensOf((await refresh(standIn, first.refreshToken)).body)
    expect((await revoke(standIn, second.refreshToken)).status).toBe(200)
    expect((await refresh(standIn, second.refreshToken)).body['error']).toBe('invalid_grant')
    expect(await statusOf(standIn, first.accessToken)).toBe(401)
    expect(await statusOf(standIn, second.accessToken)).toBe(401)
  })

  it('of an access token ends only that one', async () => {
    const standIn = await start()
    const { accessToken, refreshToken } = await logIn(standIn)
    await revoke(standIn, accessToken)
    expect(await statusOf(standIn, accessToken)).toBe(401)
    expect((await refresh(standIn, refreshToken)).status).toBe(200)
  })

  it('of an unknown token succeeds, and by an unknown client fails', async () => {
    const standIn = await start()
    const { status, headers } = await revoke(standIn, 'unknown')
    expect([status, headers.get('content-type'), headers.get('content-length')]).toEqual([200, null, '0'])
    expect((await revoke(standIn, 'unknown', 'wrong')).status).toBe(401)
    expect((await revoke(standIn, '')).status).toBe(400)
  })

  it('of everything at once spares nothing', async () => {
    const standIn = await start()
    const { accessToken, refreshToken } = await logIn(standIn)
    standIn.revokeAll()
    expect(await statusOf(standIn, accessToken)).toBe(401)
    expect((await refresh(standIn, refreshToken)).body['error']).toBe('invalid_grant')
  })
})

describe('expiry', () => {
  it('ends access tokens by time', async () => {
    const standIn = await start()
    const { accessToken } = await logIn(standIn)
    pass(86_390)
    expect(await statusOf(standIn, accessToken)).toBe(200)
    pass(20)
    expect(await statusOf(standIn, accessToken)).toBe(401)
  })

  it('ends access tokens on demand and leaves refresh tokens', async () => {
    const standIn = await start()
    const { accessToken, refreshToken } = await logIn(standIn)
    standIn.expireTokens()
    expect(await statusOf(standIn, accessToken)).toBe(401)
    expect((await refresh(standIn, refreshToken)).status).toBe(200)
  })
})
