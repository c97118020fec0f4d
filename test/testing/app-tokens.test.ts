import { appToken, classicClient, simulators, statusOf, tokensOf } from './support'

const { start } = simulators()

describe('an app token', () => {
  it('echoes the account first, has no refresh token and a null id_token', async () => {
    const { status, body } = await appToken(await start(), 'incidents.read as_account-us.acme services.read')
    expect(status).toBe(200)
    expect(body).toEqual({
      access_token: expect.stringMatching(/^pdus\+_0/),
      token_type: 'bearer',
      expires_in: 86400,
      scope: 'as_account-us.acme incidents.read services.read',
      id_token: null,
    })
  })

  it('has no id_token as documented, when told so', async () => {
    const { body } = await appToken(await start({ nullIDToken: false }), 'as_account-us.acme users.read')
    expect(body).not.toHaveProperty('id_token')
  })

  it('loses scopes that the app is not configured with', async () => {
    const { body } = await appToken(await start(), 'as_account-eu.globex\n  analytics.read   users.read')
    expect(body['scope']).toBe('as_account-eu.globex users.read')
  })

  it.each([
    'incidents.read',
    'as_account-us.nowhere',
    'as_account-eu.acme',
    'as_account-us.acme as_account-eu.globex',
    '',
  ])('is denied for the scope "%s"', async (scope) => {
    const { status, body } = await appToken(await start(), scope)
    expect(status).toBe(400)
    expect(body).toEqual({ error: 'invalid_request', error_description: 'Invalid scope' })
  })

  it('is denied to a Classic app', async () => {
    const { status, body } = await appToken(
      await start({ clients: [classicClient] }),
      'as_account-us.acme read',
    )
    expect(status).toBe(400)
    expect(body['error']).toBe('unauthorized_client')
  })

  it('reads the data of its account', async () => {
    const simulator = await start()
    const { accessToken } = tokensOf((await appToken(simulator, 'as_account-us.acme incidents.read')).body)
    expect(await statusOf(simulator, accessToken)).toBe(200)
    expect(await statusOf(simulator, accessToken, '/services')).toBe(403)
  })
})
