import * as client from 'openid-client'
import { approve } from '../../../src/testing'
import type { Simulator } from '../../../src/testing'
import { simulators } from '../support'
import { appScope, challenge, provider, redirectURI, scope, verifier } from './provider'

const { start } = simulators()

function configure(simulator: Simulator): client.Configuration {
  const { clientID, clientSecret } = simulator.options()
  const configuration = new client.Configuration(provider(simulator), clientID, clientSecret)
  client.allowInsecureRequests(configuration)
  return configuration
}

async function logIn(configuration: client.Configuration) {
  const parameters = { redirect_uri: redirectURI, scope, state: 's', code_challenge: challenge }
  const url = client.buildAuthorizationUrl(configuration, { ...parameters, code_challenge_method: 'S256' })
  const back = new URL(await approve(url))
  const checks = { pkceCodeVerifier: verifier, expectedState: 's', idTokenExpected: true }
  return client.authorizationCodeGrant(configuration, back, checks)
}

it('logs in with a verified id_token, refreshes, calls and revokes', async () => {
  const simulator = await start()
  const configuration = configure(simulator)
  client.enableNonRepudiationChecks(configuration)
  const first = await logIn(configuration)
  expect(first.claims()).toMatchObject({ sub: 'PACME01', subdomain: 'acme' })
  const second = await client.refreshTokenGrant(configuration, String(first.refresh_token))
  const url = new URL(`${simulator.url}/users/me`)
  const answer = await client.fetchProtectedResource(configuration, second.access_token, url, 'GET')
  expect(await answer.json()).toMatchObject({ user: { id: 'PACME01' } })
  await client.tokenRevocation(configuration, String(second.refresh_token))
  await expect(client.refreshTokenGrant(configuration, String(second.refresh_token))).rejects.toMatchObject({
    error: 'invalid_grant',
    status: 400,
  })
})

it('gets an app token once id_token is absent, as PagerDuty documents it', async () => {
  const simulator = await start()
  const configuration = configure(simulator)
  const parameters = { scope: appScope }
  await expect(client.clientCredentialsGrant(configuration, parameters)).rejects.toMatchObject({
    cause: { message: expect.stringContaining('id_token') },
  })
  simulator.settings.nullIDToken = false
  expect(await client.clientCredentialsGrant(configuration, parameters)).toMatchObject({ scope: appScope })
})

it('rejects the discovery document, whose issuer is not its own address', async () => {
  const simulator = await start()
  const url = new URL(`${simulator.url}/global/oauth/anonymous`)
  const discovery = client.discovery(url, 'any', 'any', undefined, {
    execute: [client.allowInsecureRequests],
  })
  await expect(discovery).rejects.toThrow('issuer does not match')
})

it('gets the error of a denial', async () => {
  const configuration = configure(await start())
  const parameters = { redirect_uri: redirectURI, scope, code_challenge: challenge }
  const url = client.buildAuthorizationUrl(configuration, { ...parameters, code_challenge_method: 'S256' })
  const back = new URL(await approve(url, { decision: 'deny' }))
  await expect(client.authorizationCodeGrant(configuration, back)).rejects.toMatchObject({
    error: 'access_denied',
    error_description: 'The resource owner or authorization server denied the request.',
  })
})
