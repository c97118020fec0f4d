import { Browser } from '../support/browser'
import { altered } from '../support/drop-in'
import { houses, inEachHouse } from './support/houses'

inEachHouse(houses, (house) => {
  test('B1, B2: a callback with a state of nobody’s asks PagerDuty nothing, logs nobody in, and leaves the good one good', async () => {
    const { victim, standIn } = house
    const browser = new Browser()
    const callback = await victim.approved(browser)
    for (const state of [undefined, '', 'undefined', '__proto__', 'x'.repeat(43)]) {
      await browser.visit(altered(callback, { state }))
      expect({ state, user: await victim.userOf(browser) }).toEqual({ state, user: null })
    }
    expect(standIn.calls.token.authorization_code).toBe(0)
    await browser.visit(callback)
    expect(await victim.userOf(browser)).toBe('PACME01')
  })
})
