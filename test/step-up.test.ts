import type { PagerDuty } from '../src'
import { type StandIn, approve, startPagerDuty } from '../src/testing'
import { Browser } from './support/browser'
import { type DropIn, startDropIn } from './support/drop-in'

const all = ['incidents.read', 'incidents.write', 'users.read', 'services.read']

let standIn: StandIn
let app: DropIn
let browser: Browser

beforeEach(async () => {
  standIn = await startPagerDuty()
  standIn.configure('stand-in-client', { scope: all })
  app = await startDropIn(standIn, { scope: ['incidents.read', 'users.read'] }, addRoutes)
  browser = (await app.logIn()).browser
})
afterEach(async () => {
  jest.restoreAllMocks()
  await app.close()
  await standIn.close()
})

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
  express.get('/more', (req) => req.pagerduty.login({ scope: 'services.read', returnTo: '/see' }))
}

/** Where a navigation is sent, hop by hop, until PagerDuty asks. */
async function asked(path: string): Promise<URL> {
  let at = `${app.url}${path}`
  for (let hop = 0; hop < 3; hop++) {
    const answer = await browser.visit(at)
    at = new URL(answer.headers.get('location') as string, at).href
    if (at.startsWith(standIn.url)) return new URL(at)
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

test('an answer that covers less than what is held does not replace it, and nobody is sent round', async () => {
  const consent = await asked('/services')
  standIn.configure('stand-in-client', { scope: ['services.read'] })
  const finished = await browser.visit(await approve(consent.href, { user: 'PACME01' }))
  expect(finished.headers.get('location')).toBe('/services')
  expect((await browser.visit(`${app.url}/services`)).status).toBe(403)
  expect(await seen()).toMatchObject({ granted: ['openid', 'incidents.read', 'users.read'] })
  expect((await app.get(browser)).status).toBe(200)
})

test('a refused consent keeps the login, is remembered for ten minutes, and its page has a link to ask again', async () => {
  const consent = await asked('/services')
  const denied = await browser.visit(await approve(consent.href, { user: 'PACME01', decision: 'deny' }))
  expect(denied.headers.get('location')).toBe('/services')
  const page = await browser.visit(`${app.url}/services`)
  expect(page.status).toBe(403)
  const [, link = ''] = /href="([^"]*scope=[^"]*)"/.exec(await page.text()) ?? []
  expect((await browser.visit(app.url + link.replaceAll('&#38;', '&'))).headers.get('location')).toContain(
    standIn.url,
  )
  expect((await app.get(browser)).status).toBe(200)
  const now = Date.now()
  jest.spyOn(Date, 'now').mockReturnValue(now + 10 * 60_000 + 1000)
  expect((await asked('/services')).origin).toBe(standIn.url)
})

test('somebody else who consents is a new login, without the data of the old one', async () => {
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

test('login({ scope }) asks for it besides what is granted', async () => {
  await browser.visit(await approve((await asked('/more')).href, { user: 'PACME01' }))
  expect(await seen()).toMatchObject({ granted: ['openid', 'incidents.read', 'users.read', 'services.read'] })
})

test('the login path asks only for scopes that the app names', async () => {
  const consent = await asked('/auth/pagerduty?scope=incidents.write+schedules.write')
  expect(consent.searchParams.get('scope')).toBe('openid incidents.read users.read incidents.write')
})

test('stepUpScope limits what people are asked for, and stepUp: false asks for nothing', async () => {
  const limited = await startDropIn(standIn, { stepUpScope: ['services.read'] }, (express, pd) => {
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
  await limited.close()
})
