import * as oauth from 'oauth4webapi'
import { approve } from '../../../src/testing'
import { simulators } from '../support'
import { appScope, challenge, provider, redirectURI, scope, verifier } from './provider'

const { start } = simulators()
const insecure = { [oauth.allowInsecureRequests]: true }

it('logs in, refreshes, gets an app token, and is rejected with errors that it knows', async () => {
  const simulator = await start({ nullIDToken: false })
  const { clientID, clientSecret = '' } = simulator.options()
  const server = provider(simulator)
  const client = { client_id: clientID }
  const secret = oauth.ClientSecretPost(clientSecret)
  const query = { client_id: clientID, redirect_uri: redirectURI, response_type: 'code', scope, state: 's' }
  const pkce = { code_challenge: challenge, code_challenge_method: 'S256' }
  const url = `${server.authorization_endpoint}?${new URLSearchParams({ ...query, ...pkce })}`
  const back = oauth.validateAuthResponse(server, client, new URL(await approve(url)), 's')
  const exchange = () =>
    oauth.authorizationCodeGrantRequest(server, client, secret, back, redirectURI, verifier, insecure)
  const required = { requireIdToken: true }
  const first = await oauth.processAuthorizationCodeResponse(server, client, await exchange(), required)
  expect(oauth.getValidatedIdTokenClaims(first)).toMatchObject({ user_id: 'PACME01' })

  const value = String(first.refresh_token)
  const refreshed = await oauth.refreshTokenGrantRequest(server, client, secret, value, insecure)
  const second = await oauth.processRefreshTokenResponse(server, client, refreshed)
  expect(second.access_token).not.toBe(first.access_token)

  const asked = { scope: appScope }
  const granted = await oauth.clientCredentialsGrantRequest(server, client, secret, asked, insecure)
  expect(await oauth.processClientCredentialsResponse(server, client, granted)).toMatchObject(asked)

  await expect(
    exchange().then((again) => oauth.processAuthorizationCodeResponse(server, client, again)),
  ).rejects.toMatchObject({ error: 'invalid_grant', status: 400 })
})
