import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { PagerDutyOptions } from '../../src'
import { Browser } from '../support/browser'
import {
  type Behaviour,
  FaultServer,
  bytes,
  flood,
  html,
  json,
  noHTTP,
  redirect,
  resetBeforeHeaders,
  resetMidBody,
  shortOfLength,
  stallBeforeHeaders,
  stallMidBody,
  trickle,
  truncatedChunked,
} from '../support/fault-server'
import { claimsOf } from '../support/good-id-token'
import { rsaKey } from '../support/keys'
import { configurations, forEachConfiguration } from './support/configurations'
import { type LoginAtHand, signed } from './support/id-tokens'
import { Victim } from './support/start-victim'
import { WickedPagerDuty, canary } from './support/wicked-pagerduty'

let pagerduty: WickedPagerDuty
let evil: FaultServer
beforeAll(async () => {
  pagerduty = await WickedPagerDuty.start()
  evil = await FaultServer.start()
  evil.behave = (res, request) => pagerduty.answer()(res, request)
})
afterAll(async () => {
  await pagerduty.close()
  await evil.close()
})
beforeEach(() => {
  pagerduty.reset()
  evil.requests.length = 0
})

/** Read when an app is started, by when the wicked PagerDuty has its port. */
const settings = {
  get victim() {
    return { options: pagerduty.options }
  },
}

/** Pauses after failures are not shared by the processes of a test. */
const inMemory = configurations.filter(({ store }) => store === 'memory').slice(-1)

const minute = 60_000
const hour = 60 * minute
const good = { access_token: 'pdus+_0', token_type: 'bearer', expires_in: 60, scope: 'incidents.read' }
const text = JSON.stringify(good)
const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '))
const isGzip = (times: number) => ({ 'Content-Encoding': Array(times).fill('gzip').join(', ') })

const unreachable = 'ERR_PAGERDUTY_TOKEN_UNREACHABLE'
const unavailable = 'ERR_PAGERDUTY_TOKEN_UNAVAILABLE'
const noToken = 'ERR_PAGERDUTY_TOKEN_RESPONSE'

/** What a faulty or an evil token endpoint does at once. */
const faults: [string, string, () => Behaviour][] = [
  [
    'a 307 to another origin (fetch posts the body there)',
    noToken,
    () => redirect(307, `${evil.url}/oauth/token`),
  ],
  ['a 308 to another origin', noToken, () => redirect(308, `${evil.url}/oauth/token`)],
  ['a reset in the middle of the body', unreachable, () => resetMidBody],
  ['an error page of a proxy', unavailable, () => html(502)],
  ['null, which ended the process with node-oauth', noToken, () => json('null')],
  ['a 302 to another origin', noToken, () => redirect(302, `${evil.url}/oauth/token?access_token=a`)],
  ['a reset before the headers', unreachable, () => resetBeforeHeaders],
  ['a body short of its length', unreachable, () => shortOfLength],
  ['a body that ends before its last chunk', unreachable, () => truncatedChunked],
  ['no HTTP', unreachable, () => noHTTP],
  ['HTML with access_token= in it', noToken, () => html(200, 'access_token=a&token_type=bearer')],
  ['JSON called HTML', noToken, () => html(200, text)],
  ['nothing', noToken, () => json('')],
  ['a list', noToken, () => json([good])],
  ['a text', noToken, () => json('"pdus+_0"')],
  ['half an object', noToken, () => json(text.slice(0, -1))],
  ['nesting without end', noToken, () => json('['.repeat(30_000))],
  ['UTF-16', noToken, () => bytes(Buffer.from(`\ufeff${text}`, 'utf16le'))],
  ['Latin-1', noToken, () => bytes(Buffer.from(text.replace('incidents', 'incid\u00e9nts'), 'latin1'))],
  ['200 MB', noToken, () => flood(200 * 1024 * 1024).behave],
  ['64 MB in 64 KB of gzip', noToken, () => bytes(bomb, 200, isGzip(1))],
  ['the same, packed once more', noToken, () => bytes(gzipSync(bomb), 200, isGzip(2))],
  ['a thousand encodings (CVE-2026-22036)', unreachable, () => bytes(gzipSync(text), 200, isGzip(1000))],
  ['no access token at all (CVE-2021-41580)', noToken, () => json({ token_type: 'bearer' })],
  ['an access token that is an object', noToken, () => json({ ...good, access_token: { a: 1 } })],
  ['an access token with a line break', noToken, () => json({ ...good, access_token: 'a\r\nX: y' })],
  ['another type of token', noToken, () => json({ ...good, token_type: 'mac' })],
  ['a token that is only inherited', noToken, () => json(`{"__proto__":${text}}`)],
  ['another status than 200', unavailable, () => json(good, 201)],
]

/** A login, and what came of it. */
async function logInInVain(victim: Victim) {
  const browser = new Browser()
  const finished = await pagerduty.tryLogIn(victim, browser)
  const { status } = await browser.fetch(`${victim.url}/me`)
  return {
    status: finished.status,
    code: /ERR_PAGERDUTY_\w+/.exec(await finished.text())?.[0],
    cookies: [...browser.cookies.keys()],
    user: await victim.userOf(browser),
    me: status,
  }
}
const nobody = { cookies: [], user: null, me: 401 }

/** A guarded request of a script. */
async function ask(victim: Victim, browser: Browser, path = '/me') {
  const answer = await browser.fetch(victim.url + path)
  const { code, user, scope } = (await answer.json()) as Record<string, unknown>
  return { status: answer.status, code, user, scope, retryAfter: answer.headers.get('retry-after') }
}

/** The forms of one grant type that have come in. */
function sent(grantType: string): URLSearchParams[] {
  return pagerduty
    .requests('token')
    .map(({ form }) => form)
    .filter((form) => form.get('grant_type') === grantType)
}

/** What an app token fails with. */
function appTokenFailure(victim: Victim, scope: string): Promise<string> {
  return victim.order({ kind: 'token', scope: [scope] }).then(
    () => 'It was issued',
    (error: Error) => error.message,
  )
}

const sentences = {
  [unreachable]: 'could not be reached or broke off',
  [unavailable]: 'responded with an error: HTTP status',
  [noToken]: 'responded with ',
}

forEachConfiguration(
  configurations,
  (app) => {
    test.each(faults)('C1: %s fails a login and logs no one in', async (_name, code, fault) => {
      pagerduty.token = fault()
      expect(await logInInVain(app.victim)).toEqual({ ...nobody, status: 503, code })
      expect(evil.requests).toHaveLength(0)
      expect(app.victim.isAlive).toBe(true)
    })

    test('C1: an error in a 200 is that error (CVE-2021-41580)', async () => {
      pagerduty.token = json({ ...good, error: 'invalid_grant' })
      expect(await logInInVain(app.victim)).toMatchObject(nobody)
    })

    test('C1: whatever goes wrong with a refresh logs no user out, and passes', async () => {
      const { victim } = app
      await survives(victim)
      expect(victim.isAlive).toBe(true)
    })

    test('C1: whatever befalls an app token, the failure is a clean one', async () => {
      const { victim } = app
      for (const [position, [name, code, fault]] of faults.entries()) {
        pagerduty.token = fault()
        const failure = await appTokenFailure(victim, `fault${position}.read`)
        expect({ name, failure }).toEqual({
          name,
          failure: expect.stringContaining(`TokenEndpointError: PagerDuty’s token endpoint`),
        })
        expect(failure).toContain(sentences[code as keyof typeof sentences])
        // One success between two failures: the endpoint is not down.
        pagerduty.token = pagerduty.answer()
        expect(await victim.order({ kind: 'token', scope: [`good${position}.read`] })).toContain(
          'as_account-us.acme',
        )
      }
      expect(evil.requests).toHaveLength(0)
    })

    test('C2: a confidential client sends its secret once, in the body, with each grant', async () => {
      const { victim } = app
      const browser = await pagerduty.logIn(victim)
      await pagerduty.pass(victim, 2 * hour)
      expect(await ask(victim, browser)).toMatchObject({ status: 200 })
      await victim.order({ kind: 'token', scope: ['incidents.read'] })
      const requests = pagerduty.requests('token')
      expect(requests.map(({ form }) => form.get('grant_type'))).toEqual([
        'authorization_code',
        'refresh_token',
        'client_credentials',
      ])
      for (const { form, headers, url } of requests) {
        expect(form.getAll('client_secret')).toEqual([`${canary}-client-secret`])
        expect(headers.authorization).toBeUndefined()
        expect(url).toBe('/oauth/token')
      }
    })

    test('C5: a refresh that brings no new refresh token leaves the one before (simple-oauth2 wrote undefined)', async () => {
      const { victim } = app
      const browser = await pagerduty.logIn(victim)
      const held = pagerduty.lastAnswer['refresh_token']
      for (const refresh_token of [undefined, null, '']) {
        pagerduty.token = pagerduty.answer({ refresh_token })
        await pagerduty.pass(victim, 2 * hour)
        expect(await ask(victim, browser)).toMatchObject({ status: 200 })
      }
      pagerduty.token = pagerduty.answer({ refresh_token: 'pdrt+_new' })
      for (let n = 0; n < 2; n++) {
        await pagerduty.pass(victim, 2 * hour)
        expect(await ask(victim, browser)).toMatchObject({ status: 200 })
      }
      const presented = sent('refresh_token').map((form) => form.get('refresh_token'))
      expect(presented).toEqual([held, held, held, held, 'pdrt+_new'])
    })

    test('C6: a scope that is left out is the requested one, or the previous one', async () => {
      const { victim } = app
      pagerduty.token = pagerduty.answer({ scope: undefined })
      const browser = await pagerduty.logIn(victim)
      const { scope } = await ask(victim, browser)
      expect(scope).toEqual(expect.arrayContaining(['incidents.read', 'users.read']))
      await pagerduty.pass(victim, 2 * hour)
      expect(await ask(victim, browser)).toMatchObject({ status: 200, scope })
      expect(sent('refresh_token')).toHaveLength(1)
      expect(await ask(victim, browser, '/incidents')).toMatchObject({ status: 200 })
    })

    test('C6: the scope that comes back decides, at the login and at a refresh: 403, no error and no circle', async () => {
      const { victim } = app
      pagerduty.token = pagerduty.answer({ scope: 'openid' })
      const before = await victim.handled()
      const browser = await pagerduty.logIn(victim)
      expect(await ask(victim, browser, '/incidents')).toMatchObject({
        status: 403,
        code: 'insufficient_scope',
      })
      expect(await victim.handled()).toBe(before)
      // A browser is sent for it once, and then told.
      const sentOff = await browser.visit(`${victim.url}/incidents`)
      expect(sentOff.status).toBe(302)
      const authorizeURL = await victim.begin(browser, sentOff.headers.get('location') as string)
      const back = await browser.visit(pagerduty.consent(authorizeURL))
      expect([back.status, back.headers.get('location')]).toEqual([302, '/incidents'])
      expect((await browser.visit(`${victim.url}/incidents`)).status).toBe(403)
      expect(await victim.handled()).toBe(before)

      pagerduty.token = pagerduty.answer({ scope: 'incidents.read services.read' })
      const wide = await pagerduty.logIn(victim)
      expect(await ask(victim, wide, '/incidents')).toMatchObject({ status: 200 })
      pagerduty.token = pagerduty.answer({ scope: 'services.read' })
      await pagerduty.pass(victim, 2 * hour)
      expect(await ask(victim, wide)).toMatchObject({ status: 200, scope: ['services.read'] })
      expect(await ask(victim, wide, '/incidents')).toMatchObject({ status: 403, code: 'insufficient_scope' })
    })

    test('app tokens that are requested at once each have their own scopes, whatever the order (GHSA-qxj7-2x7w-3mpp)', async () => {
      const { victim } = app
      const sets = [
        ['incidents.read'],
        ['users.read'],
        ['incidents.read', 'users.read'],
        ['services.read', 'users.read'],
      ]
      const asked = Array.from({ length: 6 }, (_, round) =>
        sets.map((scope) => (round % 2 === 0 ? scope : scope.toReversed())),
      ).flat()
      const issued = await Promise.all(asked.map((scope) => victim.order({ kind: 'token', scope })))
      expect(issued.map((scope) => [...scope].sort())).toEqual(
        asked.map((scope) => ['as_account-us.acme', ...scope].sort()),
      )
      expect(sent('client_credentials').length).toBeLessThanOrEqual(sets.length)
    })
  },
  settings,
)

/** After a failure there is no request for a second; in Redis, that second is one of Redis's own clock. */
async function untilServed(victim: Victim, browser: Browser): Promise<void> {
  while ((await ask(victim, browser)).status === 503) {
    await pagerduty.pass(victim, 10_000)
    await pause(50)
  }
}

/** Refreshes that fail, one user for each fault. */
async function survives(victim: Victim): Promise<void> {
  pagerduty.token = pagerduty.answer({ expires_in: 60 })
  // A user whose refreshes succeed, so that PagerDuty does not count as down for all.
  const lucky = await pagerduty.logIn(victim)
  const people: Browser[] = []
  for (const _fault of faults) people.push(await pagerduty.logIn(victim))
  for (const [position, [name, code, fault]] of faults.entries()) {
    const browser = people[position] as Browser
    await pagerduty.pass(victim, 70_000)
    pagerduty.token = fault()
    const asked = await ask(victim, browser)
    expect({ name, ...asked }).toMatchObject({ name, status: 503, code, retryAfter: expect.any(String) })
    expect(await victim.userOf(browser)).toBe('PUSER01')
    pagerduty.token = pagerduty.answer({ expires_in: 60 })
    expect(await ask(victim, lucky)).toMatchObject({ status: 200 })
  }
  expect(evil.requests).toHaveLength(0)
  for (const browser of people) {
    await untilServed(victim, browser)
    expect(await ask(victim, browser)).toMatchObject({ status: 200 })
  }
}

forEachConfiguration(
  configurations,
  (app) => {
    test('C1: floods and bombs are not kept', async () => {
      const { victim } = app
      const attack = async () => {
        for (const behave of [flood(200 * 1024 * 1024).behave, bytes(bomb, 200, isGzip(1))]) {
          pagerduty.token = behave
          const attempts = Array.from({ length: 3 }, () => logInInVain(victim))
          for (const outcome of await Promise.all(attempts))
            expect(outcome).toMatchObject({ ...nobody, code: noToken })
        }
      }
      await attack()
      const before = await victim.order({ kind: 'size' })
      for (let round = 0; round < 3; round++) await attack()
      const after = await victim.order({ kind: 'size' })
      expect(after.rss - before.rss).toBeLessThan(20 * 1024 * 1024)
      expect(after.peak - before.peak).toBeLessThan(20 * 1024 * 1024)
    })

    test('C2: a public client sends none, not even an empty one', async () => {
      const { identityURL, apiURL, clientID } = pagerduty.options as Record<string, string>
      const options = { identityURL, apiURL, clientID, appType: 'classic', scope: 'read' } as PagerDutyOptions
      const { express, style } = app
      const classic = await Victim.start(undefined, { express, style, options })
      const browser = await pagerduty.logIn(classic)
      await pagerduty.pass(classic, 2 * hour)
      expect(await ask(classic, browser)).toMatchObject({ status: 200 })
      const bodies = pagerduty.requests('token').map(({ body }) => body)
      expect(bodies).toHaveLength(2)
      for (const body of bodies) expect(body).not.toContain('client_secret')
      expect(classic.problems).toEqual([])
      await classic.stop()
    })

    test('C3: members that belong to a prototype, are unknown or occur twice leave no trace', async () => {
      const { victim } = app
      const { token_type: _type, ...typeless } = good
      const pollution = { access_token: 'evil', token_type: 'bearer', polluted: 1, user: 'evil' }
      const pollute = (body: string) =>
        body.replace(
          '{',
          `{"__proto__":${JSON.stringify(pollution)},"constructor":{"prototype":${JSON.stringify(pollution)}},"expires_in":1,"odd":[],`,
        )
      pagerduty.token = pagerduty.answer({}, undefined, pollute)
      const browser = await pagerduty.logIn(victim)
      await pagerduty.pass(victim, 5_000)
      expect(await ask(victim, browser)).toMatchObject({ status: 200 })
      await victim.order({ kind: 'token', scope: ['users.read'] })
      // Of a name that stands twice the last counts: it did not end after a second.
      expect(sent('refresh_token')).toHaveLength(0)
      // If anything had stuck to Object.prototype, these would be tokens, and a user would be logged in.
      for (const body of [{}, typeless]) {
        pagerduty.token = json(body)
        expect(await logInInVain(victim)).toEqual({ ...nobody, status: 503, code: noToken })
      }
      pagerduty.token = pagerduty.answer({}, undefined, (body) => `\ufeff \r\n${body}`)
      await pagerduty.logIn(victim)
    })

    const lives: [string, string | undefined, number][] = [
      ['no expires_in', undefined, 300],
      ['null', 'null', 300],
      ['a number', '3600', 3600],
      ['a numeric text', '"3600"', 3600],
      ['0', '0', 5],
      ['a negative one', '-1', 5],
      ['a fraction', '0.5', 5],
    ]
    test('C4: an expires_in counts as what it is, and never makes a token be refreshed in a circle', async () => {
      const { victim } = app
      for (const [position, [name, value, seconds]] of lives.entries()) {
        const at = pagerduty.now + position * 10 * 3600
        const withLife = (body: string) =>
          body.replace('"expires_in":3600,', value === undefined ? '' : `"expires_in":${value},`)
        pagerduty.reset()
        await pagerduty.stopClock(victim, at)
        pagerduty.token = pagerduty.answer({}, undefined, withLife)
        const browser = await pagerduty.logIn(victim)
        // In its last tenth it may be renewed ahead of its end.
        await pagerduty.stopClock(victim, at + Math.floor(seconds * 0.89))
        for (let n = 0; n < 5; n++) expect(await ask(victim, browser)).toMatchObject({ status: 200 })
        expect({ name, refreshes: sent('refresh_token').length }).toEqual({ name, refreshes: 0 })
        pagerduty.token = pagerduty.answer()
        await pagerduty.stopClock(victim, at + seconds + 1)
        for (let n = 0; n < 5; n++) expect(await ask(victim, browser)).toMatchObject({ status: 200 })
        expect({ name, refreshes: sent('refresh_token').length }).toEqual({ name, refreshes: 1 })
      }
      await pagerduty.pass(victim, 0)
    })

    test('C4: an expires_in beyond the timers, or beyond all numbers, is a long life', async () => {
      const { victim } = app
      for (const value of ['2592000', '1e308', '1e400', `"${'9'.repeat(400)}"`]) {
        pagerduty.token = pagerduty.answer({}, undefined, (body) =>
          body.replace(/(?<="expires_in":)3600/, value),
        )
        const browser = await pagerduty.logIn(victim)
        await pagerduty.pass(victim, 7 * hour)
        for (let n = 0; n < 5; n++) expect(await ask(victim, browser)).toMatchObject({ status: 200 })
      }
      expect(sent('refresh_token')).toHaveLength(0)
      expect(victim.output).not.toContain('TimeoutOverflowWarning')
    })

    test('C4: a response whose expires_in is not a number is invalid', async () => {
      for (const expires_in of ['soon', '', ' 60', '0x10', '-1', 'NaN', true, {}, [], [60]]) {
        pagerduty.token = pagerduty.answer({ expires_in })
        expect({ expires_in, ...(await logInInVain(app.victim)) }).toEqual({
          expires_in,
          ...nobody,
          status: 503,
          code: noToken,
        })
      }
    })

    const attacker = rsaKey('key-1')
    test.each<[string, (login: LoginAtHand) => string]>([
      ['another user', (login) => signed(claimsOf(login, { user_id: 'POTHER1', sub: 'POTHER1' }))],
      ['another account', (login) => signed(claimsOf(login, { account_id: 'POTHER0' }))],
      ['another authorization', (login) => signed(claimsOf(login, { delegation_id: 'OTHER' }))],
      ['another issuer', (login) => signed(claimsOf(login, { iss: 'https://evil.example' }))],
      ['another app', (login) => signed(claimsOf(login, { aud: 'another-client' }))],
      ['the same, forged', (login) => signed(claimsOf(login), {}, attacker)],
    ])('C7: a refresh with an id_token for %s changes no user', async (_name, make) => {
      const { victim } = app
      const browser = await pagerduty.logIn(victim)
      const held = pagerduty.lastAnswer['refresh_token']
      const { user } = await ask(victim, browser)
      await pagerduty.pass(victim, 2 * hour)
      pagerduty.token = pagerduty.answer({}, make)
      const asked = await ask(victim, browser)
      expect(asked).toMatchObject({ status: 503, code: 'ERR_PAGERDUTY_IDENTITY_CHANGED' })
      expect(await victim.userOf(browser)).toBe('PUSER01')
      await pagerduty.until(
        'revoke',
        ({ form }) => form.get('token') === pagerduty.lastAnswer['refresh_token'],
      )
      pagerduty.token = pagerduty.answer()
      await untilServed(victim, browser)
      expect(await ask(victim, browser)).toMatchObject({ status: 200, user })
      expect(sent('refresh_token').map((form) => form.get('refresh_token'))).toEqual([held, held])
    })

    test('C7: a refresh without an id_token, or with one for the same user, succeeds', async () => {
      const { victim } = app
      const browser = await pagerduty.logIn(victim)
      const { user } = await ask(victim, browser)
      for (const make of [undefined, (login: LoginAtHand) => signed(claimsOf(login))]) {
        pagerduty.token = pagerduty.answer({}, make)
        await pagerduty.pass(victim, 2 * hour)
        expect(await ask(victim, browser)).toMatchObject({ status: 200, user })
      }
      expect(sent('refresh_token')).toHaveLength(2)
    })

    test('C8: what the endpoint repeats of a request, in whatever place, gets nowhere', async () => {
      const plain = await app.another({ options: pagerduty.options, plainErrors: true })
      const echoes: ((form: string) => Behaviour)[] = [
        (form) => json({ error: 'invalid_request', error_description: form, error_uri: form }, 400),
        (form) => json({ error: form }, 400),
        (form) => json({ error: 'invalid_client', error_description: `Invalid scope ${form}` }, 400),
        (form) => json({ access_token: { value: form }, token_type: form }),
        (form) =>
          json({ [form]: form, error: { form } }, 500, { 'WWW-Authenticate': `Bearer realm="${form}"` }),
        (form) => html(500, form),
        (form) => html(200, form),
        (form) => redirect(302, `/?${form}`),
        (form) => bytes(Buffer.from(`{"access_token":"${form}`)),
      ]
      const seen: string[] = []
      const look = async (answer: Response) =>
        seen.push([...answer.headers].join('\n'), decodeURIComponent(await answer.text()))
      for (const [position, echo] of echoes.entries()) {
        pagerduty.token = pagerduty.answer()
        const browser = await pagerduty.logIn(plain)
        pagerduty.token = (res, request) => echo(request.body)(res, request)
        await look(await pagerduty.tryLogIn(plain, new Browser()))
        // Whatever is paused by the failures is not paused any more.
        await pagerduty.pass(plain, 2 * hour)
        await look(await browser.fetch(`${plain.url}/me`))
        await look(await browser.visit(`${plain.url}/me`))
        seen.push(await appTokenFailure(plain, `echo${position}.read`))
      }
      const secrets = pagerduty
        .requests('token')
        .flatMap(({ form }) =>
          ['code', 'code_verifier', 'refresh_token', 'client_secret'].map((name) => form.get(name)),
        )
        .filter((secret) => secret !== null)
      expect(secrets.length).toBeGreaterThan(40)
      const everything = `${seen.join('\n')}\n${plain.output}`
      expect(everything).toContain('TokenEndpointError')
      expect(secrets.filter((secret) => everything.includes(secret))).toEqual([])
      expect(everything).not.toContain(canary)
      await plain.stop()
    })
  },
  settings,
)

forEachConfiguration(
  inMemory,
  (app) => {
    test('C1: silence, half a response and a trickle are given up after ten seconds, with each grant', async () => {
      pagerduty.token = pagerduty.answer({ expires_in: 60 })
      const behaviours = [stallBeforeHeaders, stallMidBody, trickle]
      // Each in a process of its own: one that has found PagerDuty silent would not ask again.
      const attempts = behaviours.map(async (behave) => {
        const victim = await app.another({ options: pagerduty.options })
        const browser = await pagerduty.logIn(victim)
        return { victim, browser, behave }
      })
      const ready = await Promise.all(attempts)
      pagerduty.token = (res, request) => {
        const { behave } = ready[pagerduty.requests('token').indexOf(request) % 3] ?? {}
        return behave?.(res, request)
      }
      const begun = performance.now()
      const outcomes = ready.map(async ({ victim, browser }) => {
        await pagerduty.pass(victim, 2 * minute)
        return Promise.all([
          logInInVain(victim),
          appTokenFailure(victim, 'incidents.read'),
          ask(victim, browser),
          victim.userOf(browser),
        ])
      })
      for (const [login, appToken, refresh, user] of await Promise.all(outcomes)) {
        expect(login).toEqual({ ...nobody, status: 503, code: 'ERR_PAGERDUTY_TOKEN_TIMEOUT' })
        expect(appToken).toContain('TokenEndpointError: PagerDuty')
        expect(refresh).toMatchObject({ status: 503, code: 'ERR_PAGERDUTY_REFRESH_TIMEOUT' })
        expect(user).toBe('PUSER01')
      }
      expect(performance.now() - begun).toBeLessThan(15_000)
    })

    test('C9: a server whose certificate is not trusted, or is another host’s, receives nothing', async () => {
      const file = join(__dirname, 'support/self-signed.pem')
      const pem = readFileSync(file)
      const requests: string[] = []
      const server = createServer({ key: pem, cert: pem }, (req, res) => {
        requests.push(req.url ?? '')
        res.end('{}')
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as AddressInfo
      const attempt = async (host: string, env: Record<string, string>) => {
        const tokenURL = `https://${host}:${port}/oauth/token`
        const victim = await app.another({ options: { ...pagerduty.options, tokenURL }, env })
        const { status, code, user } = await logInInVain(victim)
        const appToken = await appTokenFailure(victim, 'incidents.read')
        await victim.stop()
        return { status, code, user, appToken, requests: requests.splice(0).length, output: victim.output }
      }
      const untrusted = {
        status: 503,
        code: unreachable,
        user: null,
        appToken: expect.stringContaining('could not be reached'),
        requests: 0,
      }
      try {
        expect(await attempt('127.0.0.1', {})).toMatchObject(untrusted)
        expect(await attempt('localhost', { NODE_EXTRA_CA_CERTS: file })).toMatchObject(untrusted)
        // To see that it is the trust that was missing.
        expect(await attempt('127.0.0.1', { NODE_EXTRA_CA_CERTS: file })).toMatchObject({
          code: noToken,
          requests: 2,
        })
        // Only Node itself can be made to ignore it, and says so.
        expect(await attempt('127.0.0.1', { NODE_TLS_REJECT_UNAUTHORIZED: '0' })).toMatchObject({
          requests: 2,
          output: expect.stringContaining('NODE_TLS_REJECT_UNAUTHORIZED'),
        })
      } finally {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }
    })
  },
  settings,
)
