import { approve, defaultClient } from '../../src/testing'
import type { Simulator } from '../../src/testing'
import { appToken, authorize, authorizeURL, classicClient, logIn, publicClient, simulators } from './support'

const { start } = simulators()

async function redirectOf(url: string): Promise<URLSearchParams> {
  const answer = await fetch(url, { redirect: 'manual' })
  expect(answer.status).toBe(302)
  return new URL(String(answer.headers.get('location'))).searchParams
}

async function decide(simulator: Simulator, form: Record<string, string>): Promise<Response> {
  const body = new URLSearchParams(form)
  return fetch(authorizeURL(simulator), { method: 'POST', body, redirect: 'manual' })
}

describe('a faulty authorization request', () => {
  it('ends in a page, without a redirect, when the client or the redirect_uri is wrong', async () => {
    const simulator = await start()
    const faulty = [
      { client_id: 'someone' },
      { client_id: undefined },
      { redirect_uri: undefined },
      { redirect_uri: 'https://evil.example/callback' },
      { redirect_uri: 'http://127.0.0.1.evil.example/callback' },
      { redirect_uri: 'http://127.evil.example/callback' },
      { redirect_uri: 'https://evillocalhost/callback' },
      { redirect_uri: 'custom://localhost/callback' },
      { redirect_uri: 'http://localhost/callback#part' },
    ]
    for (const change of faulty) {
      const answer = await fetch(authorizeURL(simulator, change), { redirect: 'manual' })
      expect(answer.status).toBe(400)
      expect(answer.headers.get('location')).toBeNull()
    }
  })

  it.each(['https://localhost:3443', 'http://127.1.2.3', 'http://[::1]:80', 'https://app.localhost'])(
    'takes a callback at %s, where none is registered',
    async (origin) => {
      const url = authorizeURL(await start(), { redirect_uri: `${origin}/callback` })
      expect((await fetch(url)).status).toBe(200)
    },
  )

  it('compares registered redirect URIs exactly', async () => {
    const registered = 'https://app.example/callback'
    const simulator = await start({ clients: [{ ...classicClient, redirectURIs: [registered] }] })
    expect((await fetch(authorizeURL(simulator, { redirect_uri: registered }))).status).toBe(200)
    for (const redirect_uri of [`${registered}/`, `${registered}?a=b`, 'http://localhost/callback']) {
      expect((await fetch(authorizeURL(simulator, { redirect_uri }))).status).toBe(400)
    }
    await expect(authorize(simulator, { redirect_uri: `${registered}/` })).rejects.toThrow(
      'The redirect_uri "https://app.example/callback/" is not one of the app: allowed are https://app.example/callback. ' +
        'Set callbackURL (PAGERDUTY_CALLBACK_URL) to one of these, or clients[].redirectURIs',
    )
  })

  it('says which redirect URIs there may be where none is registered', async () => {
    await expect(authorize(await start(), { redirect_uri: 'https://app.example/cb' })).rejects.toThrow(
      'The redirect_uri "https://app.example/cb" is not one of the app: ' +
        'allowed is any http or https URL of localhost, *.localhost, 127.*.*.* or [::1].',
    )
  })

  it.each([
    ['no code_challenge', { code_challenge: undefined }],
    ['the plain method', { code_challenge_method: 'plain' }],
    ['no method', { code_challenge_method: undefined }],
    ['a short code_challenge', { code_challenge: 'short' }],
  ])('goes back as invalid_request with its state: %s', async (_name, change) => {
    const answer = await redirectOf(authorizeURL(await start(), change))
    expect(answer.get('error')).toBe('invalid_request')
    expect(answer.get('state')).toBe('the-state')
  })

  it('goes back when the response_type is not code, or a parameter is repeated', async () => {
    const simulator = await start()
    const implicit = await redirectOf(authorizeURL(simulator, { response_type: 'token' }))
    expect(implicit.get('error')).toBe('unsupported_response_type')
    expect((await redirectOf(`${authorizeURL(simulator)}&scope=openid`)).get('error')).toBe('invalid_request')
  })

  it('needs PKCE of public clients and not of confidential Classic ones', async () => {
    const simulator = await start({ clients: [classicClient, publicClient] })
    const bare = { code_challenge: undefined, code_challenge_method: undefined }
    expect((await fetch(authorizeURL(simulator, bare))).status).toBe(200)
    const asPublic = await redirectOf(authorizeURL(simulator, { ...bare, client_id: 'public-app' }))
    expect(asPublic.get('error')).toBe('invalid_request')
  })
})

describe('the page', () => {
  it('shows users of both regions, the scopes, and that it is not PagerDuty', async () => {
    const page = await (await fetch(authorizeURL(await start(), { scope: 'users.read bad"<scope>' }))).text()
    expect(page).toContain('not PagerDuty')
    expect(page).toContain('name="user" id="user-PACME01" value="PACME01" checked')
    expect(page).toContain('name="user" id="user-PGLBX01" value="PGLBX01"')
    expect(page).toContain('name="decision" value="allow"')
    expect(page).toContain('name="decision" value="deny"')
    expect(page).toContain('bad&#34;&#60;scope&#62;')
  })

  it('offers first who logged in last in this browser, as a step-up is for the same user', async () => {
    const simulator = await start()
    const answer = await decide(simulator, { user: 'PACME02', decision: 'allow' })
    const cookie = (answer.headers.get('set-cookie') ?? '').split(';', 1)[0] as string
    const page = await (await fetch(authorizeURL(simulator), { headers: { cookie } })).text()
    expect(page.match(/value="\w+" checked/g)).toEqual(['value="PACME02" checked'])
    const other = await fetch(authorizeURL(simulator), { headers: { cookie: 'simulator-user=PNOBODY' } })
    expect((await other.text()).match(/value="\w+" checked/g)).toEqual(['value="PACME01" checked'])
  })

  it('permits no script, and lets an app go on to another origin of its own after its callback', async () => {
    const policy = (await fetch(authorizeURL(await start()))).headers.get('content-security-policy')
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("form-action 'self' http: https:;")
    expect(policy).not.toContain('script-src')
  })

  it('sends the browser back with a code and the state after Allow', async () => {
    const answer = await decide(await start(), { user: 'PGLBX01', decision: 'allow' })
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toMatch(
      /^http:\/\/127\.0\.0\.1:9\/callback\?code=\w+&state=the-state$/,
    )
  })

  it('leaves the state out when none was sent', async () => {
    expect([...(await authorize(await start(), { state: undefined })).keys()]).toEqual(['code'])
  })

  it('sends access_denied back after Deny', async () => {
    const back = await approve(authorizeURL(await start()), { decision: 'deny' })
    const { searchParams } = new URL(back)
    expect(searchParams.get('error')).toBe('access_denied')
    expect(searchParams.get('error_description')).toBe(
      'The resource owner or authorization server denied the request.',
    )
    expect(searchParams.get('state')).toBe('the-state')
    expect(searchParams.has('code')).toBe(false)
  })

  it('rejects an unknown user and an unknown decision', async () => {
    const simulator = await start()
    expect((await decide(simulator, { user: 'PNOBODY', decision: 'allow' })).status).toBe(400)
    expect((await decide(simulator, { user: 'PACME01', decision: 'maybe' })).status).toBe(400)
  })
})

describe('a Scoped app registered in one account', () => {
  const client = { ...defaultClient, account: 'acme' }

  it('turns users of other accounts away, on a page of PagerDuty', async () => {
    const simulator = await start({ clients: [client] })
    expect((await authorize(simulator)).has('code')).toBe(true)
    const { status } = await decide(simulator, { user: 'PGLBX01', decision: 'allow' })
    expect(status).toBe(400)
    await expect(authorize(simulator, {}, 'PGLBX01')).rejects.toThrow(
      'simulator-client is registered in the account acme: a user of globex cannot log in',
    )
    simulator.settings.autoApprove = 'PGLBX01'
    const approved = await fetch(authorizeURL(simulator), { redirect: 'manual' })
    expect(approved.status).toBe(400)
    expect(await approved.text()).not.toContain('href="/')
  })

  it('shows them the way back to the users, and to an app that takes them', async () => {
    const simulator = await start({ clients: [client] })
    const page = await (await decide(simulator, { user: 'PGLBX01', decision: 'allow' })).text()
    expect(page).toContain('Log in as a user of acme')
    expect(page).toContain('simulate --app-type classic')
    const [, path = ''] = /<a href="([^"]+)">Choose another user/.exec(page) ?? []
    const again = await fetch(simulator.url + path.replaceAll('&#38;', '&'))
    expect(again.status).toBe(200)
    expect(await again.text()).toContain('Log in as')
  })

  it('has app tokens of that account only', async () => {
    const simulator = await start({ clients: [client] })
    expect((await appToken(simulator, 'as_account-us.acme users.read')).status).toBe(200)
    expect(await appToken(simulator, 'as_account-eu.globex users.read')).toMatchObject({
      status: 400,
      body: { error: 'invalid_request', error_description: 'Invalid scope' },
    })
  })

  it('is not what a Classic app is', async () => {
    await expect(start({ clients: [{ ...classicClient, account: 'acme' }] })).rejects.toThrow(
      '"clients[0].account"',
    )
  })
})

describe('the granted scope', () => {
  it('loses what the app is not configured with, down to openid', async () => {
    const simulator = await start()
    expect((await logIn(simulator, { scope: 'incidents.read analytics.read' })).scope).toBe(
      'openid incidents.read',
    )
    expect((await logIn(simulator, { scope: 'Incidents.read' })).scope).toBe('openid')
    expect((await logIn(simulator, { scope: undefined })).scope).toBe('openid')
  })

  it('follows the configuration at run time', async () => {
    const simulator = await start()
    simulator.configure('simulator-client', { scope: ['users.read'] })
    expect((await logIn(simulator)).scope).toBe('openid users.read')
  })

  it('is openid and read or write for a Classic app', async () => {
    const reader = { ...classicClient, clientID: 'reader', scope: ['read'] }
    const simulator = await start({ clients: [classicClient, reader] })
    expect((await logIn(simulator, { scope: 'read write' })).scope).toBe('openid write')
    expect((await logIn(simulator, { scope: 'read' })).scope).toBe('openid read')
    expect((await logIn(simulator, { client_id: 'reader', scope: 'write' })).scope).toBe('openid')
  })
})

describe('approving without a browser', () => {
  it('says what the error page says', async () => {
    await expect(approve(authorizeURL(await start(), { client_id: 'x' }))).rejects.toThrow('client_id')
  })

  it('returns at once with autoApprove, for the user named at that moment', async () => {
    const simulator = await start({ autoApprove: 'PACME02' })
    expect((await redirectOf(authorizeURL(simulator))).has('code')).toBe(true)
    simulator.settings.autoApprove = undefined
    expect((await fetch(authorizeURL(simulator), { redirect: 'manual' })).status).toBe(200)
  })
})
