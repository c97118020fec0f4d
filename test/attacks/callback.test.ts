import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { approve } from '../../src/testing'
import { Browser } from '../support/browser'
import { altered } from '../support/drop-in'
import { type OnData, startRelay } from '../support/relay'
import { flood } from './support/flood'
import {
  type Configuration,
  type InConfiguration,
  dropIns,
  configurations,
  forEachConfiguration,
} from './support/configurations'
import { type Outcome, outcomeOf, refusal } from './support/outcome'

/** The attack redeemed no code and logged no one in, and the pending login still works. */
async function expectUnharmed({ victim, simulator }: InConfiguration, browser: Browser, callback: string) {
  expect(simulator.calls.token.authorization_code).toBe(0)
  expect(await victim.userOf(browser)).toBeNull()
  expect((await browser.visit(callback)).status).toBe(302)
  expect(await victim.userOf(browser)).toBe('PACME01')
}

/** Everything in a response, as one string. */
async function allOf(answer: Response): Promise<string> {
  return JSON.stringify([...answer.headers]) + (await answer.text())
}

/** A victim that reaches Redis through a relay. */
async function relayed(app: InConfiguration & Configuration, onData: OnData) {
  const relay = await startRelay(app.redis?.port as number, onData)
  const redis = `redis://127.0.0.1:${relay.port}`
  return { relay, victim: await app.another({ redis, options: { redis } }) }
}

forEachConfiguration(configurations, (app) => {
  const failed = (status: number): Outcome => refusal(app, status)

  // Omitted state: CVE-2026-81888 (hono), CVE-2023-27490 (next-auth); unchecked state: CVE-2025-68481, CVE-2025-14546.
  test('B1, B2: a callback whose state belongs to no login sends PagerDuty no request, logs no one in, and leaves the good one usable', async () => {
    const { victim } = app
    const browser = new Browser()
    const callback = await victim.approved(browser)
    const states: [string | undefined, number][] = [
      [undefined, 400],
      ['', 400],
      ['undefined', 403],
      ['null', 403],
      ['__proto__', 403],
      ['constructor', 403],
      ['x'.repeat(32), 403],
    ]
    for (const [state, status] of states) {
      const answer = await browser.visit(altered(callback, { state }))
      expect({ state, ...outcomeOf(answer) }).toEqual({ state, ...failed(status) })
      expect(await answer.text()).not.toMatch(/\n\s+at |node_modules|simulator-secret/)
    }
    const state = new URL(callback).searchParams.get('state') as string
    for (const almost of [state.slice(1), `${state}x`, state.toLowerCase(), ` ${state}`]) {
      expect(outcomeOf(await browser.visit(altered(callback, { state: almost })))).toEqual(failed(403))
    }
    await expectUnharmed(app, browser, callback)
  })

  test('B1: with its cookie gone, or anything else in its place, a callback comes to nothing', async () => {
    const { victim, simulator } = app
    const browser = new Browser()
    const callback = await victim.approved(browser)
    const [[name, value]] = [...browser.cookies] as [[string, string]]
    const other = new Browser()
    await victim.begin(other)
    const [foreign] = other.cookies.values()
    const [version, key, sealed = ''] = value.split('.')
    const flipped = sealed.slice(0, -3) + (sealed.at(-3) === 'A' ? 'B' : 'A') + sealed.slice(-2)
    const forged = [foreign, '', '{}', 'undefined', `${version}.${key}.`, `${version}.__proto__.${sealed}`]
    for (const cookie of [...forged, `${version}.${key}.${flipped}`, `0.${key}.${sealed}`]) {
      const thief = browser.copy()
      thief.cookies.set(name, String(cookie))
      expect(outcomeOf(await thief.visit(callback))).toEqual(failed(403))
      expect(await victim.userOf(thief)).toBeNull()
    }
    expect(outcomeOf(await new Browser().visit(callback))).toEqual(failed(403))
    expect(simulator.calls.token.authorization_code).toBe(0)
    await expectUnharmed(app, browser, callback)
  })

  // A state or PKCE cookie that passes for a session: CVE-2023-48309 (next-auth).
  test('B1: what is sealed for a pending login is no session, and a session no pending login', async () => {
    const { victim, simulator } = app
    const logged = await victim.logIn()
    const [[sessionCookie, session]] = [...logged.cookies] as [[string, string]]
    const browser = new Browser()
    const callback = await victim.approved(browser)
    const [[loginCookie, login]] = [...browser.cookies] as [[string, string]]
    simulator.resetCalls()
    const thief = new Browser()
    thief.cookies.set(sessionCookie, login)
    expect(await victim.userOf(thief)).toBeNull()
    thief.cookies.set(loginCookie, session)
    expect(outcomeOf(await thief.visit(callback))).toEqual(failed(403))
    expect(simulator.calls.token.authorization_code).toBe(0)
  })

  test('B3: twenty callbacks at once, at all processes, redeem the code once, and each one ends logged in', async () => {
    const { victim, simulator, redis } = app
    const callbackURL = `${victim.url}/auth/pagerduty/callback`
    const processes = redis ? [victim, await app.another({ options: { callbackURL } })] : [victim]
    const browser = new Browser()
    const callback = await victim.approved(browser)
    const tabs = Array.from({ length: 20 }, () => browser.copy())
    simulator.settings.tokenLatency = 200
    const answers = await Promise.all(
      tabs.map((tab, i) =>
        tab.visit(callback.replace(victim.url, processes[i % processes.length]?.url as string)),
      ),
    )
    simulator.settings.tokenLatency = 0
    expect(simulator.calls.token.authorization_code).toBe(1)
    expect(answers.map(outcomeOf)).toEqual(Array(20).fill({ status: 302, location: '/' }))
    const users = tabs.flatMap((tab) => processes.map((process) => process.userOf(tab)))
    expect(await Promise.all(users)).toEqual(Array(users.length).fill('PACME01'))
  })

  test('B3: the same callback once more sends its browser on, and is worth nothing to anybody else or after the logout', async () => {
    const { victim, simulator } = app
    const browser = new Browser()
    const callback = await victim.approved(browser)
    const thief = browser.copy()
    await browser.visit(callback)
    expect(outcomeOf(await browser.visit(callback))).toEqual({ status: 302, location: '/' })
    expect(await victim.userOf(browser)).toBe('PACME01')
    expect(outcomeOf(await new Browser().visit(callback))).toEqual(failed(403))
    await browser.fetch(`${victim.url}/auth/pagerduty/logout`, { method: 'POST' })
    // The cookie of the pending login, kept from before, opens still. The claim outlives it.
    expect(outcomeOf(await thief.visit(callback))).toEqual(failed(403))
    expect(await victim.userOf(thief)).toBeNull()
    expect(simulator.calls.token.authorization_code).toBe(1)
  })

  test('B4: nothing but GET redeems a code', async () => {
    const { victim, style } = app
    const browser = new Browser()
    const callback = await victim.approved(browser)
    const { search } = new URL(callback)
    const drops = { HEAD: 405, POST: 405, PUT: 405, OPTIONS: 405 }
    const byHand = { HEAD: 302, POST: 404, PUT: 404, OPTIONS: 200 }
    for (const [method, status] of Object.entries(style === 'drop-in' ? drops : byHand)) {
      expect([method, (await browser.fetch(callback, { method })).status]).toEqual([method, status])
    }
    const form = { 'Content-Type': 'application/x-www-form-urlencoded', 'X-HTTP-Method-Override': 'GET' }
    const bare = callback.replace(search, '')
    await browser.fetch(bare, { method: 'POST', headers: form, body: search.slice(1) })
    await expectUnharmed(app, browser, callback)
  })

  test('B5: an issuer that is named has to be PagerDuty, byte for byte and once', async () => {
    const { victim } = app
    const browser = new Browser()
    const callback = await victim.approved(browser)
    const issuer = 'https://app.pagerduty.com/global/oauth/anonymous'
    const foreign = ['https://evil.example', `${issuer}/`, issuer.toUpperCase(), `${issuer} `, `${issuer}\0`]
    for (const iss of foreign) {
      expect(outcomeOf(await browser.visit(altered(callback, { iss })))).toEqual(failed(400))
    }
    const right = altered(callback, { iss: issuer })
    for (const twice of [`${right}&iss=${issuer}`, `${right}&iss[]=${issuer}`, `${right}&iss=`]) {
      expect(outcomeOf(await browser.visit(twice))).toEqual(failed(400))
    }
    await expectUnharmed(app, browser, right)
  })

  // Parsers that make objects of parameters: CVE-2022-24999, CVE-2025-15284 (qs).
  test('B6: with either query parser, parameters of an unexpected shape are rejected', async () => {
    const queryParser = app.express === 4 ? 'simple' : 'extended' // the other one of each is the default
    for (const victim of [app.victim, await app.another({ queryParser })]) {
      app.simulator.resetCalls()
      const browser = new Browser()
      const callback = await victim.approved(browser)
      const { searchParams } = new URL(callback)
      const state = `state=${searchParams.get('state')}`
      const code = `code=${searchParams.get('code')}`
      const good = `${state}&${code}`
      const queries = [
        `${good}&code=other`,
        `${good}&state=other`,
        `${good}&state=`,
        `${good}&code[]=other`,
        `${state}&code[]=a&code[]=b`,
        `${state}&code[x]=1`,
        `${state}&code.x=1`,
        `${state}&code[__proto__][x]=1`,
        `${code}&state[${'['.repeat(50)}=1`,
        `${good}&state[constructor][prototype][polluted]=1`,
        `${good}&error[]=access_denied`,
        `${state}&code=`,
        `${state}&code=a%00b`,
        `${state}&code=a%0d%0aSet-Cookie:%20a=b`,
        `${state}&code=%ED%A0%80`,
        `${state}&code=%FF%FE`,
        `${state}&code=${'x'.repeat(12_000)}`,
        `${good}${'&code=x'.repeat(1_000)}`,
        '',
        '&',
        '%',
        '=&=&=',
      ]
      for (const query of queries) {
        const answer = await browser.visit(`${victim.url}/auth/pagerduty/callback?${query}`)
        expect({ query, ...outcomeOf(answer) }).toEqual({ query, ...failed(400) })
      }
      // Names that are none of ours, whatever they would do to an object, are left alone.
      const more = `__proto__[polluted]=1&constructor.prototype.polluted=1&hasOwnProperty=1&toString=1`
      await expectUnharmed({ ...app, victim, simulator: app.simulator }, browser, `${callback}&${more}`)
    }
  })

  test('B6: a code of a megabyte, and bytes that no URL has, end before the app', async () => {
    const { victim } = app
    const browser = new Browser()
    const callback = await victim.approved(browser)
    for (const code of ['x'.repeat(1024 * 1024), '\xff\xfe\xed\xa0\x80', 'a\nb', 'a\0b']) {
      const socket = connect(Number(new URL(victim.url).port), '127.0.0.1')
      socket.on('error', () => {}) // It may be cut off while it still sends.
      const ended = new Promise((resolve) => socket.on('close', resolve).resume())
      const target = `/auth/pagerduty/callback?code=${code}&state=x`
      socket.end(`GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`, 'latin1')
      await ended
    }
    expect(victim.isAlive).toBe(true)
    await expectUnharmed(app, browser, callback)
  })

  // Reflection of a callback's error: CVE-2021-32702 (nextjs-auth0).
  test('B7: nothing of an error response comes back in body, headers, flash message or log', async () => {
    const { victim, simulator } = app
    const hostile = {
      error: '<script>CANARY</script>',
      error_description: 'CANARY\r\nSet-Cookie: CANARY=1',
      error_uri: 'javascript:CANARY',
      CANARY: '${CANARY}',
    }
    const paths = ['/auth/pagerduty/callback', '/flash']
    const inputs = [hostile, { ...hostile, error: 'access_denied' }, { ...hostile, code: 'CANARY' }]
    for (const path of paths) {
      for (const input of inputs) {
        for (const hasState of [true, false]) {
          const browser = new Browser()
          const callback = new URL(await victim.approved(browser))
          const { state, code } = Object.fromEntries(callback.searchParams) as { state: string; code: string }
          callback.pathname = path
          callback.search = String(new URLSearchParams({ ...input, ...(hasState && { state }) }))
          for (const headers of [Browser.navigation, { Accept: 'application/json' }]) {
            const answer = await browser.fetch(callback.href, { headers })
            expect(answer.status).toBeLessThan(500)
            expect(await allOf(answer)).not.toContain('CANARY')
          }
          expect(await allOf(await browser.visit(`${victim.url}/flashed`))).not.toContain('CANARY')
          // With the right state, that was the one response to the login, and its code is worthless.
          const isGone = hasState && !('code' in input)
          const url = `${victim.url}/auth/pagerduty/callback?${new URLSearchParams({ state, code }).toString()}`
          await browser.visit(url)
          expect(await victim.userOf(browser)).toBe(isGone ? null : 'PACME01')
        }
      }
    }
    expect(victim.output).not.toContain('CANARY')
    expect(simulator.calls.token.authorization_code).toBe(8)
  })

  test('B7: a flash message describes a denied login in our own words', async () => {
    const { victim } = app
    const browser = new Browser()
    const callback = new URL(await approve(await victim.begin(browser), { decision: 'deny' }))
    callback.pathname = '/flash'
    await browser.visit(callback.href)
    const flashed = await browser.fetch(`${victim.url}/flashed`)
    expect(await flashed.json()).toEqual(['Access was denied at PagerDuty'])
  })

  test('B8: code and error together are neither', async () => {
    const { victim } = app
    const browser = new Browser()
    const callback = await victim.approved(browser)
    for (const error of ['access_denied', 'server_error', 'x']) {
      expect(outcomeOf(await browser.visit(altered(callback, { error })))).toEqual(failed(400))
    }
    await expectUnharmed(app, browser, callback)
  })

  // Session fixation: CVE-2022-25896 (passport), CVE-2021-41246 (express-openid-connect), CVE-2023-29019 (@fastify/passport).
  test('B9: a session that was planted before the login is worth nothing after it, and its data is gone', async () => {
    const { victim } = app
    const attacker = new Browser()
    await attacker.visit(`${victim.url}/views`)
    expect(await (await attacker.visit(`${victim.url}/views`)).json()).toEqual({ views: 2 })
    const person = attacker.copy()
    await victim.logIn(person)
    expect(await victim.userOf(attacker)).toBeNull()
    expect(await (await attacker.visit(`${victim.url}/views`)).json()).toEqual({ views: 1 })
    expect(await (await person.visit(`${victim.url}/views`)).json()).toEqual({ views: 1 })
    expect(await victim.userOf(person)).toBe('PACME01')
  })

  test('B9: nor is a planted session that is logged in as the attacker', async () => {
    const { victim } = app
    const attacker = await victim.logIn(new Browser(), 'PACME02')
    const person = attacker.copy()
    await victim.logIn(person)
    expect(await victim.userOf(person)).toBe('PACME01')
    expect(await victim.userOf(attacker)).toBeNull()
    expect((await attacker.fetch(`${victim.url}/me`)).status).toBe(401)
  })

  test('B11: no response of a login may be cached, and none passes on a code or a referrer', async () => {
    const { victim, simulator } = app
    const browser = new Browser()
    const begun = await browser.visit(`${victim.url}/auth/pagerduty`)
    const callback = await approve(begun.headers.get('location') as string)
    const finished = await browser.visit(callback)
    const again = await browser.visit(callback)
    const denied = await browser.visit(await approve(await victim.begin(browser), { decision: 'deny' }))
    const stray = await new Browser().visit(callback)
    simulator.failNext('token', '500')
    const broken = await new Browser().visit(callback)
    for (const answer of [begun, finished, again, denied, stray, broken]) {
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'cache-control': 'no-store', // CVE-2025-48947 (nextjs-auth0), CVE-2025-64762 (authkit-nextjs)
        pragma: 'no-cache',
        'referrer-policy': 'no-referrer',
      })
      expect(await answer.text()).not.toMatch(
        /<script|<img|<link(?! rel="icon" href="data:,")|src=|https?:\/\//,
      )
    }
    for (const answer of [finished, again, denied, stray, broken]) {
      expect(answer.headers.get('location') ?? '').not.toMatch(/code|state/)
    }
  })

  // Open redirects: CVE-2025-27143, CVE-2025-71403 (better-auth), GHSA-7p99-3798-f85c (express-openid-connect),
  // CVE-2024-29041 (express); one that throws: CVE-2022-31093 (next-auth).
  test('B12: whatever returnTo says, a login ends in this app', async () => {
    const { victim } = app
    const plain = [
      '//evil.example',
      '///evil.example',
      '/\\evil.example',
      '\\\\evil.example',
      '/.//evil.example',
      '/a/..//evil.example',
      '/%2e//evil.example',
      'https:evil.example',
      'https://evil.example/',
      'https://evil.example\\@127.0.0.1',
      `${victim.url}@evil.example`,
      `${victim.url}.evil.example`,
      'javascript:alert(1)',
      'data:text/html,x',
      '/\t/evil.example',
      '\t//evil.example',
      '/\0',
      '/a\r\nSet-Cookie: evil=1',
      '/\r\n\r\n<script>evil</script>',
      `/${'a'.repeat(10_240)}`,
      '@evil.example',
      '',
      'undefined',
    ].map((text) => `returnTo=${encodeURIComponent(text)}`)
    const raw = ['returnTo=%', 'returnTo=%ff%fe', 'returnTo[]=//evil.example', 'returnTo.x=//evil.example']
    for (const query of [...plain, ...raw, 'returnTo=', 'returnTo']) {
      const browser = new Browser()
      const begun = await victim.begin(browser, `/auth/pagerduty?${query}`)
      const finished = await browser.visit(await approve(begun))
      expect({ query, ...outcomeOf(finished) }).toEqual({ query, status: 302, location: '/' })
      expect(finished.headers.get('set-cookie')).not.toContain('evil')
    }
    const encoded = ['/%2f%2fevil.example', '/%5cevil.example', '/%09/evil.example', '/?next=//evil.example']
    for (const path of encoded) {
      const browser = new Browser()
      const query = new URLSearchParams([
        ['returnTo', path],
        ['returnTo', '//evil.example'],
      ]).toString()
      const finished = await browser.visit(
        await approve(await victim.begin(browser, `/auth/pagerduty?${query}`)),
      )
      expect(outcomeOf(finished)).toEqual({ status: 302, location: path })
      expect(new URL(path, victim.url).origin).toBe(victim.url)
    }
  })

  // Success by absence: CVE-2021-41580 (passport-oauth2).
  test('B13: a response without a bearer token logs no one in', async () => {
    const { victim, simulator, style } = app
    const sound = { access_token: 'a', token_type: 'bearer', expires_in: 60, scope: 'openid' }
    const bodies: unknown[] = [
      { error: 'invalid_grant' },
      {},
      null,
      [],
      'access_token=a&token_type=bearer',
      { ...sound, token_type: 'mac' },
      { ...sound, token_type: undefined },
      { ...sound, token_type: ['bearer'] },
      { ...sound, access_token: undefined },
      { ...sound, access_token: '' },
      { ...sound, access_token: 5 },
      { ...sound, access_token: true },
      { ...sound, access_token: ['a'] },
      { ...sound, access_token: { toString: 'a' } },
      { ...sound, access_token: 'a\r\nb' },
      { ...sound, error: 'access_denied' },
      sound, // without an id_token
    ]
    for (const body of bodies) {
      const browser = new Browser()
      const callback = await victim.approved(browser)
      simulator.failNext('token', { status: 200, body })
      const answer = await browser.visit(callback)
      const isRefused =
        [400, 403, 503].includes(answer.status) || (style === 'parts' && answer.status === 302)
      expect({ body, isRefused, user: await victim.userOf(browser) }).toEqual({
        body,
        isRefused: true,
        user: null,
      })
      expect(answer.headers.get('location') ?? '/failed').toBe('/failed')
    }
    await victim.logIn()
  })

  test('B13: a code that was issued to another user’s login is worthless here', async () => {
    const { victim, simulator } = app
    const attacker = new URL(await victim.approved(new Browser(), 'PACME02')).searchParams.get(
      'code',
    ) as string
    const browser = new Browser()
    const callback = await victim.approved(browser)
    const answer = await browser.visit(altered(callback, { code: attacker }))
    expect(outcomeOf(answer)).toEqual(failed(400))
    expect(await victim.userOf(browser)).toBeNull()
    expect(simulator.calls.token.authorization_code).toBe(1)
  })

  test('B14: where verify throws or denies the login, there is no half login, and the tokens are revoked', async () => {
    const { simulator } = app
    const env = { NODE_ENV: 'production' }
    for (const [verify, expected] of [
      ['throws', { status: 500, location: null }],
      ['refuses', failed(403)],
    ] as const) {
      simulator.resetCalls()
      const victim = await app.another({ verify, env })
      const browser = new Browser()
      const answer = await browser.visit(await victim.approved(browser))
      expect(outcomeOf(answer)).toEqual(expected)
      expect(await answer.text()).not.toMatch(/user table|\n\s+at /)
      expect(await victim.userOf(browser)).toBeNull()
      await victim.order({ kind: 'close' })
      expect(simulator.calls.revoke).toBe(1)
    }
  })
})

forEachConfiguration(
  configurations.filter(({ store }) => store === 'redis'),
  (app) => {
    // Responses that went to another user under load: CVE-2026-40155 (nextjs-auth0).
    test('B10: a hundred browsers that go on at once are logged in behind a slow Redis, each as who they are', async () => {
      const { relay, victim } = await relayed(app, () => pause(25))
      const users = ['PACME01', 'PACME02', 'PGLBX01', 'PGLBX02']
      const found: [string, string | null][] = []
      await flood(100, async (i) => {
        const user = users[i % users.length] as string
        const browser = await victim.logIn(new Browser(), user)
        found.push([user, await victim.userOf(browser)])
      })
      await relay.close()
      expect(found.length).toBe(100)
      expect(found.filter(([expected, user]) => expected !== user)).toEqual([])
    })

    test('B15: between a callback and its code exchange lie two commands at the most, so that no queue eats the code’s 30 s', async () => {
      let commands = 0
      const { relay, victim } = await relayed(app, (direction, chunk) => {
        if (direction === 'out') commands += chunk.toString('latin1').match(/^\*\d+\r$/gm)?.length ?? 0
      })
      await victim.logIn()
      const browser = new Browser()
      await browser.visit(`${victim.url}/views`)
      const callback = await victim.approved(browser)
      let before: number | undefined
      app.simulator.settings.tokenFault = () => {
        before = commands
        return undefined
      }
      commands = 0
      await browser.visit(callback)
      app.simulator.settings.tokenFault = undefined
      expect(before).toBe(2) // the session is read, the login is claimed
      expect(await victim.userOf(browser)).toBe('PACME01')
      await relay.close()
    })
  },
)

// With the individual middleware, the app's own store keeps the session, and may wait for its Redis as long as it likes.
forEachConfiguration(
  dropIns.filter(({ store }) => store === 'redis'),
  (app) => {
    test('B14: when Redis goes away between the tokens and the session, no user is half logged in', async () => {
      const session = /\bset\r\n[^]*\r\npagerduty:sess:/i
      let isArmed = true
      const { relay, victim } = await relayed(app, (direction, chunk) => {
        if (isArmed && direction === 'out' && session.test(chunk.toString('latin1'))) relay.mode = 'refuse'
      })
      const browser = new Browser()
      const failedLogin = await browser.visit(await victim.approved(browser))
      expect(outcomeOf(failedLogin)).toEqual({ status: 503, location: null })
      expect(failedLogin.headers.get('retry-after')).toBe('2')
      expect(app.simulator.calls.token.authorization_code).toBe(1)
      isArmed = false
      relay.mode = 'pass'
      expect(await victim.userOf(browser)).toBeNull()
      await victim.logIn(browser)
      expect(await victim.userOf(browser)).toBe('PACME01')
      await relay.close()
    })
  },
)
