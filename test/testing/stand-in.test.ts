import { connect } from 'node:net'
import { once } from 'node:events'
import { approve, startPagerDuty } from '../../src/testing'
import { api, appToken, authorizeURL, classicClient, logIn, publicClient, refresh, standIns } from './support'

const { start } = standIns()

describe('starting', () => {
  it('listens on the loopback address only', async () => {
    expect((await start()).url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  })

  it('takes a port, and rejects when it is taken', async () => {
    const { port } = new URL((await start()).url)
    await expect(startPagerDuty({ port: Number(port) })).rejects.toThrow('EADDRINUSE')
  })

  it('refuses apps that PagerDuty would not let exist', async () => {
    await expect(startPagerDuty({ clients: [] })).rejects.toThrow('"clients" is empty')
    const scoped = { clientID: 'a', scope: ['users.read'] }
    await expect(startPagerDuty({ clients: [scoped] })).rejects.toThrow('"clientSecret"')
    const classic = { ...classicClient, scope: ['users.read'] }
    await expect(startPagerDuty({ clients: [classic] })).rejects.toThrow('"users.read"')
  })

  it('takes an undefined option for an absent one', async () => {
    const standIn = await start({ accessTokenLifetime: undefined, autoApprove: undefined })
    expect(standIn.settings.codeLifetime).toBe(30)
    expect(Object.keys(standIn.settings)).not.toContain('port')
  })
})

describe('pointing a client at it', () => {
  it('gives options and variables, for the first app or the one named', async () => {
    const standIn = await start({ clients: [classicClient, publicClient] })
    expect(standIn.options()).toEqual({
      clientID: 'classic-app',
      clientSecret: 'classic-secret',
      appType: 'classic',
      identityURL: standIn.url,
      apiURL: standIn.url,
      mcpURL: standIn.url,
    })
    expect(standIn.env('public-app')).toEqual({
      PAGERDUTY_CLIENT_ID: 'public-app',
      PAGERDUTY_APP_TYPE: 'classic',
      PAGERDUTY_IDENTITY_URL: standIn.url,
      PAGERDUTY_API_URL: standIn.url,
      PAGERDUTY_MCP_URL: standIn.url,
      PAGERDUTY_WEBHOOK_SECRET: 'stand-in-webhook-secret',
    })
    expect(() => standIn.options('nobody')).toThrow('"nobody"')
  })
})

describe('counting', () => {
  it('tells what was called, here and over HTTP', async () => {
    const standIn = await start()
    const { accessToken, refreshToken } = await logIn(standIn)
    await refresh(standIn, refreshToken)
    await refresh(standIn, refreshToken)
    await appToken(standIn, 'as_account-us.acme')
    await api(standIn, accessToken, '/incidents')
    await fetch(`${standIn.url}/oauth/token`, { method: 'POST' })
    const calls = {
      authorize: 1,
      token: { authorization_code: 1, refresh_token: 2, client_credentials: 1, other: 1 },
      revoke: 0,
      jwks: 0,
      userinfo: 0,
      api: 1,
    }
    expect(standIn.calls).toEqual(calls)
    const overHTTP = await fetch(`${standIn.url}/__stand-in/calls`)
    expect(await overHTTP.json()).toEqual({ ...calls, reuses: 1 })
  })

  it('counts calls that are made to fail, and starts again', async () => {
    const standIn = await start()
    standIn.failNext('token', '503')
    await refresh(standIn, 'any')
    expect(standIn.calls.token.refresh_token).toBe(1)
    standIn.resetCalls()
    expect(standIn.calls.token.refresh_token).toBe(0)
    expect(standIn.reuses).toBe(0)
  })
})

describe('closing', () => {
  it('ends open connections and stalled calls at once, and may be repeated', async () => {
    const standIn = await startPagerDuty()
    standIn.failNext('jwks', 'stall')
    const stalled = fetch(`${standIn.url}/global/oauth/anonymous/jwks`)
    const idle = connect(Number(new URL(standIn.url).port), '127.0.0.1')
    // Ended politely or by a reset: either is at once.
    const ended = new Promise((resolve) => idle.on('error', resolve).on('close', resolve))
    await once(idle, 'connect')
    await Promise.all([
      expect(stalled).rejects.toThrow('fetch failed'),
      standIn.close(),
      standIn.close(),
      ended,
    ])
    await standIn.close()
    await expect(approve(authorizeURL(standIn))).rejects.toThrow('fetch failed')
  })
})
