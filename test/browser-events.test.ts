import { join } from 'node:path'
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import { type RunningExample, startExampleApp } from '../example-app/server'
import type { StandIn } from '../src/testing'
import { describeWithChromium, startChromium } from './support/chromium'

const screenshots = join(__dirname, '../docs/screenshots')

jest.setTimeout(20_000)

describeWithChromium('the page of events in a browser', () => {
  let chromium: Browser
  let app: RunningExample
  let standIn: StandIn
  let context: BrowserContext
  let page: Page
  let complaints: string[]

  beforeAll(async () => {
    chromium = await startChromium()
  })
  afterAll(() => chromium.close())
  beforeEach(async () => {
    complaints = []
    app = await startExampleApp({ port: 0 })
    standIn = app.standIn as StandIn
    standIn.settings.autoApprove = 'PACME01'
    context = await chromium.newContext({ viewport: { width: 1200, height: 900 } })
    page = await context.newPage()
    page.setDefaultTimeout(10_000)
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
    await page.goto(`${app.url}/auth/pagerduty?returnTo=/events`)
  })
  afterEach(async () => {
    await context.close()
    await app.close()
    if (complaints.length > 0) throw new Error(`The page complained:\n${complaints.join('\n')}`)
  })

  const rows = (name: string): Locator => page.locator(`[data-event="${name}"]`)

  test('shows a login, a refresh and a denial, with what was done about it', async () => {
    expect(await rows('login').innerText()).toMatch(/login[^]*you[^]*granted .*incidents\.read/)
    await page.getByTestId('refresh').click()
    await rows('refresh').waitFor()
    expect(await rows('refresh').innerText()).toMatch(/refresh[^]*you[^]*version 2, in \d+ ms/)
    await page.goto(`${app.url}/services`).catch(() => {})
    complaints.length = 0 // Chromium notes the 403.
    await page.goto(`${app.url}/events`)
    expect(await rows('denied').first().innerText()).toMatch(/\/services: insufficient_scope, refused/)
    expect(await rows('denied').last().innerText()).toMatch(/\/services: insufficient_scope, sent to consent/)
  })

  test('shows what happens while it is open, and not who others are', async () => {
    await page.getByText('Live.').waitFor()
    standIn.settings.autoApprove = 'PGLBX01'
    const stranger = await chromium.newContext()
    const other = await stranger.newPage()
    await other.goto(`${app.url}/auth/pagerduty/callback?code=a&state=b`)
    await rows('stateMismatch').waitFor()
    await other.goto(`${app.url}/auth/pagerduty`)
    await rows('login').nth(1).waitFor()
    expect(await rows('stateMismatch').innerText()).toContain('cause: otherBrowser')
    expect(await rows('login').first().innerText()).toContain('somebody else')
    expect(await page.getByTestId('events').innerText()).not.toContain('PGLBX01')
    await stranger.close()
  })

  test('fits a phone and a dark room', async () => {
    await page.getByTestId('refresh').click()
    await rows('refresh').waitFor()
    await fetch(`${app.url}/auth/pagerduty/callback?code=a&state=b`)
    await rows('loginFailed').waitFor()
    if (process.env['SCREENSHOTS']) await page.screenshot({ path: join(screenshots, 'events-light.png') })
    await page.emulateMedia({ colorScheme: 'dark' })
    for (const width of [390, 360]) {
      await page.setViewportSize({ width, height: 844 })
      const widths = await page.evaluate('[document.documentElement.scrollWidth, innerWidth]')
      expect(widths).toEqual([width, width])
    }
  })

  test('is for people who are logged in', async () => {
    const stranger = await chromium.newPage()
    standIn.settings.autoApprove = undefined
    await stranger.goto(`${app.url}/events`)
    expect(stranger.url()).toContain('/oauth/authorize')
    await stranger.close()
  })
})
