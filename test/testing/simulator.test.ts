import { connect } from 'node:net'
import { once } from 'node:events'
import { approve, startPagerDuty } from '../../src/testing'
import {
  api,
  appToken,
  authorizeURL,
  classicClient,
  logIn,
  publicClient,
  refresh,
  simulators,
} from './support'

const { start } = simulators()

describe('starting', () => {
  it('listens on the loopback address only', async () => {
    expect((await start()).url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  })

  it('takes a port, and rejects when it is taken', async () => {
    const { port } = new URL((await start()).url)
    await expect(startPagerDuty({ port: Number(port) })).rejects.toThrow('EADDRINUSE')
  })

  it('rejects apps that PagerDuty would not let exist', async () => {
    await expect(startPagerDuty({ clients: [] })).rejects.toThrow('"clients" is empty')
    const scoped = { clientID: 'a', scope: ['users.read'] }
    await expect(startPagerDuty({ clients: [scoped] })).rejects.toThrow(
      '"clients[0].clientSecret" is undefined',
    )
    const classic = { ...classicClient, scope: ['users.read'] }
    await expect(startPagerDuty({ clients: [classic] })).rejects.toThrow(
      `"clients[0].scope" is [ 'users.read' ]: give a list such as ['write']`,
    )
  })

  it('takes an undefined option for an absent one', async () => {
    const simulator = await start({ accessTokenLifetime: undefined, autoApprove: undefined })
    expect(simulator.settings.codeLifetime).toBe(30)
    expect(Object.keys(simulator.settings)).not.toContain('port')
  })

  it('rejects an option that it does not know, and a setting', async () => {
    const misspelt = { accessTokenLifetimes: 60 } as object
    await expect(startPagerDuty(misspelt)).rejects.toThrow('does not know "accessTokenLifetimes"')
    const { settings } = await start()
    expect(() => Object.assign(settings, { graces: 5 })).toThrow('settings does not know "graces"')
  })
})

describe('pointing a client at it', () => {
  it('gives options and variables, for the first app or the one named', async () => {
    const simulator = await start({ clients: [classicClient, publicClient] })
    expect(simulator.options()).toEqual({
      clientID: 'classic-app',
      clientSecret: 'classic-secret',
      appType: 'classic',
      identityURL: simulator.url,
      apiURL: simulator.url,
      mcpURL: simulator.url,
    })
    expect(simulator.env('public-app')).toEqual({
      PAGERDUTY_CLIENT_ID: 'public-app',
      PAGERDUTY_APP_TYPE: 'classic',
      PAGERDUTY_IDENTITY_URL: simulator.url,
      PAGERDUTY_API_URL: simulator.url,
      PAGERDUTY_MCP_URL: simulator.url,
      PAGERDUTY_WEBHOOK_SECRET: 'simulator-webhook-secret',
    })
    expect(() => simulator.options('nobody')).toThrow('"nobody"')
  })
})

describe('counting', () => {
  it('reports what was called, here and over HTTP', async () => {
    const simulator = await start()
    const { accessToken, refreshToken } = await logIn(simulator)
    await refresh(simulator, refreshToken)
    await refresh(simulator, refreshToken)
    await appToken(simulator, 'as_account-us.acme')
    await api(simulator, accessToken, '/incidents')
    await fetch(`${simulator.url}/oauth/token`, { method: 'POST' })
    const calls = {
      authorize: 1,
      token: { authorization_code: 1, refresh_token: 2, client_credentials: 1, other: 1 },
      revoke: 0,
      jwks: 0,
      userinfo: 0,
      api: 1,
    }
    expect(simulator.calls).toEqual(calls)
    const overHTTP = await fetch(`${simulator.url}/__simulator/calls`)
    expect(await overHTTP.json()).toEqual({ ...calls, reuses: 1 })
  })

  it('counts calls that are made to fail, and starts again', async () => {
    const simulator = await start()
    simulator.failNext('token', '503')
    await refresh(simulator, 'any')
    expect(simulator.calls.token.refresh_token).toBe(1)
    simulator.resetCalls()
    expect(simulator.calls.token.refresh_token).toBe(0)
    expect(simulator.reuses).toBe(0)
  })
})

describe('closing', () => {
  it('ends open connections and stalled calls at once, and may be repeated', async () => {
    const simulator = await startPagerDuty()
    simulator.failNext('jwks', 'stall')
    const stalled = fetch(`${simulator.url}/global/oauth/anonymous/jwks`)
    const idle = connect(Number(new URL(simulator.url).port), '127.0.0.1')
    // Ended politely or by a reset: either is at once.
    const ended = new Promise((resolve) => idle.on('error', resolve).on('close', resolve))
    await once(idle, 'connect')
    await Promise.all([
      expect(stalled).rejects.toThrow('fetch failed'),
      simulator.close(),
      simulator.close(),
      ended,
    ])
    await simulator.close()
    await expect(approve(authorizeURL(simulator))).rejects.toThrow('fetch failed')
  })
})
