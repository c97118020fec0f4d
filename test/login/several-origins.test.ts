import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type Express } from 'express'
import express4 from 'express4'
import { type PagerDutyOptions, pagerduty } from '../../src'
import { withEnvironment } from '../../src/environment'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'

const path = '/auth/pagerduty/callback'
const spa = 'https://spa.example'

let simulator: Simulator
beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())

interface App {
  /** The same app by two names, the first and the second entry of callbackURL. */
  readonly first: string
  readonly second: string
  close(): Promise<void>
}

/** An app that is reached by two names. */
async function start(
  change: (app: Express) => void = () => {},
  options: PagerDutyOptions = {},
  make = express,
): Promise<App> {
  const app = make()
  const server = createServer(app)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const [first, second] = [`http://127.0.0.1:${port}`, `http://localhost:${port}`]
  const callbackURL = [first + path, second + path]
  const pd = pagerduty({ ...simulator.options(), scope: 'incidents.read', callbackURL, ...options })
  change(app)
  app.use(pd.auth())
  app.get('/me', pd.requireLogin(), (req, res) => void res.json(req.user))
  app.post('/act', pd.requireSameOrigin(), (_req, res) => void res.json('done'))
  app.use(pd.errors())
  return {
    first,
    second,
    async close() {
      server.close()
      server.closeAllConnections()
      await pd.close()
    },
  }
}

/** The redirect URI of a login that begins so. */
async function redirectURI(url: string, headers: Record<string, string> = {}): Promise<string | null> {
  const begun = await new Browser().visit(`${url}/auth/pagerduty`, headers)
  return new URL(begun.headers.get('location') as string).searchParams.get('redirect_uri')
}

describe('with several callback URLs', () => {
  let app: App
  beforeAll(async () => {
    app = await start()
  })
  afterAll(() => app.close())

  test('a login comes back to the origin where it began, and the code is exchanged for that one', async () => {
    // PagerDuty takes a code only with the redirect URI that it was issued for.
    for (const origin of [app.first, app.second]) {
      const browser = new Browser()
      const begun = await browser.visit(`${origin}/auth/pagerduty?returnTo=/me`)
      const callback = await approve(begun.headers.get('location') as string, { user: 'PACME01' })
      expect(callback.startsWith(origin + path)).toBe(true)
      const finished = await browser.visit(callback)
      expect([finished.status, finished.headers.get('location')]).toEqual([302, '/me'])
      expect((await browser.visit(`${origin}/me`)).status).toBe(200)
    }
  })

  test('a login in a tab of each origin is finished, whatever the order, where browsers share their cookies', async () => {
    const browser = new Browser()
    const begun = [
      await browser.visit(`${app.first}/auth/pagerduty`),
      await browser.visit(`${app.second}/auth/pagerduty`),
    ]
    for (const { headers } of begun.toReversed()) {
      const finished = await browser.visit(await approve(headers.get('location') as string))
      expect(finished.status).toBe(302)
    }
  })

  test('a callback with another Host is exchanged for the redirect URI of its login all the same', async () => {
    const browser = new Browser()
    const begun = await browser.visit(`${app.second}/auth/pagerduty`)
    const callback = await approve(begun.headers.get('location') as string)
    expect((await browser.visit(callback, { Host: new URL(app.first).host })).status).toBe(302)
  })

  test.each([
    ['another host', () => 'evil.example'],
    ['user info', (host: string) => `localhost@${host}`],
    ['a suffix', (host: string) => host.replace('localhost', 'localhost.evil.example')],
    ['a prefix', (host: string) => host.replace('localhost', 'evil-localhost')],
    ['another port', () => 'localhost:1'],
    ['no port', () => 'localhost'],
    ['a trailing dot', (host: string) => host.replace('localhost', 'localhost.')],
    ['a path', (host: string) => `${host}/`],
    ['a look-alike letter', (host: string) => host.replace('localhost', 'loc\u0430lhost')],
  ])('a forged Host with %s chooses the first one', async (_what, forge) => {
    const host = Buffer.from(forge(new URL(app.second).host)).toString('latin1')
    expect(await redirectURI(app.second, { Host: host })).toBe(app.first + path)
  })

  test('X-Forwarded-Host chooses nothing where no proxy is trusted', async () => {
    const forwarded = { 'X-Forwarded-Host': new URL(app.second).host }
    expect(await redirectURI(app.first, forwarded)).toBe(app.first + path)
  })

  test('a page of either origin may log out, and none of another', async () => {
    const logOut = async (origin: string) => {
      const headers = { Origin: origin, 'Sec-Fetch-Site': 'same-site' }
      return (await fetch(`${app.first}/auth/pagerduty/logout`, { method: 'POST', headers })).status
    }
    expect(await logOut(app.first)).toBe(204)
    expect(await logOut(app.second)).toBe(204)
    expect(await logOut('http://localhost:1')).toBe(403)
  })
})

describe.each([
  ['Express 5', express],
  ['Express 4', express4 as unknown as typeof express],
])('behind a proxy that %s trusts', (_name, make) => {
  test('X-Forwarded-Host chooses among the callback URLs, and nothing else', async () => {
    const app = await start((made) => void made.set('trust proxy', 'loopback'), {}, make)
    const forwarded = (host: string) => redirectURI(app.first, { 'X-Forwarded-Host': host })
    const { host } = new URL(app.second)
    expect(await forwarded(host)).toBe(app.second + path)
    expect(await forwarded(`${host}, evil.example`)).toBe(app.second + path)
    expect(await forwarded(`evil.example, ${host}`)).toBe(app.first + path)
    expect(await forwarded('evil.example')).toBe(app.first + path)
    await app.close()
  })
})

describe('callback URLs that cannot work together are rejected at start-up:', () => {
  const base = 'https://app.example/cb'
  test.each<[string, string[], RegExp]>([
    ['none', [], /at least one/],
    ['other paths', [base, 'https://b.example/callback'], /"\/cb" and "\/callback".*one path/],
    ['https and http', [base, 'http://localhost/cb'], /same scheme.*"Secure"/],
    ['one origin twice', [base, 'https://APP.example:443/cb?a=b'], /two entries for https:\/\/app\.example/],
    ['one that is no URL', [base, 'b.example/cb'], /absolute URL/],
    ['a wrong one', [base, 'http://b.example/cb'], /must be https/],
  ])('%s', (_what, callbackURL, message) => {
    const refused = expect.objectContaining({
      option: 'callbackURL',
      message: expect.stringMatching(message) as string,
    }) as Error
    expect(() => pagerduty({ ...simulator.options(), scope: 'incidents.read', callbackURL })).toThrow(refused)
  })

  test('a session cookie for the domain of only one', () => {
    const pd = pagerduty({
      ...simulator.options(),
      scope: 'incidents.read',
      secret: 'a secret of thirty-two characters or more, for tests',
      callbackURL: [base, 'https://other.example/cb'],
      session: { cookie: { domain: 'app.example' } },
    })
    expect(() => pd.auth()).toThrow(/"session.cookie.domain".*other\.example/)
  })
})

const lookAlikes = [
  ['a suffix', `${spa}.evil.example`],
  ['a prefix', 'https://evil-spa.example'],
  ['a subdomain', 'https://a.spa.example'],
  ['user info', 'https://spa.example@evil.example'],
  ['user info of its own', 'https://evil.example@spa.example'],
  ['a port', `${spa}:8443`],
  ['the scheme', 'http://spa.example'],
  ['a trailing dot', `${spa}.`],
  ['a look-alike letter', 'https://sp\u0430.example'],
  ['its ASCII form', 'https://xn--sp-7kc.example'],
  ['null', 'null'],
] as const

describe('a trusted origin', () => {
  let app: App
  const idn = 'https://b\u00fccher.example'
  beforeAll(async () => {
    app = await start(() => {}, { trustedOrigins: [spa, 'HTTPS://Upper.example:443/', idn] })
  })
  afterAll(() => app.close())

  const statuses = async (headers: Record<string, string>) => {
    const post = async (to: string) => (await fetch(app.first + to, { method: 'POST', headers })).status
    return [await post('/act'), await post('/auth/pagerduty/logout')]
  }
  /** Where a login goes on to that is begun with this. */
  const returned = async (returnTo: string) => {
    const browser = new Browser()
    const query = new URLSearchParams({ returnTo }).toString()
    const begun = await browser.visit(`${app.first}/auth/pagerduty?${query}`)
    const finished = await browser.visit(await approve(begun.headers.get('location') as string))
    return finished.headers.get('location')
  }

  test.each([spa, 'https://upper.example', 'https://xn--bcher-kva.example'])(
    '%s sends what requireSameOrigin() guards, and logs out, whatever Sec-Fetch-Site says',
    async (origin) => {
      for (const site of ['same-site', 'cross-site', undefined]) {
        const headers = { Origin: origin, ...(site && { 'Sec-Fetch-Site': site }) }
        expect([site, await statuses(headers)]).toEqual([site, [200, 204]])
      }
    },
  )

  test('is returned to with path and query', async () => {
    for (const url of [`${spa}/`, `${spa}/incidents?a=1&b=2#top`, 'https://xn--bcher-kva.example/a'])
      expect(await returned(url)).toBe(url)
    expect(await returned(spa)).toBe(`${spa}/`)
    expect(await returned(`${spa}/../a`)).toBe(`${spa}/a`)
    expect(await returned(`${idn}/a`)).toBe('https://xn--bcher-kva.example/a')
    expect(await returned(`${app.second}/me`)).toBe(`${app.second}/me`)
  })

  test.each(lookAlikes)('does not make one trusted that is like it but for %s', async (_what, origin) => {
    const header = Buffer.from(origin).toString('latin1')
    expect(await statuses({ Origin: header, 'Sec-Fetch-Site': 'cross-site' })).toEqual([403, 403])
    expect(await statuses({ Origin: header })).toEqual([403, 403])
    expect(await returned(`${origin}/a`)).toBe('/')
  })

  test.each([
    `${spa}\\@evil.example`,
    `https:\\\\spa.example`,
    `https:spa.example`,
    `//spa.example/`,
    `${spa}/a b`,
    `${spa}/\r\nSet-Cookie: a=b`,
    `${spa}/\t`,
    ` ${spa}/`,
    `javascript:alert("${spa}")`,
    `blob:${spa}/a`,
    `${spa}/${'a'.repeat(400)}`,
  ])('is not returned to by %j', async (url) => {
    expect(await returned(url)).toBe('/')
  })
})

describe('invalid trusted origins are rejected at start-up:', () => {
  test.each<[string, unknown]>([
    ['a path', 'https://spa.example/app'],
    ['a query', 'https://spa.example?'],
    ['a fragment', 'https://spa.example#'],
    ['a wildcard', 'https://*.spa.example'],
    ['an encoded wildcard', 'https://%2a.spa.example'],
    ['anything', '*'],
    ['null', 'null'],
    ['user info', 'https://a@spa.example'],
    ['a trailing dot', 'https://spa.example.'],
    ['a host name', 'spa.example'],
    ['a backslash', 'https:\\\\spa.example'],
    ['a blank', 'https://spa.example '],
    ['another scheme', 'chrome-extension://abcdef'],
    ['nothing', ''],
    ['plain http', 'http://spa.example'],
    ['a number', 5],
    ['an object', {}],
  ])('%s', (_what, origin) => {
    const options = { ...simulator.options(), scope: 'incidents.read', callbackURL: 'https://app.example/cb' }
    const trustedOrigins = [spa, origin] as string[]
    expect(() => pagerduty({ ...options, trustedOrigins })).toThrow(
      expect.objectContaining({ option: 'trustedOrigins' }) as Error,
    )
  })
})

test('the environment has lists of both, with commas', () => {
  expect(
    withEnvironment(
      {},
      { PAGERDUTY_CALLBACK_URL: 'https://a/cb, https://b/cb', PAGERDUTY_TRUSTED_ORIGINS: spa },
    ),
  ).toEqual({ callbackURL: ['https://a/cb', 'https://b/cb'], trustedOrigins: spa })
})
