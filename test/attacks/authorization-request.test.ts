import { execFileSync } from 'node:child_process'
import { approve } from '../../src/testing'
import { defaultClient } from '../../src/testing/clients'
import { Browser } from '../support/browser'
import { altered } from '../support/drop-in'
import { configurations, forEachConfiguration } from './support/configurations'
import { outcomeOf, refusal } from './support/outcome'
import { folders } from './support/paths'

const minute = 60_000
const secondClient = { ...defaultClient, clientID: 'second-client', clientSecret: 'second-secret' }

function queryOf(authorizeURL: string): URLSearchParams {
  return new URL(authorizeURL).searchParams
}

describe('The packed package', () => {
  test.each(Object.values(folders))(
    'A1, A6, A7, A9: rejects by name each option that would weaken a login (%#)',
    (cwd) => {
      const weak = [
        { pkce: false },
        { pkce: 'plain' },
        { state: false },
        { store: {} },
        { unsafelyWithoutPKCE: true },
        { tokenURL: 'http://idp.example/token' },
        { authorizationURL: 'http://idp.example/authorize' },
        { identityURL: 'http://idp.example' },
        { callbackURL: '/auth/pagerduty/callback' },
        { callbackURL: '//app.example/callback' },
        { callbackURL: 'http://app.example/callback' },
        { scope: [] },
        { scope: '' },
        { scope: ['users.read', 'as_account-us.acme'] },
      ]
      const program = `
      const { pagerduty } = require('passport-pagerduty')
      const sound = { clientID: 'a', clientSecret: 'b', callbackURL: 'https://app.example/cb', scope: 'users.read' }
      const tried = ${JSON.stringify(weak)}.map((option) => {
        try { pagerduty({ ...sound, ...option }) } catch (error) { return [error.code, error.option] }
      })
      console.log(JSON.stringify(tried))`
      const said = execFileSync(process.execPath, ['-e', program], { cwd, encoding: 'utf8', env: {} })
      const expected = weak.map((option) => ['ERR_PAGERDUTY_CONFIGURATION', Object.keys(option)[0]])
      expect(JSON.parse(said)).toEqual(expected)
    },
  )
})

forEachConfiguration(configurations, (app) => {
  const failed = refusal(app, 403)

  test('A1, A6, A9: a login requests a code with state and an S256 challenge, for its scopes, and carries no secret', async () => {
    const { victim } = app
    const begun = await victim.begin(new Browser())
    const query = queryOf(begun)
    expect(Object.fromEntries(query)).toEqual({
      response_type: 'code',
      client_id: 'simulator-client',
      redirect_uri: `${victim.url}/auth/pagerduty/callback`,
      scope: 'incidents.read users.read',
      state: expect.stringMatching(/^[\w-]{32}$/) as unknown,
      code_challenge: expect.stringMatching(/^[\w-]{43}$/) as unknown,
      code_challenge_method: 'S256',
      nonce: expect.stringMatching(/^[\w-]{22}$/) as unknown,
    })
    expect(begun).not.toMatch(/secret|verifier|token/)
  })

  // State that is kept where another browser finds it: CVE-2025-68158, CVE-2026-41425 (Authlib); state that is bound to
  // none: CVE-2025-68481, CVE-2025-14546, node-slack-sdk#1435.
  test('A3: a login that the attacker began and approved logs in no other browser', async () => {
    const { victim, simulator } = app
    const attacker = new Browser()
    const callback = await victim.approved(attacker, 'PACME02')
    const anonymous = new Browser()
    const busy = new Browser()
    const own = await victim.approved(busy)
    const loggedIn = await victim.logIn(new Browser(), 'PGLBX01')
    simulator.resetCalls()
    expect(outcomeOf(await anonymous.visit(callback))).toEqual(failed)
    expect(outcomeOf(await busy.visit(callback))).toEqual(failed)
    expect(outcomeOf(await loggedIn.visit(callback))).toEqual({ status: 302, location: '/' })
    expect(simulator.calls.token.authorization_code).toBe(0)
    expect(await victim.userOf(anonymous)).toBeNull()
    expect(await victim.userOf(loggedIn)).toBe('PGLBX01')
    await busy.visit(own)
    expect(await victim.userOf(busy)).toBe('PACME01')
    await attacker.visit(callback)
    expect(await victim.userOf(attacker)).toBe('PACME02')
  })

  // A cookie of the attacker's that a sibling host or plain http has put into the browser.
  test('A3: once users come by https, a pending login is read only from a cookie that is bound to the host', async () => {
    const { simulator } = app
    const callbackURL = 'https://app.example/auth/pagerduty/callback'
    const victim = await app.another({ options: { callbackURL }, trustProxy: true })
    const https = { 'X-Forwarded-Proto': 'https' }
    const attacker = new Browser()
    const begun = await attacker.visit(`${victim.url}/auth/pagerduty`, https)
    const state = queryOf(begun.headers.get('location') as string).get('state')
    expect(begun.headers.getSetCookie().length).toBe(1)
    expect(begun.headers.get('set-cookie')).toMatch(/^__Host-.*; Path=\/; HttpOnly; SameSite=Lax; Secure/)
    const [[name, value]] = [...attacker.cookies] as [[string, string]]
    const person = new Browser()
    const callback = `${victim.url}/auth/pagerduty/callback?code=x&state=${state}`
    for (const tossed of [name.slice('__Host-'.length), name.toLowerCase(), `x${name}`]) {
      person.cookies.set(tossed, value)
      expect(outcomeOf(await person.visit(callback, https))).toEqual(failed)
    }
    expect(simulator.calls.token.authorization_code).toBe(0)
    await attacker.visit(callback, https) // the same by its right name
    expect(simulator.calls.token.authorization_code).toBe(1)
  })

  test('A4: of six tabs the five newest come back, and each ends its own login only', async () => {
    const { victim } = app
    const browser = new Browser()
    const callbacks: string[] = []
    for (let tab = 0; tab < 6; tab++) {
      const begun = await victim.begin(browser, `/auth/pagerduty?returnTo=/tab/${tab}`)
      callbacks.push(await approve(begun))
    }
    expect(outcomeOf(await browser.visit(callbacks[0] as string))).toEqual(failed)
    for (const tab of [3, 1, 5, 2, 4]) {
      const finished = await browser.visit(callbacks[tab] as string)
      expect(outcomeOf(finished)).toEqual({ status: 302, location: `/tab/${tab}` })
      expect(await victim.userOf(browser)).toBe('PACME01')
    }
  })

  test('A4: a login that comes back after ten minutes starts over once, and after fifteen is over', async () => {
    const { simulator } = app
    const victim = await app.another()
    const browser = new Browser()
    const callback = await victim.approved(browser)
    await victim.order({ kind: 'clock', offset: 11 * minute })
    const again = await browser.visit(callback)
    expect(again.headers.get('location')).toContain('/oauth/authorize?')
    const second = await approve(again.headers.get('location') as string)
    await victim.order({ kind: 'clock', offset: 22 * minute })
    expect(outcomeOf(await browser.visit(second))).toEqual(failed)
    await victim.order({ kind: 'clock', offset: 27 * minute })
    expect(outcomeOf(await browser.visit(second))).toEqual(failed)
    expect(outcomeOf(await browser.visit(callback))).toEqual(failed)
    expect(simulator.calls.token.authorization_code).toBe(0)
    expect(await victim.userOf(browser)).toBeNull()
  })

  test('A7: no request can change where PagerDuty sends users back to', async () => {
    const redirectURI = `${app.victim.url}/auth/pagerduty/callback`
    const trusting = await app.another({ trustProxy: true, options: { callbackURL: redirectURI } })
    const forged: Record<string, string>[] = [
      { Host: 'evil.example' },
      { 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'http' },
      { Forwarded: 'host=evil.example;proto=http', 'X-Original-URL': '//evil.example/' },
      { 'X-Forwarded-Prefix': '//evil.example', 'X-Forwarded-Port': '1', Referer: 'https://evil.example/' },
    ]
    for (const { url } of [app.victim, trusting]) {
      for (const headers of forged) {
        const begun = await new Browser().visit(`${url}/auth/pagerduty`, headers)
        const location = begun.headers.get('location') as string
        expect(queryOf(location).get('redirect_uri')).toBe(redirectURI)
        expect(location).not.toContain('evil')
      }
    }
  })

  test('A8: no parameter of the authorization request comes from the author of the link', async () => {
    const { victim } = app
    const sound = queryOf(await victim.begin(new Browser()))
    const injected = [
      'redirect_uri=https://evil.example&client_id=evil&response_type=token&response_mode=form_post',
      'state=evil&nonce=evil&code_challenge=evil&code_challenge_method=plain&code_verifier=evil',
      'prompt=none&login_hint=evil&request_uri=https://evil.example&claims=evil&callbackURL=https://evil.example',
      'scope=write&scope[]=evil&scope=incidents.write%26redirect_uri%3Dhttps://evil.example',
      'scope=as_account-us.acme',
      'returnTo=/%26redirect_uri%3Dhttps://evil.example%23',
      '__proto__[redirect_uri]=https://evil.example&constructor[prototype][state]=evil',
    ]
    for (const query of injected) {
      const begun = queryOf(await victim.begin(new Browser(), `/auth/pagerduty?${query}`))
      expect([...begun.keys()]).toEqual([...sound.keys()])
      for (const name of ['redirect_uri', 'client_id', 'scope', 'response_type', 'code_challenge_method']) {
        expect([query, begun.get(name)]).toEqual([query, sound.get(name)])
      }
      expect(begun.toString()).not.toContain('evil')
    }
  })

  // Login and account linking by a link of another site: CVE-2015-9284 (omniauth).
  test('A10: a login that another site starts and another user completes leaves a session of the latter alone', async () => {
    const { victim } = app
    for (const path of ['/auth/pagerduty', '/auth/pagerduty?scope=services.read']) {
      const browser = await victim.logIn(new Browser(), 'PACME02')
      await browser.visit(`${victim.url}/views`)
      const before = browser.copy()
      const begun = await browser.visit(victim.url + path, { 'Sec-Fetch-Site': 'cross-site' })
      expect(await victim.userOf(browser)).toBe('PACME02')
      await browser.visit(await approve(begun.headers.get('location') as string, { user: 'PACME01' }))
      expect(await victim.userOf(browser)).toBe('PACME01')
      expect(await (await browser.visit(`${victim.url}/views`)).json()).toEqual({ views: 1 })
      expect(await victim.userOf(before)).toBeNull()
      expect((await before.fetch(`${victim.url}/me`)).status).toBe(401)
    }
  })

  test('A10: a logged-in user is never sent to grant a scope that the app has no use for', async () => {
    const { victim } = app
    const browser = await victim.logIn()
    for (const scope of ['as_account-us.acme', 'evil', 'schedules.write']) {
      const answer = await browser.visit(`${victim.url}/auth/pagerduty?scope=${scope}`)
      expect(outcomeOf(answer)).toEqual({ status: 403, location: null })
      expect(await answer.text()).not.toContain(scope)
    }
    expect(await victim.userOf(browser)).toBe('PACME01')
  })
})

forEachConfiguration(
  configurations,
  (app) => {
    // Checks that are not bound to the provider: CVE-2026-73419 (Auth.js).
    test('A3: a login begun at one instance is none at the other one of the same app', async () => {
      const { victim, simulator } = app
      const failed = refusal(app, 403)
      const browser = new Browser()
      const first = await victim.approved(browser)
      const atSecond = first.replace('/auth/pagerduty/', '/auth/second/')
      expect(outcomeOf(await browser.visit(atSecond))).toEqual(failed)
      const renamed = new Browser()
      for (const [name, value] of browser.cookies)
        renamed.cookies.set(name.replace('pagerduty', 'second'), value)
      expect(outcomeOf(await renamed.visit(atSecond))).toEqual(failed)
      expect(simulator.calls.token.authorization_code).toBe(0)

      const second = await approve(await victim.begin(browser, '/auth/second'), { user: 'PACME02' })
      const atFirst = second.replace('/auth/second/', '/auth/pagerduty/')
      expect(outcomeOf(await browser.visit(atFirst))).toEqual(failed)
      const mixed = altered(first, { code: undefined })
      expect((await browser.visit(mixed)).headers.get('location') ?? '/failed').toBe('/failed')
      expect(simulator.calls.token.authorization_code).toBe(0)
      await browser.visit(first)
      expect(await victim.userOf(browser)).toBe('PACME01')
      const other = new Browser()
      await other.visit(await approve(await victim.begin(other, '/auth/second'), { user: 'PACME02' }))
      const found = await other.fetch(`${victim.url}/second`)
      expect(await found.json()).toEqual({ user: 'PACME02' })
      expect(await victim.userOf(other)).toBeNull()
    })
  },
  {
    simulator: { clients: [defaultClient, secondClient] },
    victim: { second: true },
  },
)
