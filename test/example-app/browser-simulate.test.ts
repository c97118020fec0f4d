import { withEnvironment } from '../../src/environment'
import type { Simulator } from '../../src/testing'
import { describeWithChromium, openEachTime } from '../support/chromium'
import { type Simulation, startSimulation } from '../support/command'
import { type DropIn, startDropIn } from '../support/drop-in'

describeWithChromium('the control page in a browser', () => {
  let simulation: Simulation
  let app: DropIn
  const open = openEachTime(() => simulation.page)

  beforeAll(async () => {
    simulation = await startSimulation()
    const { callbackURL: _default, ...options } = withEnvironment({}, simulation.env)
    app = await startDropIn({ options: () => ({}) } as unknown as Simulator, options, (express, pd) => {
      express.post(
        '/webhooks/pagerduty',
        pd.webhook(() => {}),
      )
    })
  })
  afterAll(async () => {
    await app.close()
    await simulation.stop()
  })

  const press = async (name: string): Promise<string> => {
    const { page } = open
    await page.getByRole('button', { name }).click()
    return page.getByRole('status').innerText()
  }

  test('shows a login as it happens, and lets it be revoked', async () => {
    const { page } = open
    await app.logIn()
    await page.locator('#grants').getByText('Ada Okafor').waitFor()
    expect(await page.locator('#grants').innerText()).toContain('incidents.read')
    expect(await press('Revoke all')).toBe('All grants are revoked.')
    await page.getByText('There is no live grant').waitFor()
  })

  test('keeps what is being typed while the counts go on', async () => {
    const { page } = open
    await press('Count from zero')
    await page.getByLabel('how often').fill('7')
    await fetch(`${simulation.url}/global/oauth/anonymous/jwks`)
    await page.locator('#calls', { hasText: /JWKS\s*1/ }).waitFor()
    expect(await page.getByLabel('how often').inputValue()).toBe('7')
  })

  test.each(['light', 'dark'] as const)('fits a phone, and a screen, in a %s room', async (colorScheme) => {
    const { page } = open
    await app.logIn(undefined, { user: 'PACME02' })
    await page.emulateMedia({ colorScheme })
    await press('Expire access tokens')
    const widths = () => page.evaluate('[document.documentElement.scrollWidth, innerWidth]')
    expect(await widths()).toEqual([1200, 1200])
    await page.setViewportSize({ width: 390, height: 844 })
    expect(await widths()).toEqual([390, 390])
  })

  test('every button does what it says', async () => {
    const { page } = open
    expect(await press('Expire access tokens')).toContain('access tokens have expired')
    expect(await press('Rotate the keys')).toContain('new key')
    await page.getByLabel('fail with').selectOption('429, Retry-After: 1')
    await page.getByLabel('how often').fill('3')
    expect(await press('Let them fail')).toBe('The next 3 token calls fail: 429, Retry-After: 1.')
    expect(await press('Never mind')).toBe('The next calls succeed.')
    await page.getByLabel('Log in as').selectOption('Ben Ruiz, at once')
    await page
      .locator('section', { has: page.getByRole('heading', { name: 'Users' }) })
      .getByRole('button')
      .click()
    await page.getByText('Logins are approved at once.').waitFor()
    expect(await page.getByLabel('Log in as').inputValue()).toBe('PACME02')
    await page.getByLabel('to', { exact: true }).fill(`${app.url}/webhooks/pagerduty`)
    expect(await press('Send')).toBe('incident.triggered got the response 202.')
    expect(await page.getByLabel('to', { exact: true }).inputValue()).toBe(`${app.url}/webhooks/pagerduty`)
  })
})
