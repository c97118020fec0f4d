import type { NextFunction } from 'express'
import { InsufficientScopeError, type PagerDuty, requireScopes } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

const all = ['incidents.read', 'incidents.write', 'users.read', 'services.read', 'oncalls.read']

const late = jest.fn()

let simulator: Simulator
let app: DropIn
let browser: Browser

beforeEach(async () => {
  simulator = await startPagerDuty()
  simulator.configure('simulator-client', { scope: all })
  app = await startDropIn(simulator, { scope: ['incidents.read', 'users.read'] }, addRoutes)
  browser = (await app.logIn()).browser
})
afterEach(async () => {
  jest.restoreAllMocks()
  for (const one of [app, ...others.splice(0)]) await one.close()
  await simulator.close()
})

const others: DropIn[] = []

/** Another app at the same PagerDuty, closed with the first. */
async function another(
  ...how: Parameters<typeof startDropIn> extends [unknown, ...infer Rest] ? Rest : never
) {
  const other = await startDropIn(simulator, ...how)
  others.push(other)
  return other
}

function addRoutes(
  express: Parameters<NonNullable<Parameters<typeof startDropIn>[2]>>[0],
  pd: PagerDuty,
): void {
  express.get('/cart', (req, res) => {
    Object.assign((req as unknown as { session: object }).session, { cart: 'apple' })
    res.json('noted')
  })
  express.get('/see', (req, res) => {
    res.json({
      cart: (req as unknown as { session: { cart?: string } }).session.cart ?? null,
      user: req.pagerduty.user?.id ?? null,
      granted: req.pagerduty.grantedScopes,
    })
  })
  express.post('/close', pd.requireScopes('incidents.write'), (_req, res) => void res.json('closed'))
  express.get('/write', pd.requireScopes('incidents.write'), (_req, res) => void res.json('written'))
  express.get('/oncalls', pd.requireScopes('oncalls.read'), (_req, res) => void res.json('on call'))
  express.get('/api', (req) => {
    const required = [String(req.query['required'])]
    throw new InsufficientScopeError(required, required)
  })
  express.get('/late', (_req, res) => {
    res.type('html').write('<p>')
    throw new InsufficientScopeError(['services.read'], ['services.read'])
  })
  express.use('/late', pd.errors(), (error: Error, _req: unknown, _res: unknown, next: NextFunction) => {
    late(error.name)
    next(error)
  })
  express.get('/renew', async (req, res) => {
    await req.pagerduty.getAccessToken({ forceRefresh: true })
    res.json('renewed')
  })
  express.get('/more', (req) => req.pagerduty.login({ scope: 'services.read', returnTo: '/see' }))
}

/** Where a navigation is sent, hop by hop, until PagerDuty asks. */
async function asked(path: string, visitor = browser, { url } = app): Promise<URL> {
  let at = url + path
  for (let hop = 0; hop < 3; hop++) {
    const answer = await visitor.visit(at)
    at = new URL(answer.headers.get('location') as string, at).href
    if (at.startsWith(simulator.url)) return new URL(at)
  }
  throw new Error('PagerDuty was not asked')
}

async function seen(): Promise<unknown> {
  return (await app.get(browser, '/see')).json()
}

test('a navigation that lacks a scope is sent to consent for what is granted and what is missing, and goes on where it was going', async () => {
  await app.get(browser, '/cart')
  const consent = await asked('/services?page=2')
  expect(new Set(consent.searchParams.get('scope')?.split(' '))).toEqual(
    new Set(['openid', 'incidents.read', 'users.read', 'services.read']),
  )
  const finished = await browser.visit(await approve(consent.href, { user: 'PACME01' }))
  expect(finished.headers.get('location')).toBe('/services?page=2')
  expect((await browser.visit(`${app.url}/services?page=2`)).status).toBe(200)
  expect(await seen()).toMatchObject({ cart: 'apple', user: 'PACME01' })
})

test('the new login has a session id of its own, and the old one holds no login any more', async () => {
  const old = browser.copy()
  await browser.visit(await approve((await asked('/services')).href, { user: 'PACME01' }))
  expect([...browser.cookies.values()]).not.toEqual([...old.cookies.values()])
  expect((await app.get(old, '/me')).status).toBe(401)
})

test('a grant that covers less than the current one does not replace it, and the user is not redirected in a loop', async () => {
  const consent = await asked('/services')
  simulator.configure('simulator-client', { scope: ['services.read'] })
  const finished = await browser.visit(await approve(consent.href, { user: 'PACME01' }))
  expect(finished.headers.get('location')).toBe('/services')
  expect((await browser.visit(`${app.url}/services`)).status).toBe(403)
  expect(await seen()).toMatchObject({ granted: ['openid', 'incidents.read', 'users.read'] })
  expect((await app.get(browser)).status).toBe(200)
})

test('a denied consent keeps the login, is remembered for ten minutes, and its page has a link to ask again', async () => {
  const consent = await asked('/services')
  const denied = await browser.visit(await approve(consent.href, { user: 'PACME01', decision: 'deny' }))
  expect(denied.headers.get('location')).toBe('/services')
  const page = await browser.visit(`${app.url}/services`)
  expect(page.status).toBe(403)
  const [, link = ''] = /href="([^"]*scope=[^"]*)"/.exec(await page.text()) ?? []
  expect((await browser.visit(app.url + link.replaceAll('&#38;', '&'))).headers.get('location')).toContain(
    simulator.url,
  )
  expect((await app.get(browser)).status).toBe(200)
  const now = Date.now()
  jest.spyOn(Date, 'now').mockReturnValue(now + 10 * 60_000 + 1000)
  expect((await asked('/services')).origin).toBe(simulator.url)
})

test('consent by another user is a new login, without the data of the old one', async () => {
  await app.get(browser, '/cart')
  const consent = await asked('/services')
  await browser.visit(await approve(consent.href, { user: 'PACME02' }))
  expect(await seen()).toMatchObject({ cart: null, user: 'PACME02' })
})

test('a form goes back to the page it was sent from', async () => {
  const navigation = { ...Browser.navigation, Referer: `${app.url}/see?form=1` }
  const sent = await browser.fetch(`${app.url}/close`, { method: 'POST', headers: navigation })
  expect(sent.status).toBe(303)
  expect(sent.headers.get('location')).toBe(
    '/auth/pagerduty?scope=incidents.write&returnTo=%2Fsee%3Fform%3D1',
  )
  const foreign = { ...Browser.navigation, Referer: 'https://evil.example/see' }
  const other = await browser.fetch(`${app.url}/close`, { method: 'POST', headers: foreign })
  expect(other.headers.get('location')).toBe('/auth/pagerduty?scope=incidents.write&returnTo=%2F')
})

test('an API client gets 403, the challenge, and the URL where more can be had', async () => {
  const denied = await app.get(browser, '/write')
  expect(denied.status).toBe(403)
  expect(denied.headers.get('www-authenticate')).toBe(
    'Bearer error="insufficient_scope", scope="incidents.write"',
  )
  expect(await denied.json()).toMatchObject({
    required: ['incidents.write'],
    missing: ['incidents.write'],
    stepUpURL: '/auth/pagerduty?scope=incidents.write',
  })
})

test('login({ scope }) requests the scope in addition to what is granted', async () => {
  await browser.visit(await approve((await asked('/more')).href, { user: 'PACME01' }))
  expect(await seen()).toMatchObject({ granted: ['openid', 'incidents.read', 'users.read', 'services.read'] })
})

test('the login path requests only scopes that the app names', async () => {
  const consent = await asked('/auth/pagerduty?scope=incidents.write+schedules.write')
  expect(consent.searchParams.get('scope')).toBe('openid incidents.read users.read incidents.write')
})

test('two instances with one name request what their own guards name, and what guards without an instance name', async () => {
  const other = await another({}, (express, pd) => {
    express.get('/teams', pd.requireScopes('teams.write'))
    express.get('/tags', pd.requireAnyScope('tags.write', { stepUpScope: ['addons.read'] }))
    express.get('/schedules', pd.requireScopesFor('GET /schedules'))
  })
  const wanted = 'teams.write tags.write addons.read schedules.read incidents.write'
  const askedBy = async ({ url }: DropIn) => {
    const begun = await new Browser().visit(`${url}/auth/pagerduty?scope=${encodeURIComponent(wanted)}`)
    const asked = new URL(begun.headers.get('location') as string).searchParams.get('scope')
    return asked?.split(' ').filter((scope) => wanted.includes(scope))
  }
  expect(await askedBy(app)).toEqual(['incidents.write'])
  expect(await askedBy(other)).toEqual(['teams.write', 'tags.write', 'addons.read', 'schedules.read'])
  requireScopes('teams.write')
  app.pd.requireScopes('tags.write', { name: 'of-another-instance' })
  expect(await askedBy(app)).toEqual(['teams.write', 'incidents.write'])
})

test('stepUpScope limits what users are asked to grant, and stepUp: false requests nothing', async () => {
  const limited = await another({ stepUpScope: ['services.read'] }, (express, pd) => {
    express.get('/write', pd.requireScopes('incidents.write'), (_req, res) => void res.json('written'))
    express.get(
      '/never',
      pd.requireScopes('services.read', { stepUp: false }),
      (_req, res) => void res.json(''),
    )
  })
  const visitor = (await limited.logIn()).browser
  const statuses = []
  for (const path of ['/services', '/write', '/never'])
    statuses.push((await visitor.visit(limited.url + path)).status)
  expect(statuses).toEqual([302, 403, 403])
})

/** Consents for the route as the user; returns the response to the callback. */
async function consent(path: string, visitor = browser): Promise<Response> {
  return visitor.visit(await approve((await asked(path, visitor)).href, { user: 'PACME01' }))
}

/** Opens the path while PagerDuty approves by itself, as it does for a user who has consented before; counts redirects. */
async function followed(path: string): Promise<{ status: number; redirects: number }> {
  simulator.settings.autoApprove = 'PACME01'
  const { status } = await browser.follow(app.url + path)
  simulator.settings.autoApprove = undefined
  return { status, redirects: browser.trail.length }
}

describe('two tabs that request different scopes', () => {
  test('get both, and the session keeps its data', async () => {
    await app.get(browser, '/cart')
    const [services, write] = [await asked('/services'), await asked('/write')]
    await browser.visit(await approve(services.href, { user: 'PACME01' }))
    const second = await browser.visit(await approve(write.href, { user: 'PACME01' }))
    // The second response does not include the first one's scope, so the guard requests both once more.
    expect(second.headers.get('location')).toBe('/write')
    expect(await seen()).toMatchObject({ granted: expect.arrayContaining(['services.read']) })
    expect(await followed('/write')).toEqual({ status: 200, redirects: 4 })
    expect(await seen()).toMatchObject({
      cart: 'apple',
      granted: expect.arrayContaining(['services.read', 'incidents.write']),
    })
  })

  test('of different users end with the user who finished last, without the data of the other', async () => {
    await app.get(browser, '/cart')
    const [services, write] = [await asked('/services'), await asked('/write')]
    await browser.visit(await approve(services.href, { user: 'PACME02' }))
    await app.get(browser, '/cart')
    await browser.visit(await approve(write.href, { user: 'PACME01' }))
    expect(await seen()).toMatchObject({ cart: null, user: 'PACME01' })
  })
})

describe('a double click on the consent', () => {
  test.each<[string, 'allow' | 'deny', string[], number]>([
    ['given', 'allow', all, 200],
    ['denied', 'deny', all, 403],
    ['of which too little came back', 'allow', ['services.read'], 403],
  ])('%s is one consent', async (_how, decision, configured, status) => {
    await app.get(browser, '/cart')
    const url = (await asked('/services')).href
    simulator.configure('simulator-client', { scope: configured })
    const [first, second] = [
      await approve(url, { user: 'PACME01', decision }),
      await approve(url, { user: 'PACME01', decision }),
    ]
    const other = browser.copy()
    const answers = await Promise.all([browser.visit(first), other.visit(second)])
    expect(answers.map((answer) => answer.headers.get('location'))).toEqual(['/services', '/services'])
    for (const visitor of [browser, other]) {
      expect((await visitor.visit(`${app.url}/services`)).status).toBe(status)
      expect(await (await app.get(visitor, '/see')).json()).toMatchObject({ cart: 'apple', user: 'PACME01' })
    }
  })
})

describe('there is no redirect loop:', () => {
  test('a consent for which PagerDuty does not grant the scope ends in 403 after four redirects', async () => {
    simulator.configure('simulator-client', { scope: ['incidents.read', 'users.read'] })
    expect(await followed('/services')).toEqual({ status: 403, redirects: 4 })
    expect(await followed('/services')).toEqual({ status: 403, redirects: 0 })
  })

  test('a scope that PagerDuty’s API requires and no guard names is not requested', async () => {
    expect(await followed('/api?required=schedules.read')).toEqual({ status: 403, redirects: 0 })
    expect(await followed('/auth/pagerduty?scope=schedules.read&returnTo=/see')).toEqual({
      status: 403,
      redirects: 0,
    })
    expect(await seen()).toMatchObject({ user: 'PACME01' })
  })

  test('a scope that PagerDuty’s API requires is requested if a guard names it, and only if it is not granted', async () => {
    expect(await followed('/api?required=services.read')).toEqual({ status: 403, redirects: 4 })
    expect(await seen()).toMatchObject({ granted: expect.arrayContaining(['services.read']) })
    expect(await followed('/api?required=incidents.read')).toEqual({ status: 403, redirects: 0 })
  })

  test('an error after the response has begun is left to Express, which aborts the response', async () => {
    await expect(browser.visit(`${app.url}/late`)).rejects.toThrow(/aborted|hang up/)
    expect(late).toHaveBeenCalledWith('InsufficientScopeError')
  })
})

test('each denied scope is remembered separately, through other consents too', async () => {
  const refuse = async (path: string) =>
    browser.visit(await approve((await asked(path)).href, { user: 'PACME01', decision: 'deny' }))
  await refuse('/write')
  await refuse('/oncalls')
  expect((await browser.visit(`${app.url}/write`)).status).toBe(403)
  await consent('/services')
  expect((await browser.visit(`${app.url}/write`)).status).toBe(403)
  expect((await browser.visit(`${app.url}/oncalls`)).status).toBe(403)
  expect((await browser.visit(`${app.url}/services`)).status).toBe(200)
})

test('of several alternatives, the first that may be requested is requested', async () => {
  const limited = await another({ stepUpScope: ['oncalls.read'] }, (express, pd) => {
    express.get(
      '/any',
      pd.requireAnyScope('services.read', 'oncalls.read'),
      (_req, res) => void res.json('through'),
    )
  })
  const visitor = (await limited.logIn()).browser
  const denied = await visitor.visit(`${limited.url}/any`)
  expect(denied.headers.get('location')).toBe('/auth/pagerduty?scope=oncalls.read&returnTo=%2Fany')
})

test('where a partial grant fails the login, a step-up that fails keeps what there is', async () => {
  const strict = await another({ partialGrant: 'fail' })
  const visitor = (await strict.logIn()).browser
  const url = (await asked('/services', visitor, strict)).href
  simulator.configure('simulator-client', { scope: ['incidents.read', 'users.read'] })
  const finished = await visitor.visit(await approve(url))
  expect(finished.headers.get('location')).toBe('/services')
  expect((await visitor.visit(`${strict.url}/services`)).status).toBe(403)
  expect((await strict.get(visitor)).status).toBe(200)
})

test('a refresh that narrows is noticed, the guard follows at once, and the scope is requested again', async () => {
  const narrowed = jest.fn()
  app.pd.on('partialGrant', narrowed)
  simulator.settings.refreshNarrows = true
  simulator.configure('simulator-client', { scope: ['users.read'] })
  expect((await app.get(browser, '/incidents')).status).toBe(200)
  await app.get(browser, '/renew')
  expect((await app.get(browser, '/incidents')).status).toBe(403)
  expect(narrowed).toHaveBeenCalledTimes(1)
  expect(narrowed.mock.calls[0]?.[0]).toMatchObject({
    when: 'refresh',
    missing: ['incidents.read'],
    grantedScopes: ['openid', 'users.read'],
    diagnosis: expect.stringContaining('no longer grants incidents.read'),
  })
  simulator.configure('simulator-client', { scope: all })
  expect((await consent('/incidents')).headers.get('location')).toBe('/incidents')
  expect((await app.get(browser, '/incidents')).status).toBe(200)
})

test('only a user’s navigation is redirected', async () => {
  const kinds = {
    fetch: { 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty' },
    XHR: { 'X-Requested-With': 'XMLHttpRequest', Accept: 'text/html' },
    frame: { ...Browser.navigation, 'Sec-Fetch-Dest': 'iframe' },
  }
  for (const [kind, headers] of Object.entries(kinds)) {
    const denied = await browser.fetch(`${app.url}/services`, { headers })
    expect([kind, denied.status, denied.headers.get('location')]).toEqual([kind, 403, null])
  }
  const head = await browser.fetch(`${app.url}/services`, { method: 'HEAD', headers: Browser.navigation })
  expect([head.status, head.headers.get('location')]).toEqual([403, null])
})
