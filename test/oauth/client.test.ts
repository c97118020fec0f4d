import { inspect } from 'node:util'
import { Client } from '../../src/oauth/client'
import type { ClientOptions } from '../../src/oauth/client-options'
import { ConfigurationError } from '../../src/errors/errors'
import { visibleText } from '../support/fault-server'

const good: ClientOptions = {
  clientID: 'the-client',
  clientSecret: 'CANARY-secret',
  callbackURL: 'https://app.example/auth/pagerduty/callback',
  scope: ['incidents.read', 'users.read'],
}

/** A client of options that may be as wrong as those of someone who writes JavaScript. */
function client(changes: Record<string, unknown> = {}): Client {
  return new Client({ ...good, ...changes } as ClientOptions)
}

function failure(changes: Record<string, unknown>): ConfigurationError {
  try {
    client(changes)
  } catch (error) {
    if (error instanceof ConfigurationError) return error
    throw error
  }
  throw new Error('It was accepted')
}

describe('a client with nothing but what is required', () => {
  it('is complete', () => {
    expect({ ...client() }).toEqual({
      name: 'pagerduty',
      clientID: 'the-client',
      callbackURLs: ['https://app.example/auth/pagerduty/callback'],
      callbackPath: '/auth/pagerduty/callback',
      isSecure: true,
      origins: ['https://app.example'],
      scope: ['incidents.read', 'users.read'],
      appType: 'scoped',
      authorizationURL: 'https://identity.pagerduty.com/oauth/authorize',
      tokenURL: 'https://identity.pagerduty.com/oauth/token',
      revocationURL: 'https://identity.pagerduty.com/oauth/revoke',
      jwksURL: 'https://identity.pagerduty.com/global/oauth/anonymous/jwks',
      issuers: [
        'https://app.pagerduty.com/global/oauth/anonymous',
        'https://identity.pagerduty.com/global/oauth/anonymous',
      ],
      apiURL: undefined,
      requireAtHash: false,
      fetch: expect.any(Function),
    })
    expect(client().isPublic).toBe(false)
    expect(client().isSecure).toBe(true)
  })

  it('calls the global fetch of the moment, not the one at start-up', async () => {
    const { fetch } = client()
    const spy = jest.spyOn(globalThis, 'fetch').mockResolvedValue(new Response('replaced'))
    expect(await (await fetch('https://identity.pagerduty.com/', { method: 'POST' })).text()).toBe('replaced')
    expect(spy).toHaveBeenCalledWith('https://identity.pagerduty.com/', { method: 'POST' })
    spy.mockRestore()
  })
})

describe('the overrides', () => {
  test.each(['https://identity.example', 'https://identity.example/'])(
    'identityURL %s moves all endpoints',
    (identityURL) => {
      expect({ ...client({ identityURL }) }).toMatchObject({
        authorizationURL: 'https://identity.example/oauth/authorize',
        tokenURL: 'https://identity.example/oauth/token',
        revocationURL: 'https://identity.example/oauth/revoke',
        jwksURL: 'https://identity.example/global/oauth/anonymous/jwks',
      })
    },
  )

  it('of single endpoints win over identityURL', () => {
    const own = {
      authorizationURL: 'https://a.example/1',
      tokenURL: 'https://b.example/2',
      revocationURL: 'https://c.example/3',
      jwksURL: 'https://d.example/4',
    }
    expect({ ...client({ identityURL: 'https://identity.example', ...own }) }).toMatchObject(own)
  })

  it('of the API are an origin, and are then the only API', () => {
    expect(failure({ apiURL: 'https://api.example:8443/v2/' }).option).toBe('apiURL')
    const own = client({ apiURL: 'https://api.example:8443/' })
    expect(own.apiURL).toBe('https://api.example:8443')
    expect(own.isAPI('https://api.example:8443')).toBe(true)
    expect(own.isAPI('https://api.example')).toBe(false)
    expect(own.isAPI('https://api.pagerduty.com')).toBe(false)
  })

  it('of the MCP server are those of the API’s region, an own origin, or none beside another API', () => {
    expect(client().mcpURLFor('https://api.pagerduty.com')).toBe('https://mcp.pagerduty.com')
    expect(client().mcpURLFor('https://api.eu.pagerduty.com')).toBe('https://mcp.eu.pagerduty.com')
    expect(client().mcpURLFor('https://api.example')).toBeUndefined()
    const own = client({ mcpURL: 'https://mcp.example/' })
    expect(own.mcpURLFor('https://api.eu.pagerduty.com')).toBe('https://mcp.example')
    expect(failure({ mcpURL: 'https://mcp.example/mcp' }).option).toBe('mcpURL')
  })

  it('of the issuer may be one or several', () => {
    expect(client({ issuer: 'https://as.example/' }).issuers).toEqual(['https://as.example/'])
    expect(client({ issuer: ['https://a.example', 'https://b.example'] }).issuers).toHaveLength(2)
  })

  test.each([
    'http://localhost:3000/cb',
    'http://acme.localhost:3000/cb',
    'http://127.0.0.1/cb',
    'http://127.8.8.8:1/cb',
    'http://127.10.200.30/cb',
    'http://[::1]:3000/cb',
  ])('of callbackURL may be %s, by http, and is kept as it is written', (callbackURL) => {
    const local = client({ callbackURL })
    expect(local.callbackURLs).toEqual([callbackURL])
    expect(local.isSecure).toBe(false)
  })
})

describe('without apiURL', () => {
  test.each([
    ['https://api.pagerduty.com', true],
    ['https://api.eu.pagerduty.com', true],
    ['http://api.pagerduty.com', false],
    ['https://api.pagerduty.com/', false],
    ['https://api.pagerduty.com.evil.example', false],
    ['https://identity.pagerduty.com', false],
    ['', false],
  ])('%j is an API: %s', (origin, expected) => {
    expect(client().isAPI(origin)).toBe(expected)
  })
})

describe('the kinds of apps', () => {
  it('a Classic app without a secret is a public client', () => {
    const app = client({ appType: 'classic', clientSecret: undefined, scope: 'read write' })
    expect(app.isPublic).toBe(true)
    expect([...app.authenticate(new URLSearchParams(), undefined)]).toEqual([['client_id', 'the-client']])
  })

  it('a Classic app with a secret is confidential', async () => {
    const app = client({ appType: 'classic', scope: 'read' })
    expect(app.isPublic).toBe(false)
    const [secret] = await app.secrets()
    const form = app.authenticate(new URLSearchParams({ client_secret: 'x' }), secret)
    expect(form.getAll('client_secret')).toEqual(['CANARY-secret'])
  })

  test.each([
    ['scoped', 'openid incidents.read', ['openid', 'incidents.read']],
    ['scoped', ['incidents.read', 'incidents.read'], ['incidents.read']],
    ['scoped', 'openid', ['openid']],
    ['classic', 'openid\n write', ['openid', 'write']],
  ])('%s: requests %j', (appType, scope, expected) => {
    expect(client({ appType, scope }).scope).toEqual(expected)
  })
})

const urls = [
  'callbackURL',
  'identityURL',
  'apiURL',
  'authorizationURL',
  'tokenURL',
  'revocationURL',
  'jwksURL',
]

describe('an option that is wrong is named:', () => {
  test.each<[string, Record<string, unknown>]>([
    ['clientID', { clientID: undefined }],
    ['clientID', { clientID: '' }],
    ['clientID', { clientID: ' \n' }],
    ['clientID', { clientID: 5 }],
    ['clientID', { clientID: ['a'] }],
    ['clientSecret', { clientSecret: undefined }],
    ['clientSecret', { clientSecret: '' }],
    ['clientSecret', { clientSecret: ' ' }],
    ['clientSecret', { clientSecret: null }],
    ['clientSecret', { clientSecret: '', appType: 'classic', scope: 'read' }],
    ['callbackURL', { callbackURL: undefined }],
    ['callbackURL', { callbackURL: 'https://app.example/cb ' }],
    ['callbackURL', { callbackURL: 'https://app.example/a b' }],
    ['identityURL', { identityURL: 'https://app.example/?x' }],
    ['scope', { scope: ['incidents.read', 5] }],
    ['issuer', { issuer: [['https://a.example']] }],
    ['name', { name: NaN }],
    ['name', { name: ['pagerduty'] }],
    ['callbackURL', { callbackURL: '/auth/pagerduty/callback' }],
    ['scope', { scope: undefined }],
    ['scope', { scope: '' }],
    ['scope', { scope: ' ' }],
    ['scope', { scope: [] }],
    ['scope', { scope: [''] }],
    ['scope', { scope: 5 }],
    ['scope', { scope: ['incidents.read', 5] }],
    ['scope', { scope: ['incidents.read users.read'] }],
    ['scope', { scope: 'incidents."read"' }],
    ['scope', { scope: 'incidents.r\u00e9ad' }],
    ['scope', { scope: 'incidents.read as_account-us.acme' }],
    ['scope', { scope: 'read' }],
    ['scope', { scope: 'incidents.read write' }],
    ['scope', { scope: 'incidents.read', appType: 'classic' }],
    ['scope', { scope: 'read incidents.read', appType: 'classic' }],
    ['appType', { appType: 'Scoped' }],
    ['appType', { appType: '' }],
    ['appType', { appType: 7 }],
    ['name', { name: '' }],
    ['name', { name: 'a b' }],
    ['name', { name: '1st' }],
    ['name', { name: '__proto__' }],
    ['name', { name: 'a.b' }],
    ['name', { name: 'a\n' }],
    ['name', { name: 'a'.repeat(33) }],
    ['issuer', { issuer: '' }],
    ['issuer', { issuer: [] }],
    ['issuer', { issuer: 'pagerduty' }],
    ['issuer', { issuer: ['https://a.example', 5] }],
  ])('%s in %j', (option, changes) => {
    const error = failure(changes)
    expect(error).toMatchObject({
      option,
      code: 'ERR_PAGERDUTY_CONFIGURATION',
      status: 500,
      isTransient: false,
    })
    expect(error.message).toMatch(new RegExp(`^"${option}" \\w`))
    expect(visibleText(error)).not.toContain('CANARY')
  })

  describe.each(urls)('%s', (option) => {
    test.each([
      '',
      'app.example/callback',
      '//app.example/callback',
      'ftp://app.example/',
      'javascript:alert(1)',
      'http://app.example/callback',
      'http://localhost.evil.example/',
      'http://127.0.0.1.evil.example/',
      'http://192.168.0.1/',
      'http://0.0.0.0/',
      'https://CANARY@app.example/',
      'https://a:CANARY@app.example/',
      'https://:CANARY@app.example/',
      'https://app.example/#CANARY',
      'https://',
      5,
      [['https://app.example/']],
    ])('as %j', (value) => {
      const error = failure({ [option]: value })
      expect(error.option).toBe(option)
      expect(visibleText(error)).not.toContain('CANARY')
    })
  })

  it('the error for a mix-up of app kinds includes the fix', () => {
    expect(failure({ scope: 'read' }).message).toContain('Classic')
    expect(failure({ scope: 'read' }).hint).toContain('appType')
    expect(failure({ scope: 'incidents.read', appType: 'classic' }).message).toContain('Scoped')
    expect(failure({ clientSecret: undefined }).hint).toContain('classic')
    expect(failure({ scope: 'as_account-us.acme' }).message).toContain('"account"')
  })
})

describe('the secret of a client', () => {
  it('does not show by any inspection', async () => {
    const shown = [
      inspect(client(), { depth: 10, showHidden: true, getters: true }),
      JSON.stringify(client()),
      JSON.stringify({ ...client() }),
      visibleText(client()),
    ]
    for (const text of shown) expect(text).not.toContain('CANARY')
    expect(await client().secrets()).toEqual(['CANARY-secret'])
  })
})

describe('options that are easily got wrong', () => {
  test('an unknown appType is named even if the scope would not fit a Scoped app', () => {
    expect(failure({ appType: 'Classic', scope: 'read' }).option).toBe('appType')
  })

  test('an issuer that is neither text nor list is named', () => {
    expect(failure({ issuer: 5 }).option).toBe('issuer')
  })

  test('a callbackURL of "HTTPS://app.example/callback" is taken for https', () => {
    expect(client({ callbackURL: 'HTTPS://app.example/callback' }).isSecure).toBe(true)
  })

  test('a callbackURL with leading whitespace is rejected: PagerDuty would compare it unchanged', () => {
    expect(failure({ callbackURL: ' https://app.example/callback' }).option).toBe('callbackURL')
  })
})
