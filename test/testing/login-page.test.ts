import type { Simulator } from '../../src/testing'
import { describeWithChromium, openEachTime } from '../support/chromium'
import { authorizeURL, simulators } from './support'

describeWithChromium('the login page in a browser', () => {
  const { start } = simulators()
  let simulator: Simulator
  beforeEach(async () => {
    simulator = await start()
  })
  // Fails when the page complains, as of an icon that its policy forbids.
  const open = openEachTime(() => authorizeURL(simulator))

  it('loads nothing that its content policy forbids', async () => {
    expect(await open.page.title()).toContain('Log in')
    const icon = await open.page.evaluate(`new Promise((resolve) => {
      const image = new Image()
      image.onload = image.onerror = () => resolve(document.querySelector('link[rel=icon]')?.href)
      image.src = document.querySelector('link[rel=icon]')?.href ?? '/favicon.ico'
    })`)
    expect(icon).toBe('data:,')
  })
})
