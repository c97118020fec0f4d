import type { Browser, BrowserContext, Page, Request, Response } from 'playwright-core'
import { type RunningExample, startExampleApp } from '../../example-app/start'
import type { Simulator } from '../../src/testing'
import { describeWithChromium, startChromium } from '../support/chromium'

describeWithChromium('scopes in a browser', () => {
  let chromium: Browser
  let app: RunningExample
  let simulator: Simulator
  let context: BrowserContext
  let page: Page
  const complaints: string[] = []

  beforeAll(async () => {
    chromium = await startChromium()
  })
  afterAll(() => chromium.close())
  beforeEach(async () => {
    app = await startExampleApp({ port: 0 })
    simulator = app.simulator as Simulator
    complaints.length = 0
    await newPage()
  })
  afterEach(async () => {
    await context.close()
    await app.close()
    if (complaints.length > 0) throw new Error(`The pages complained:\n${complaints.join('\n')}`)
  })

  async function newPage(options: Parameters<Browser['newContext']>[0] = {}): Promise<void> {
    context = await chromium.newContext(options)
    context.setDefaultTimeout(30_000)
    await context.exposeFunction('complain', (violation: string) => complaints.push(violation))
    await context.addInitScript(
      `addEventListener('securitypolicyviolation', (event) => complain(event.violatedDirective + ' ' + event.blockedURI))`,
    )
    context.on('weberror', (error) => complaints.push(error.error().message))
    page = await context.newPage()
  }

  const isAuthorize = (url: URL): boolean => url.pathname === '/oauth/authorize'
  const asked = (): string[] => new URL(page.url()).searchParams.get('scope')?.split(' ') ?? []
  const isThere = (path: string) => page.waitForURL(app.url + path)

  async function decide(decision: 'allow' | 'deny', user = 'PACME01'): Promise<void> {
    await page.locator(`#user-${user}`).check()
    await page.locator(`#${decision}`).click()
  }

  async function logIn(path = '/scopes'): Promise<void> {
    await page.goto(app.url + path)
    await page.waitForURL(isAuthorize)
    await decide('allow')
    await isThere(path)
  }

  /** On the page of scopes: what the app at PagerDuty is configured with from now on. */
  async function configure(...scopes: string[]): Promise<void> {
    await page.goto(`${app.url}/scopes`)
    for (const box of await page.getByRole('checkbox').all())
      await box.setChecked(scopes.includes(await box.inputValue()))
    await page.getByTestId('configure').click()
    await isThere('/scopes?configured')
  }

  /** The words of a row of the matrix. */
  const row = async (scope: string): Promise<string[]> =>
    (await page.locator(`tr[data-scope="${scope}"] td`).allInnerTexts()).map((text) => text.trim())

  /** How many redirects led to a response. */
  function redirectsTo(answer: Response | null): number {
    let hops = 0
    for (let request: Request | null = answer?.request() ?? null; request !== null; hops++)
      request = request.redirectedFrom()
    return hops - 1
  }

  test('a partial grant shows in the matrix, and step-up fixes it once the app is configured', async () => {
    await logIn()
    expect(await row('incidents.read')).toEqual(['yes', 'granted', 'GET /incidents GET /api/incidents'])
    expect(await row('teams.read')).toEqual(['yes', 'missing', '–'])
    expect(await row('services.read')).toEqual(['no', 'missing', 'GET /services'])
    await configure('incidents.read', 'users.read', 'services.read')
    await page.getByRole('link', { name: 'Request services.read' }).click()
    await page.waitForURL(isAuthorize)
    expect(asked()).toEqual(['openid', 'incidents.read', 'users.read', 'services.read'])
    await decide('allow')
    await isThere('/scopes')
    expect(await row('services.read')).toEqual(['yes', 'granted', 'GET /services'])
    expect(await page.getByTestId('ask').count()).toBe(0)
    expect((await page.goto(`${app.url}/services`))?.status()).toBe(200)
  })

  test('a page whose scope is missing goes through the consent and comes back to itself', async () => {
    await logIn()
    await configure('incidents.read', 'users.read', 'services.read')
    const cookies = await context.cookies(app.url)
    await page.goto(`${app.url}/services?page=2`)
    expect(isAuthorize(new URL(page.url()))).toBe(true)
    await decide('allow')
    await isThere('/services?page=2')
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('Services')
    const renewed = await context.cookies(app.url)
    expect([renewed.length, renewed[0]?.name]).toEqual([1, 'pagerduty'])
    expect(renewed[0]?.value).not.toBe(cookies[0]?.value)
  })

  test('a denied consent ends on a page with a link to request it again, keeps the login, and causes no redirect loop', async () => {
    await logIn()
    await configure('incidents.read', 'users.read', 'services.read')
    await page.goto(`${app.url}/services`)
    const [answer] = await Promise.all([
      page.waitForResponse((response) => response.url() === `${app.url}/services`),
      decide('deny'),
    ])
    expect([answer.status(), redirectsTo(answer)]).toEqual([403, 2])
    const again = await page.goto(`${app.url}/services`)
    expect([again?.status(), redirectsTo(again)]).toEqual([403, 0])
    expect((await page.goto(`${app.url}/incidents`))?.status()).toBe(200)
    await page.goto(`${app.url}/services`)
    await page.getByRole('link', { name: 'Request it from PagerDuty' }).click()
    await page.waitForURL(isAuthorize)
    await decide('allow')
    await isThere('/services')
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('Services')
  })

  test('what PagerDuty does not grant ends after four redirects, without anybody asking', async () => {
    await logIn()
    simulator.settings.autoApprove = 'PACME01'
    const first = await page.goto(`${app.url}/services`)
    expect([first?.status(), redirectsTo(first)]).toEqual([403, 4])
    const second = await page.goto(`${app.url}/services`)
    expect([second?.status(), redirectsTo(second)]).toEqual([403, 0])
    expect((await page.goto(`${app.url}/incidents`))?.status()).toBe(200)
  })

  test('a refresh that narrows shuts the page at once, and the consent opens it again', async () => {
    await logIn()
    expect((await page.goto(`${app.url}/incidents`))?.status()).toBe(200)
    await configure('users.read')
    expect((await page.goto(`${app.url}/incidents`))?.status()).toBe(200)
    await page.goto(`${app.url}/scopes`)
    await page.getByTestId('refresh').click()
    await isThere('/scopes?refreshed')
    expect(await row('incidents.read')).toEqual(['yes', 'missing', 'GET /incidents GET /api/incidents'])
    expect((await context.request.get(`${app.url}/api/incidents`)).status()).toBe(403)
    await configure('users.read', 'incidents.read')
    await page.goto(`${app.url}/incidents`)
    expect(isAuthorize(new URL(page.url()))).toBe(true)
    await decide('allow')
    await isThere('/incidents')
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('Incidents')
  })

  test('two tabs that request different scopes both reach their page', async () => {
    await logIn()
    await configure('users.read')
    await page.getByTestId('refresh').click()
    await configure('users.read', 'incidents.read', 'services.read')
    const other = await context.newPage()
    await page.goto(`${app.url}/services`)
    await other.goto(`${app.url}/incidents`)
    simulator.settings.autoApprove = 'PACME01'
    await decide('allow')
    await isThere('/services')
    await other.locator('#allow').click()
    await other.waitForURL(`${app.url}/incidents`)
    expect(await other.getByRole('heading', { level: 1 }).innerText()).toBe('Incidents')
    expect((await page.reload())?.status()).toBe(200)
  })

  test.each([
    ['light', true],
    ['dark', false],
  ] as const)('the page fits a phone, %s, with scripts: %s', async (colorScheme, javaScriptEnabled) => {
    await context.close()
    context = await chromium.newContext({
      viewport: { width: 390, height: 844 },
      colorScheme,
      javaScriptEnabled,
    })
    page = await context.newPage()
    await logIn()
    const boxes = await page.locator('body *:visible').all()
    const rights = await Promise.all(
      boxes.map(async (box) => (await box.boundingBox()) ?? { x: 0, width: 0 }),
    )
    expect(Math.max(...rights.map(({ x, width }) => x + width))).toBeLessThanOrEqual(390)
    await page.getByLabel('services.read').check()
    await page.getByRole('button', { name: 'Save' }).click()
    await isThere('/scopes?configured')
    expect(await page.getByRole('main').getByRole('status').innerText()).toContain('Saved')
    expect(await page.getByLabel('services.read').isChecked()).toBe(true)
    expect(await page.getByRole('row').count()).toBe(1 + 5)
    expect(await page.getByRole('link', { name: 'Scopes' }).getAttribute('aria-current')).toBe('page')
  })

  test('only pages of the app may change what it is configured with', async () => {
    await logIn()
    const headers = { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' }
    const form = { scope: 'services.read' }
    const foreign = await context.request.post(`${app.url}/simulator/scopes`, { form, headers })
    expect(foreign.status()).toBe(403)
    await page.goto(`${app.url}/scopes`)
    expect(await page.getByLabel('services.read').isChecked()).toBe(false)
  })
})
