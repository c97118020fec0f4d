import type { Page } from 'playwright-core'
import { describeWithChromium } from '../support/chromium'
import { openExampleEachTime } from '../support/example-page'

const iPhone =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1'
const edge =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0'

describeWithChromium('the page of sessions in a browser', () => {
  const open = openExampleEachTime('/sessions')

  /** A page of another browser in which this user logs in. */
  async function logInWith(userAgent: string, user = 'PACME01'): Promise<Page> {
    open.simulator.settings.autoApprove = user
    const page = await open.chromium.newPage({ userAgent })
    await page.goto(`${open.app.url}/auth/pagerduty?returnTo=/sessions`)
    return page
  }

  async function grantOf(userID: string): Promise<string> {
    const [grant] = await open.app.pd.grants.list({ accountID: 'PACME00', userID })
    return grant?.requireLogin().grantID as string
  }

  const rows = (page: Page) => page.getByTestId('sessions').locator('tbody').getByRole('row').allInnerTexts()
  const isLoggedOut = async (page: Page) => {
    await page.goto(open.app.url)
    return page.getByTestId('login').isVisible()
  }

  test('is reached from the home page, and says so where there is no other', async () => {
    const { page, app } = open
    await page.goto(app.url)
    await page.getByRole('link', { name: 'Your sessions' }).click()
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('Your sessions')
    expect(await rows(page)).toEqual([
      expect.stringMatching(/^Chrome on Linux\s+just now\s+just now\s+This browser$/),
    ])
    expect(await page.getByText('You are logged in nowhere else.').isVisible()).toBe(true)
    expect(await page.getByRole('main').getByRole('button').count()).toBe(0)
  })

  test('ends one other, which is logged out then, and leaves the rest', async () => {
    const { page } = open
    const phone = await logInWith(iPhone)
    const office = await logInWith(edge)
    await page.reload()
    expect(await rows(page)).toEqual([
      expect.stringContaining('This browser'),
      expect.stringContaining('Edge on Windows'),
      expect.stringContaining('Safari on iOS'),
    ])
    await page.getByRole('button', { name: 'End Safari on iOS' }).click()
    await page.getByRole('main').getByRole('status').waitFor()
    expect(await rows(page)).toHaveLength(2)
    expect([await isLoggedOut(phone), await isLoggedOut(office)]).toEqual([true, false])
  })

  test('ends all others by its one primary button', async () => {
    const { page } = open
    const others = [await logInWith(iPhone), await logInWith(edge)]
    await page.reload()
    expect(await page.locator('.primary').allInnerTexts()).toEqual(['End the others'])
    await page.getByRole('button', { name: 'End the others' }).click()
    await page.getByText('You are logged in nowhere else.').waitFor()
    for (const other of others) expect(await isLoggedOut(other)).toBe(true)
    expect(await isLoggedOut(page)).toBe(false)
  })

  test('marks what background jobs use', async () => {
    const { page, app } = open
    const grantID = await grantOf('PACME01')
    await app.pd.grants.keep(grantID)
    await page.reload()
    expect(await rows(page)).toEqual([expect.stringContaining('also used by background jobs')])
  })

  test('neither shows nor ends sessions of others, nor does what another site sends', async () => {
    const { page, context, app } = open
    const ben = await logInWith(edge, 'PACME02')
    await page.reload()
    expect(await rows(page)).toHaveLength(1)
    const grantID = await grantOf('PACME02')
    const form = { grantID }
    const origin = { Origin: app.url, 'Sec-Fetch-Site': 'same-origin' }
    await context.request.post(`${app.url}/sessions/end`, { form, headers: origin })
    expect(await isLoggedOut(ben)).toBe(false)
    const headers = { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' }
    for (const path of ['/sessions/end', '/sessions/end-others', '/session-time'])
      expect((await context.request.post(app.url + path, { form, headers })).status()).toBe(403)
  })

  test.each(['light', 'dark'] as const)('has room for fingers on a phone, %s', async (colorScheme) => {
    const { page } = open
    await logInWith(iPhone)
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width: 360, height: 800 })
    await page.reload()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)
    for (const button of await page.getByRole('button').all())
      expect((await button.boundingBox())?.height).toBeGreaterThanOrEqual(44)
    expect(await page.getByRole('table').getByRole('row').count()).toBe(3)
    expect(await page.getByRole('columnheader').allTextContents()).not.toContain('')
  })
})
