import { AuthorizationCode, ClientCredentials } from 'simple-oauth2'
import { approve } from '../../../src/testing'
import type { Simulator } from '../../../src/testing'
import { simulators } from '../support'
import { appScope, challenge, redirectURI, scope, verifier } from './provider'

const { start } = simulators()

function configuration(simulator: Simulator, authorizationMethod: 'body' | 'header' = 'body') {
  const { clientID, clientSecret = '' } = simulator.options()
  return {
    client: { id: clientID, secret: clientSecret },
    auth: { tokenHost: simulator.url },
    options: { authorizationMethod },
  }
}

it('logs in, refreshes and revokes', async () => {
  const simulator = await start()
  const client = new AuthorizationCode(configuration(simulator))
  const pkce = { code_challenge: challenge, code_challenge_method: 'S256' }
  const url = client.authorizeURL({ redirect_uri: redirectURI, scope, state: 's', ...pkce })
  const code = String(new URL(await approve(url)).searchParams.get('code'))
  const parameters = { code, redirect_uri: redirectURI, code_verifier: verifier }
  const first = await client.getToken(parameters)
  expect(first.expired()).toBe(false)
  const second = await first.refresh()
  expect(second.token['refresh_token']).not.toBe(first.token['refresh_token'])
  // It wants JSON even where RFC 7009 has no body; the token has ended all the same.
  await expect(second.revoke('refresh_token')).rejects.toThrow('content-type is not JSON')
  await expect(second.refresh()).rejects.toMatchObject({ output: { statusCode: 400 } })
  await expect(client.getToken(parameters)).rejects.toMatchObject({
    data: { payload: { error: 'invalid_grant' } },
  })
})

it('gets an app token, with the secret in the body as documented', async () => {
  const simulator = await start()
  const { token } = await new ClientCredentials(configuration(simulator)).getToken({ scope: appScope })
  expect(token).toMatchObject({ scope: appScope, token_type: 'bearer' })
  const inHeader = new ClientCredentials(configuration(simulator, 'header')).getToken({ scope: appScope })
  await expect(inHeader).rejects.toMatchObject({ output: { statusCode: 401 } })
})
