import { join } from 'node:path'
import type { Locator } from 'playwright-core'
import { describeWithChromium } from '../support/chromium'
import { openExampleEachTime } from '../support/example-page'

const screenshots = join(__dirname, '../../docs/screenshots')

describeWithChromium('the webhook page in a browser', () => {
  const open = openExampleEachTime('/webhooks')
  const rows = (outcome: string): Locator => open.page.locator(`[data-outcome="${outcome}"]`)

  test('shows a delivery, its outcome, and what the app did back as itself', async () => {
    const { page, simulator } = open
    await page.getByTestId('send-incident.triggered').click()
    await rows('handled').waitFor()
    expect(await rows('handled').innerText()).toMatch(/incident\.triggered[^]*handled[^]*202[^]*notes: 201/)
    expect(await page.getByTestId('app-tokens').innerText()).toContain('incidents.write')
    expect(simulator.calls.token.client_credentials).toBe(1)
  })

  test('takes a forged one for what it is, and the same event once', async () => {
    const { page, app, simulator } = open
    for (const kind of ['incident.triggered', 'duplicate', 'forged', 'pagey.ping']) {
      await page.getByTestId(`send-${kind}`).click()
      await page.waitForURL(`${app.url}/webhooks`)
    }
    const seen = []
    for (const outcome of ['handled', 'duplicate', 'rejected', 'ignored'])
      seen.push(await rows(outcome).count())
    expect(seen).toEqual([1, 1, 1, 1])
    expect(await rows('rejected').innerText()).toContain('403')
    expect(simulator.calls.api).toBe(2) // the profile at the login, and one note
  })

  test('counts API calls and the requests for the token that they share', async () => {
    const { page, app, simulator } = open
    for (const kind of ['incident.triggered', 'incident.acknowledged', 'incident.resolved']) {
      await page.getByTestId(`send-${kind}`).click()
      await page.waitForURL(`${app.url}/webhooks`)
    }
    expect(await page.getByTestId('api-calls').innerText()).toBe('3')
    expect(await page.getByTestId('token-requests').innerText()).toBe('1')
    expect(simulator.calls.token.client_credentials).toBe(1)
  })

  test('shows what comes in while it is open, without being loaded again', async () => {
    const { context, page, app } = open
    await page.getByText('New rows appear by themselves.').waitFor()
    expect(await page.getByText('No webhooks yet.').isVisible()).toBe(true)
    const other = await context.newPage()
    await other.goto(`${app.url}/webhooks`)
    await other.getByTestId('send-incident.resolved').click()
    await rows('handled').waitFor()
    expect(await rows('handled').innerText()).toContain('incident.resolved')
    expect(await page.getByTestId('token-requests').innerText()).toBe('1')
    expect(await page.getByText('No webhooks yet.').count()).toBe(0)
    await other.close()
  })

  test('fits a phone and a dark room', async () => {
    const { page } = open
    await page.getByTestId('send-incident.triggered').click()
    await rows('handled').waitFor()
    await page.getByTestId('send-forged').click()
    await rows('rejected').waitFor()
    if (process.env['SCREENSHOTS']) await page.screenshot({ path: join(screenshots, 'webhooks-light.png') })
    await page.setViewportSize({ width: 390, height: 844 })
    await page.emulateMedia({ colorScheme: 'dark' })
    const widths = await page.evaluate('[document.documentElement.scrollWidth, innerWidth]')
    expect(widths).toEqual([390, 390])
  })

  test('is for users who are logged in', async () => {
    const { chromium, app, simulator } = open
    const stranger = await chromium.newPage()
    simulator.settings.autoApprove = undefined
    await stranger.goto(`${app.url}/webhooks`)
    expect(stranger.url()).toContain('/oauth/authorize')
    await stranger.close()
  })
})
