import { startPagerDuty } from '../../src/testing'
import { describeWithChromium, startChromium } from '../support/chromium'
import { startDropIn } from '../support/drop-in'

describeWithChromium('an error page in a browser', () => {
  it('loads nothing that its content policy forbids, not even for its icon', async () => {
    const simulator = await startPagerDuty()
    const app = await startDropIn(simulator)
    const chromium = await startChromium()
    try {
      const page = await chromium.newPage()
      const complaints: string[] = []
      page.on('console', (message) => complaints.push(message.text()))
      await page.goto(`${app.url}/auth/pagerduty/callback?code=stolen&state=unknown`)
      expect(await page.locator('h1').count()).toBe(1)
      // As browsers with a window do by themselves.
      await page.evaluate(`new Promise((resolve) => {
        const image = new Image()
        image.onload = image.onerror = () => resolve(image.src)
        image.src = document.querySelector('link[rel=icon]')?.href ?? '/favicon.ico'
      })`)
      expect(complaints.filter((text) => text.includes('Content Security Policy'))).toEqual([])
    } finally {
      await chromium.close()
      await app.close()
      await simulator.close()
    }
  })
})
