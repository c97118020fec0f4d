import type { Simulator } from '../../src/testing'
import { logIn, refresh, simulators, statusOf, tokensOf } from './support'

const { start, pass } = simulators()

async function revoke(simulator: Simulator, token: string, secret = 'simulator-secret'): Promise<Response> {
  const body = new URLSearchParams({ token, client_id: 'simulator-client', client_secret: secret })
  return fetch(`${simulator.url}/oauth/revoke`, { method: 'POST', body })
}

describe('revocation', () => {
  it('of a refresh token ends its whole family', async () => {
    const simulator = await start()
    const first = await logIn(simulator)
    const second = tokensOf((await refresh(simulator, first.refreshToken)).body)
    expect((await revoke(simulator, second.refreshToken)).status).toBe(200)
    expect((await refresh(simulator, second.refreshToken)).body['error']).toBe('invalid_grant')
    expect(await statusOf(simulator, first.accessToken)).toBe(401)
    expect(await statusOf(simulator, second.accessToken)).toBe(401)
  })

  it('of an access token ends only that one', async () => {
    const simulator = await start()
    const { accessToken, refreshToken } = await logIn(simulator)
    await revoke(simulator, accessToken)
    expect(await statusOf(simulator, accessToken)).toBe(401)
    expect((await refresh(simulator, refreshToken)).status).toBe(200)
  })

  it('of an unknown token succeeds, and by an unknown client fails', async () => {
    const simulator = await start()
    const { status, headers } = await revoke(simulator, 'unknown')
    expect([status, headers.get('content-type'), headers.get('content-length')]).toEqual([200, null, '0'])
    expect((await revoke(simulator, 'unknown', 'wrong')).status).toBe(401)
    expect((await revoke(simulator, '')).status).toBe(400)
  })

  it('of everything at once spares nothing', async () => {
    const simulator = await start()
    const { accessToken, refreshToken } = await logIn(simulator)
    simulator.revokeAll()
    expect(await statusOf(simulator, accessToken)).toBe(401)
    expect((await refresh(simulator, refreshToken)).body['error']).toBe('invalid_grant')
  })
})

describe('expiry', () => {
  it('ends access tokens by time', async () => {
    const simulator = await start()
    const { accessToken } = await logIn(simulator)
    pass(86_390)
    expect(await statusOf(simulator, accessToken)).toBe(200)
    pass(20)
    expect(await statusOf(simulator, accessToken)).toBe(401)
  })

  it('ends access tokens on demand and leaves refresh tokens', async () => {
    const simulator = await start()
    const { accessToken, refreshToken } = await logIn(simulator)
    simulator.expireTokens()
    expect(await statusOf(simulator, accessToken)).toBe(401)
    expect((await refresh(simulator, refreshToken)).status).toBe(200)
  })
})
