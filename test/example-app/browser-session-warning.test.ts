import type { Page } from 'playwright-core'
import { type TestClock, testClock } from '../../src/testing'
import { describeWithChromium } from '../support/chromium'
import { openExampleEachTime } from '../support/example-page'

const minute = 60_000
const day = 24 * 60 * minute

const stay = (page: Page) => page.getByRole('button', { name: 'Stay logged in' })
const logInAgain = (page: Page) => page.getByRole('link', { name: 'Log in again' })
const status = (page: Page) => page.locator('#warning').getByRole('status')
/** Milliseconds that the login still lasts, requested the way pages do by themselves. */
const left = (page: Page) =>
  page.evaluate(`fetch('/session-time').then(async (response) => (await response.json()).left)`)

describeWithChromium('a page of a login that is about to end', () => {
  const open = openExampleEachTime('/events', { idle: 30 * minute })
  let clock: TestClock

  beforeEach(async () => {
    clock = testClock()
    await open.context.clock.install()
    await open.page.reload()
  })
  afterEach(() => clock.restore())

  /** For the app and for all pages. */
  async function pass(milliseconds: number): Promise<void> {
    clock.advance(milliseconds)
    await open.context.clock.fastForward(milliseconds)
  }

  test('says when, takes no focus, and a key extends the login without loading the page again', async () => {
    const { page } = open
    await page.evaluate('window.isSame = true')
    await page.getByTestId('logout').focus()
    await pass(27 * minute)
    expect(await stay(page).isVisible()).toBe(false)
    await pass(1.5 * minute)
    await stay(page).waitFor()
    expect(await status(page).innerText()).toMatch(/^Your login ends at \d.*\d.*\.$/)
    expect(await page.evaluate('document.activeElement.dataset.testid')).toBe('logout')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await stay(page).waitFor({ state: 'hidden' })
    expect(await status(page).innerText()).toBe('')
    expect(await left(page)).toBeGreaterThan(29 * minute)
    expect(await page.evaluate('window.isSame')).toBe(true)
    await pass(29 * minute)
    await stay(page).waitFor()
  })

  test('is calm again when another tab extends the login, by the button or by loading a page', async () => {
    const { page, context, app } = open
    const other = await context.newPage()
    await other.goto(`${app.url}/scopes`)
    await pass(28.5 * minute)
    await stay(page).waitFor()
    await stay(other).click()
    await stay(page).waitFor({ state: 'hidden' })
    await pass(28.5 * minute)
    await stay(page).waitFor()
    await other.goto(`${app.url}/scopes`)
    await stay(page).waitFor({ state: 'hidden' })
    expect(await status(page).innerText()).toBe('')
  })

  test('extends nothing by what it requests itself', async () => {
    const { page } = open
    await pass(20 * minute)
    await page.evaluate(
      `Promise.all(['/events/stream', '/webhooks/stream'].map((path) =>
        new Promise((opened) => (new EventSource(path).onopen = opened))))`,
    )
    expect(await left(page)).toBeLessThanOrEqual(10 * minute)
    await pass(9 * minute)
    await stay(page).waitFor()
    await pass(2 * minute)
    await logInAgain(page).waitFor()
    expect(await status(page).innerText()).toBe('Your login has ended.')
  })

  test('says so, and tries again, where the app cannot be reached', async () => {
    const { page, context, complaints } = open
    await context.route('**/session-time', (route) => route.abort())
    await pass(28.5 * minute)
    await status(page).getByText('The connection is lost.').waitFor()
    await context.unroute('**/session-time')
    await pass(5_000)
    await stay(page).waitFor()
    expect(await status(page).innerText()).toMatch(/^Your login ends at/)
    complaints.length = 0 // Chromium notes what failed.
  })

  test.each(['light', 'dark'] as const)('has room for it on a phone, %s', async (colorScheme) => {
    const { page } = open
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width: 360, height: 800 })
    await pass(28.5 * minute)
    await stay(page).waitFor()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)
    expect((await stay(page).boundingBox())?.height).toBeGreaterThanOrEqual(44)
  })
})

describeWithChromium('a page of a login that nothing can extend any more', () => {
  const open = openExampleEachTime('/scopes', { idle: 30 * day })

  test('offers to log in again when the button has not helped', async () => {
    const clock = testClock()
    try {
      const { page, context } = open
      await context.clock.install()
      await page.reload()
      clock.advance(30 * day - minute)
      await context.clock.fastForward(30 * day - minute)
      await stay(page).click()
      await logInAgain(page).waitFor()
      expect(await status(page).innerText()).toMatch(/^Your login ends at/)
    } finally {
      clock.restore()
    }
  })
})

describeWithChromium('a page of a login that has ended', () => {
  const open = openExampleEachTime('/scopes', { idle: 5_000 })

  test('says so by itself, and leads through a login back to itself', async () => {
    const { page, app } = open
    await logInAgain(page).click()
    await page.waitForURL(`${app.url}/scopes`)
    expect(await page.getByTestId('user-name').innerText()).toBe('Ada Okafor')
    expect(await logInAgain(page).isVisible()).toBe(false)
  })
})
