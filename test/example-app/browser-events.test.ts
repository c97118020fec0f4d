import { join } from 'node:path'
import type { Locator } from 'playwright-core'
import { describeWithChromium } from '../support/chromium'
import { openExampleEachTime } from '../support/example-page'

const screenshots = join(__dirname, '../../docs/screenshots')

describeWithChromium('the page of events in a browser', () => {
  const open = openExampleEachTime('/events')
  const rows = (name: string): Locator => open.page.locator(`[data-event="${name}"]`)

  test('shows a login, a refresh and a denial, with what was done about it', async () => {
    const { page, app, complaints } = open
    expect(await rows('login').innerText()).toMatch(/login[^]*you[^]*granted .*incidents\.read/)
    await page.getByTestId('refresh').click()
    await rows('refresh').waitFor()
    expect(await rows('refresh').innerText()).toMatch(/refresh[^]*you[^]*version 2, in \d+ ms/)
    await page.goto(`${app.url}/services`).catch(() => {})
    complaints.length = 0 // Chromium notes the 403.
    await page.goto(`${app.url}/events`)
    expect(await rows('denied').first().innerText()).toMatch(/\/services: insufficient_scope, denied/)
    expect(await rows('denied').last().innerText()).toMatch(/\/services: insufficient_scope, sent to consent/)
  })

  test('shows what happens while it is open, and not who others are', async () => {
    const { chromium, page, app, simulator } = open
    await page.getByText('New rows appear by themselves.').waitFor()
    simulator.settings.autoApprove = 'PGLBX01'
    const stranger = await chromium.newContext()
    const other = await stranger.newPage()
    await other.goto(`${app.url}/auth/pagerduty/callback?code=a&state=b`)
    await rows('stateMismatch').waitFor()
    await other.goto(`${app.url}/auth/pagerduty`)
    await rows('login').nth(1).waitFor()
    expect(await rows('stateMismatch').innerText()).toContain('cause: otherBrowser')
    expect(await rows('login').first().innerText()).toContain('another user')
    expect(await page.getByTestId('events').innerText()).not.toContain('PGLBX01')
    await stranger.close()
  })

  test('fits a phone and a dark room', async () => {
    const { page, app } = open
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

  test('is for users who are logged in', async () => {
    const { chromium, app, simulator } = open
    const stranger = await chromium.newPage()
    simulator.settings.autoApprove = undefined
    await stranger.goto(`${app.url}/events`)
    expect(stranger.url()).toContain('/oauth/authorize')
    await stranger.close()
  })
})
