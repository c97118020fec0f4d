import { Redis } from 'ioredis'
import { Browser } from '../support/browser'
import { FaultServer, json } from '../support/fault-server'
import { gate } from '../support/webhooks'
import { type InConfiguration, configurations, forEachConfiguration } from './support/configurations'
import { cookiesOf } from './support/raw-request'
import { meantFor } from './support/victim-regions'

/** Has the app call PagerDuty's API with a browser's token; `query` says how. */
function call(url: string, browser: Browser, query: Record<string, string> = {}): Promise<Response> {
  return browser.fetch(`${url}/resource?${new URLSearchParams(query).toString()}`)
}

const started = { victim: { options: { account: 'us.acme' } } }
const owner = { accountID: 'PACME00', userID: 'PACME01' }

forEachConfiguration(
  configurations,
  (app) => {
    let elsewhere: FaultServer
    beforeAll(async () => {
      elsewhere = await FaultServer.start()
    })
    beforeEach(() => {
      elsewhere.requests.length = 0
    })
    afterAll(() => elsewhere.close())

    test('G7: a token goes to no other scheme, host or port, however the URL is written', async () => {
      const { simulator, victim } = app
      const browser = await victim.logIn()
      const { port } = new URL(simulator.url)
      const other = new URL(elsewhere.url).port
      for (const url of [
        elsewhere.url,
        `${elsewhere.url}/incidents`,
        `//127.0.0.1:${other}/incidents`,
        `///127.0.0.1:${other}/incidents`,
        `/\\127.0.0.1:${other}/incidents`,
        `\\\\127.0.0.1:${other}/incidents`,
        `/\t/127.0.0.1:${other}/incidents`,
        `\n//127.0.0.1:${other}/incidents`,
        `http:\\\\127.0.0.1:${other}`,
        `http://127.0.0.1:${port}@127.0.0.1:${other}/incidents`,
        `http://127.0.0.1:${port}%2f@127.0.0.1:${other}/incidents`,
        `http://127.0.0.1:${other}#@127.0.0.1:${port}/`,
        `http://127.0.0.1:${other}?@127.0.0.1:${port}/`,
        `http://127.0.0.1:${other}\\@127.0.0.1:${port}/`,
        `http://１２７.0.0.1:${other}/incidents`,
        `http://127。0。0。1:${other}/incidents`,
        `http://2130706433:${other}/`,
        `http://0x7f.1:${other}/`,
        `http://[::ffff:127.0.0.1]:${other}/`,
        `http://localhost:${other}/`,
        // At the very place, but not as the API's origin.
        `http://localhost:${port}/incidents`,
        `http://127.0.0.2:${port}/incidents`,
        `http://user@127.0.0.1:${port}/incidents`,
        `http://:secret@127.0.0.1:${port}/incidents`,
        `https://127.0.0.1:${port}/incidents`,
        `HTTPS:/127.0.0.1:${port}/incidents`,
        `http://127.0.0.1:${port}0/incidents`,
        `http://127.0.0.1:${port}.evil.example/incidents`,
        `http://127.0.0.1/incidents`,
        'https://api.pagerduty.com.evil.example/incidents',
        'https://evil.example/.api.pagerduty.com',
        'https://api.pagerduty.com/incidents',
        `blob:${simulator.url}/incidents`,
        `blob:${elsewhere.url}/incidents`,
        'data:application/json,{}',
        'file:///etc/passwd',
        'javascript:1',
        'http://169.254.169.254/latest/meta-data/',
        'http://[',
        'http://%00/',
      ]) {
        const answer = await call(victim.url, browser, { url })
        expect({ url, status: answer.status, body: await answer.json() }).toEqual({
          url,
          status: 500,
          body: {
            title: 'The request could not be completed',
            status: 500,
            code: 'ERR_PAGERDUTY_FOREIGN_URL',
          },
        })
      }
      expect([elsewhere.requests, simulator.calls.api]).toEqual([[], 0])
    })

    test('G7: what only writes the API’s origin in another way goes there, and a path stays one', async () => {
      const { simulator, victim } = app
      const browser = await victim.logIn()
      const { port } = new URL(simulator.url)
      const urls = [
        `HTTP://127.0.0.1:${port}/incidents`,
        `http:\\\\127.1:${port}\\incidents`,
        `http://127.0.0.1.:${port}/incidents`,
        '/x/../incidents',
        'incidents',
        '/incidents?next=//evil.example',
        '/incidents#@evil.example',
        '?/../incidents',
        `http:127.0.0.1:${new URL(elsewhere.url).port}`, // A path, where the API's URL is http too.
      ]
      const answers = await Promise.all(urls.map((url) => call(victim.url, browser, { url })))
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200, 200, 404, 404])
      expect(elsewhere.requests).toEqual([])
    })

    test('G7: no redirect of the API is followed, wherever it leads', async () => {
      const { simulator, victim } = app
      const browser = await victim.logIn()
      for (const status of [300, 301, 302, 303, 305, 307, 308]) {
        for (const location of [elsewhere.url, `//${new URL(elsewhere.url).host}/x`, '/incidents', '']) {
          simulator.resetCalls()
          simulator.failNext('api', { status, headers: { Location: location }, body: '' })
          const answer = await call(victim.url, browser)
          expect({ status, location, answered: answer.status, calls: simulator.calls.api }).toEqual({
            status,
            location,
            answered: 502,
            calls: 1,
          })
          expect(answer.headers.get('location')).toBeNull()
        }
      }
      // What only looks like one is a response like any other.
      const headers = {
        Location: elsewhere.url,
        Refresh: `0;url=${elsewhere.url}`,
        Link: `<${elsewhere.url}>; rel=next`,
      }
      simulator.failNext('api', { status: 201, headers, body: {} })
      expect((await call(victim.url, browser)).status).toBe(201)
      expect(elsewhere.requests).toEqual([])
    })

    test('G7: a link to the next page is followed within the API only', async () => {
      const { simulator, victim } = app
      const browser = await victim.logIn()
      for (const [next, status, calls] of [
        [`${elsewhere.url}/incidents?offset=25`, 500, 1],
        [`//${new URL(elsewhere.url).host}/incidents`, 500, 1],
        [`${simulator.url.replace('http:', 'https:')}/incidents`, 500, 1],
        [`${simulator.url}@${new URL(elsewhere.url).host}/`, 500, 1],
        [`${simulator.url}/incidents?offset=1`, 200, 2],
        ['/incidents?offset=1', 200, 2],
      ] as const) {
        simulator.resetCalls()
        simulator.failNext('api', { status: 200, body: { incidents: [], next } })
        const answer = await call(victim.url, browser, { follow: 'next' })
        expect({ next, status: answer.status, calls: simulator.calls.api }).toEqual({ next, status, calls })
      }
      expect(elsewhere.requests).toEqual([])
    })

    test('G7: each call carries the token of whose request it is, among many at once', async () => {
      const { victim } = app
      const people = ['PACME01', 'PACME02', 'PGLBX01', 'PGLBX02']
      const browsers = await Promise.all(people.map((user) => victim.logIn(new Browser(), user)))
      const answers = await Promise.all(
        Array.from({ length: 48 }, async (_, index) => {
          const answer = await call(victim.url, browsers[index % 4] as Browser, { url: '/users/me' })
          return ((await answer.json()) as { user: { id: string } }).user.id
        }),
      )
      expect(answers).toEqual(answers.map((_, index) => people[index % 4]))
    })

    test('G10: an API that rejects every token is called twice, and one new token is requested', async () => {
      const { simulator, victim } = app
      const browser = await victim.logIn()
      simulator.failNext('api', { status: 401, body: 'no' }, 10)
      simulator.resetCalls()
      const first = await call(victim.url, browser)
      expect([first.status, simulator.calls.token.refresh_token, simulator.calls.api]).toEqual([401, 1, 2])
      // Nor does the next request start over.
      const more = await Promise.all([1, 2, 3, 4].map(() => call(victim.url, browser)))
      expect(more.map(({ status }) => status)).toEqual([401, 401, 401, 401])
      expect([simulator.calls.token.refresh_token, simulator.calls.api]).toEqual([1, 6])
      simulator.clearFaults()
      expect((await call(victim.url, browser)).status).toBe(200)
    })

    test('G10: a 403 of the API has nothing renewed', async () => {
      const { simulator, victim } = app
      const browser = await victim.logIn()
      const answers = await Promise.all(
        ['/services', '/oncalls', '/services'].map((url) => call(victim.url, browser, { url })),
      )
      expect(answers.map(({ status }) => status)).toEqual([403, 403, 403])
      expect([simulator.calls.token.refresh_token, simulator.calls.api]).toEqual([0, 3])
    })

    test('a token that ends while its request is handled is renewed once, and the call is made', async () => {
      const { simulator, victim } = app
      const browser = await victim.logIn()
      const answer = await callAcross(app, browser, async () => simulator.expireTokens())
      expect([answer.status, simulator.calls.token.refresh_token, simulator.calls.api]).toEqual([200, 1, 2])
    })

    test('a login that the app ends while a request of it is handled gets no new token', async () => {
      const { simulator, victim } = app
      const browser = await victim.logIn()
      const answer = await callAcross(app, browser, async () => {
        await victim.order({ kind: 'revoke', owner })
        simulator.expireTokens()
      })
      expect([answer.status, await answer.json()]).toEqual([
        401,
        expect.objectContaining({ code: 'ERR_PAGERDUTY_LOGIN_REQUIRED' }),
      ])
      expect([simulator.calls.token.refresh_token, simulator.calls.api]).toEqual([0, 1])
      expect(await victim.userOf(browser)).toBeNull()
    })

    test('a login that PagerDuty ends while a request of it is handled is over, without a word of why', async () => {
      const { simulator, victim } = app
      const browser = await victim.logIn()
      const answer = await callAcross(app, browser, async () => simulator.revokeAll())
      expect([answer.status, await answer.json()]).toEqual([
        401,
        {
          title: 'This PagerDuty login has ended; log in again',
          status: 401,
          code: 'ERR_PAGERDUTY_LOGIN_REQUIRED',
          loginURL: '/auth/pagerduty',
        },
      ])
      expect([simulator.calls.token.refresh_token, simulator.calls.api]).toEqual([1, 1])
    })

    test('G8: an app token, or a user’s own, does not log in the request that carries it', async () => {
      const { simulator, victim } = app
      await victim.logIn()
      await victim.order({ kind: 'token', scope: ['incidents.read'] })
      const before = await victim.handled()
      const form = new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: 'simulator-client',
        client_secret: 'simulator-secret',
        scope: 'as_account-us.acme incidents.read',
      })
      const issued = await fetch(`${simulator.url}/oauth/token`, { method: 'POST', body: form })
      const { access_token: appToken } = (await issued.json()) as { access_token: string }
      for (const token of [appToken, simulator.newestAccessToken('PACME01') as string]) {
        for (const headers of [
          { Authorization: `Bearer ${token}` },
          { Authorization: `Token token=${token}` },
          { 'X-Forwarded-Access-Token': token },
          {
            Cookie: `access_token=${token}; pagerduty=${token}; connect.sid=${token}; pagerduty.sid=${token}`,
          },
        ]) {
          for (const path of ['/me', '/incidents', `/me?access_token=${token}`]) {
            const answer = await fetch(victim.url + path, { headers: headers as Record<string, string> })
            expect({ headers, path, status: answer.status }).toEqual({ headers, path, status: 401 })
            expect(await answer.text()).not.toContain(token)
          }
        }
      }
      expect([(await victim.handled()) - before, simulator.calls.api]).toEqual([0, 0])
    })
  },
  started,
)

/** Has something happen between a guard and the call that its handler makes. */
async function callAcross(
  { victim, simulator }: InConfiguration,
  browser: Browser,
  happen: () => Promise<void>,
): Promise<Response> {
  const [passed, hasHappened] = [gate(), gate()]
  const door = await FaultServer.start()
  door.behave = async (res) => {
    passed.open()
    await hasHappened.promise
    res.end()
  }
  const called = call(victim.url, browser, { gate: door.url })
  await passed.promise
  simulator.resetCalls()
  await happen()
  hasHappened.open()
  const answer = await called
  await door.close()
  return answer
}

forEachConfiguration(
  configurations.filter(({ store, express }) => store === 'redis' && express === 5),
  (app) => {
    test('G8: a stored app token does not work as a user’s grant, nor a grant as an app token', async () => {
      const { simulator, victim } = app
      const browser = await victim.logIn()
      expect((await browser.fetch(`${victim.url}/me`)).status).toBe(200)
      await victim.order({ kind: 'token', scope: ['incidents.read'] })
      const handled = await victim.handled()
      const redis = new Redis(app.redis?.url as string)
      const [grant] = await redis.keys('pagerduty:grant:*')
      const [appToken] = await redis.keys('pagerduty:app:*')
      expect([grant, appToken]).toEqual([expect.any(String), expect.any(String)])
      const values = await redis.mget(grant as string, appToken as string)
      await redis.mset({ [appToken as string]: values[0] as string, [grant as string]: values[1] as string })
      expect((await browser.fetch(`${victim.url}/me`)).status).toBe(401)
      expect((await victim.handled()) - handled).toBe(0)
      // A process that has none in memory reads what stands there, and requests one instead.
      simulator.resetCalls()
      const other = await app.another()
      const scope = ['as_account-us.acme', 'incidents.read']
      expect(await other.order({ kind: 'token', scope: ['incidents.read'] })).toEqual(scope)
      expect(simulator.calls.token.client_credentials).toBe(1)
      await redis.quit()
    })
  },
  started,
)

forEachConfiguration(configurations, (app) => {
  let api: FaultServer
  beforeAll(async () => {
    api = await FaultServer.start()
  })
  afterAll(() => api.close())

  test('G9: a token goes to the region that PagerDuty signed, whatever a request says', async () => {
    const { simulator } = app
    const victim = await app.another({ regions: api.url })
    const hosts = { PACME01: 'https://api.pagerduty.com', PGLBX01: 'https://api.eu.pagerduty.com' }
    for (const [user, host] of Object.entries(hosts)) {
      const browser = await victim.logIn(new Browser(), user)
      for (const [headers, query] of [
        [{}, {}],
        [{ 'X-PagerDuty-Region': 'eu', 'X-Forwarded-Host': 'api.eu.pagerduty.com' }, {}],
        [{ Cookie: `${cookiesOf(browser)['Cookie']}; region=eu; apiURL=https://evil.example` }, {}],
        [{}, { region: 'eu', apiURL: 'https://evil.example', server: 'api.eu.pagerduty.com' }],
        [{}, { region: 'us', 'user[region]': 'us', 'pagerduty[user][apiURL]': 'https://evil.example' }],
      ] as [Record<string, string>, Record<string, string>][]) {
        const text = new URLSearchParams(query).toString()
        await browser.fetch(`${victim.url}/resource?${text}`, { headers })
        const { headers: received, url } = api.last
        expect({ query, host: received[meantFor], url }).toEqual({ query, host, url: '/incidents' })
      }
      const foreign = Object.values(hosts).find((one) => one !== host) as string
      const before = api.requests.length
      expect((await call(victim.url, browser, { url: `${foreign}/incidents` })).status).toBe(500)
      expect(api.requests).toHaveLength(before)
    }
    // The claim says one thing, the signed audience another: the audience counts.
    simulator.settings.idTokenClaims = (claims) => ({ ...claims, region: 'UnitedStates', apiURL: api.url })
    const browser = await victim.logIn(new Browser(), 'PGLBX01')
    await call(victim.url, browser)
    expect(api.last.headers[meantFor]).toBe(hosts.PGLBX01)
    for (const audience of [
      [],
      Object.values(hosts),
      ['https://api.pagerduty.com.evil.example'],
      ['https://evil.example', hosts.PACME01],
      ['https://API.pagerduty.com'],
      ['http://api.pagerduty.com'],
      ['https://api.pagerduty.com/'],
    ]) {
      simulator.settings.idTokenClaims = (claims) => ({ ...claims, aud: [...audience, claims['azp']] })
      const refused = new Browser()
      await refused.visit(await victim.approved(refused))
      expect({ audience, user: await victim.userOf(refused) }).toEqual({ audience, user: null })
    }
    simulator.settings.idTokenClaims = undefined
  })

  test('G7: the API sees the token in one header, and nothing of what the visitor sent', async () => {
    const victim = await app.another({ options: { apiURL: api.url } })
    const browser = await victim.logIn()
    const before = api.requests.length
    const headers = { Authorization: 'Bearer of-the-visitor', 'X-Private': 'yes', From: 'evil@example.com' }
    await browser.fetch(`${victim.url}/resource?url=/incidents`, { headers })
    expect(api.requests).toHaveLength(before + 1)
    const token = app.simulator.newestAccessToken('PACME01') as string
    const { headers: received, url, body } = api.last
    expect(received.authorization).toBe(`Bearer ${token}`)
    expect(url + body).not.toContain(token)
    expect([received['x-private'], received['from'], received['cookie'], received['referer']]).toEqual(
      Array(4).fill(undefined),
    )
  })

  test('G8: a login that gets an app token in place of a user’s is rejected where at_hash is required', async () => {
    const { simulator } = app
    const endpoint = await FaultServer.start()
    endpoint.behave = async (res, { form }) => {
      const ask = (body: URLSearchParams) => fetch(`${simulator.url}/oauth/token`, { method: 'POST', body })
      const told = (await (await ask(form)).json()) as object
      const app = new URLSearchParams({ scope: 'as_account-us.acme incidents.read users.read' })
      for (const name of ['client_id', 'client_secret']) app.set(name, form.get(name) as string)
      app.set('grant_type', 'client_credentials')
      const { access_token, scope } = (await (await ask(app)).json()) as Record<string, unknown>
      await json({ ...told, access_token, scope })(res, {} as never)
    }
    const options = { tokenURL: `${endpoint.url}/oauth/token` }
    const victim = await app.another({ options: { ...options, requireAtHash: true } })
    const browser = new Browser()
    await browser.visit(await victim.approved(browser))
    expect(await victim.userOf(browser)).toBeNull()
    expect((await browser.fetch(`${victim.url}/incidents`)).status).toBe(401)
    expect([await victim.handled(), simulator.calls.api]).toEqual([0, 0])
    await endpoint.close()
  })
})
