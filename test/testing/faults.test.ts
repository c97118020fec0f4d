import type { Fault, Simulator } from '../../src/testing'
import { api, logIn, refresh, requestToken, simulators } from './support'

const { start } = simulators()

async function rawRefresh(simulator: Simulator, token: string, signal?: AbortSignal): Promise<Response> {
  const { clientID, clientSecret = '' } = simulator.options()
  const form = {
    grant_type: 'refresh_token',
    refresh_token: token,
    client_id: clientID,
    client_secret: clientSecret,
  }
  return fetch(`${simulator.url}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams(form),
    redirect: 'manual',
    signal: signal ?? null,
  })
}

/** Whether the refresh token was used up although the call failed. */
async function tookEffect(simulator: Simulator, token: string): Promise<boolean> {
  simulator.settings.reuse = 'reject'
  return (await refresh(simulator, token)).status === 400
}

describe('a fault at the token endpoint', () => {
  it.each<[Fault, number]>([
    ['500', 500],
    ['503', 503],
    ['429', 429],
    ['html', 502],
    ['redirect', 302],
    ['invalid_client', 401],
    ['invalid_grant', 400],
    ['invalid_request', 400],
    [{ status: 418, body: 'teapot' }, 418],
  ])('%j gets a response and changes nothing', async (fault, status) => {
    const simulator = await start()
    const { refreshToken } = await logIn(simulator)
    simulator.failNext('token', fault)
    const answer = await rawRefresh(simulator, refreshToken)
    expect(answer.status).toBe(status)
    expect(await tookEffect(simulator, refreshToken)).toBe(false)
  })

  it.each([
    ['apii', '503', 'failNext() does not know "apii": use authorize, token,'],
    ['api', '5O3', 'failNext() does not know "5O3": use 429, 500,'],
  ])('rejects what it does not know: failNext(%j, %j)', async (target, fault, message) => {
    const simulator = await start()
    expect(() => simulator.failNext(target as never, fault as never)).toThrow(message)
  })

  it('says when to come back after a 429', async () => {
    const simulator = await start()
    simulator.failNext('token', '429')
    simulator.failNext('token', { status: 429, retryAfter: 7 })
    expect((await rawRefresh(simulator, 'any')).headers.get('retry-after')).toBe('1')
    expect((await rawRefresh(simulator, 'any')).headers.get('retry-after')).toBe('7')
  })

  it('resets the connection before anything happened', async () => {
    const simulator = await start()
    const { refreshToken } = await logIn(simulator)
    simulator.failNext('token', 'reset')
    await expect(rawRefresh(simulator, refreshToken)).rejects.toThrow('fetch failed')
    expect(await tookEffect(simulator, refreshToken)).toBe(false)
  })

  it('loses the response after the token was used up', async () => {
    const simulator = await start()
    const { refreshToken } = await logIn(simulator)
    simulator.failNext('token', 'reset-after')
    await expect(rawRefresh(simulator, refreshToken)).rejects.toThrow('fetch failed')
    expect(await tookEffect(simulator, refreshToken)).toBe(true)
  })

  it('breaks off in the middle of the response', async () => {
    const simulator = await start()
    const { refreshToken } = await logIn(simulator)
    simulator.failNext('token', 'half')
    const answer = await rawRefresh(simulator, refreshToken)
    expect(answer.status).toBe(200)
    await expect(answer.text()).rejects.toThrow('terminated')
    expect(await tookEffect(simulator, refreshToken)).toBe(true)
  })

  it.each<[Fault, boolean]>([
    ['stall', false],
    ['stall-after', true],
    [{ status: 504, after: true }, true],
  ])('%j keeps the promise about what was changed', async (fault, changed) => {
    const simulator = await start()
    const { refreshToken } = await logIn(simulator)
    simulator.failNext('token', fault)
    await rawRefresh(simulator, refreshToken, AbortSignal.timeout(100)).catch(() => undefined)
    expect(await tookEffect(simulator, refreshToken)).toBe(changed)
  })

  it('strikes as often as told, in order, and can be called off', async () => {
    const simulator = await start()
    simulator.failNext('token', '503', 2)
    simulator.failNext('token', '500', 5)
    const statuses = [
      await rawRefresh(simulator, 'a'),
      await rawRefresh(simulator, 'a'),
      await rawRefresh(simulator, 'a'),
    ]
    expect(statuses.map(({ status }) => status)).toEqual([503, 503, 500])
    simulator.clearFaults()
    expect((await rawRefresh(simulator, 'a')).status).toBe(400)
  })

  it('can be decided for each call', async () => {
    const simulator = await start({
      tokenFault: (grantType) => (grantType === 'refresh_token' ? '503' : undefined),
    })
    const { refreshToken } = await logIn(simulator)
    expect((await refresh(simulator, refreshToken)).status).toBe(503)
    simulator.settings.tokenFault = undefined
    expect((await refresh(simulator, refreshToken)).status).toBe(200)
  })

  it('is named by a call for which it was decided, where it does not exist', async () => {
    const simulator = await start({ tokenFault: () => '504' as Fault })
    const response = await rawRefresh(simulator, 'a')
    expect(response.status).toBe(500)
    expect(await response.text()).toContain('tokenFault does not know')
  })
})

describe('a fault elsewhere', () => {
  it('strikes only there', async () => {
    const simulator = await start()
    const { accessToken } = await logIn(simulator)
    simulator.failNext('api', '500')
    simulator.failNext('jwks', '503')
    expect((await fetch(`${simulator.url}/global/oauth/anonymous/jwks`)).status).toBe(503)
    expect((await api(simulator, accessToken, '/incidents')).status).toBe(500)
    expect((await api(simulator, accessToken, '/incidents')).status).toBe(200)
  })

  it('responds in the way of the REST API there, and in that of OAuth elsewhere', async () => {
    const simulator = await start()
    const { accessToken } = await logIn(simulator)
    const body = async (answer: Response) => [answer.status, await answer.json()]
    simulator.failNext('api', '500')
    simulator.failNext('api', '503')
    simulator.failNext('userinfo', '500')
    simulator.failNext('userinfo', '503')
    expect(await body(await api(simulator, accessToken, '/incidents'))).toEqual([
      500,
      { error: { message: 'Internal Server Error', code: 2000 } },
    ])
    expect(await body(await api(simulator, accessToken, '/incidents'))).toEqual([
      503,
      { error: { message: 'Service Unavailable' } },
    ])
    const userinfo = async () => body(await fetch(`${simulator.url}/global/oauth/userinfo`))
    expect(await userinfo()).toEqual([500, { error: 'server_error' }])
    expect(await userinfo()).toEqual([503, { error: 'temporarily_unavailable' }])
  })
})

describe('a request that cannot be read', () => {
  it('gets an error of the REST API there, and one of OAuth at its endpoints', async () => {
    const simulator = await start()
    const send = async (path: string, init?: RequestInit) => {
      const answer = await fetch(`${simulator.url}${path}`, init)
      return [answer.status, await answer.json()]
    }
    const long = { method: 'POST', body: 'x'.repeat(300 * 1024) }
    expect(await send('/incidents/%E0')).toEqual([
      400,
      { error: { message: expect.stringContaining('%E0'), code: 2001 } },
    ])
    expect(await send('/incidents', long)).toEqual([
      413,
      { error: { message: 'request entity too large', code: 2001 } },
    ])
    expect(await send('/oauth/token', long)).toEqual([
      413,
      { error: 'invalid_request', error_description: 'request entity too large' },
    ])
  })
})

describe('latency', () => {
  it('delays the response of the token endpoint but not what it changes', async () => {
    const simulator = await start({ reuse: 'reject' })
    const { refreshToken } = await logIn(simulator)
    simulator.settings.tokenLatency = 150
    const started = performance.now()
    const slow = refresh(simulator, refreshToken)
    const isThere = () => simulator.calls.token.refresh_token === 1
    while (!isThere()) await new Promise((resolve) => setImmediate(resolve))
    simulator.settings.tokenLatency = 0
    expect((await refresh(simulator, refreshToken)).status).toBe(400)
    expect((await slow).status).toBe(200)
    expect(performance.now() - started).toBeGreaterThan(140)
  })

  it('delays the REST API', async () => {
    const simulator = await start({ apiLatency: 60 })
    const started = performance.now()
    await api(simulator, 'any', '/incidents')
    expect(performance.now() - started).toBeGreaterThan(50)
  })
})

it('reports a mistake in a hook as a 500', async () => {
  const simulator = await start({
    tokenFault: () => {
      throw new Error('oops')
    },
  })
  const { status, body } = await requestToken(simulator, { grant_type: 'refresh_token' })
  expect([status, body]).toEqual([500, { error: 'server_error', error_description: 'oops' }])
})
