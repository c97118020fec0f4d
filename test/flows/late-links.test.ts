import { Browser } from '../support/browser'
import { app, browser, setUpPassportTests, simulator, start } from '../support/passport-test'

setUpPassportTests()
beforeEach(() =>
  start({
    more: (express) => {
      express.post('/regenerate', (req, res) => req.session.regenerate(() => res.json('another session')))
      express.post('/drop', (req, res) => {
        delete (req.session as unknown as Record<string, unknown>)['cart']
        res.json('dropped')
      })
    },
  }),
)

/** Does something in another tab while PagerDuty takes its time for the token call of a callback. */
async function whileFinishing(callback: string, work: () => Promise<unknown>): Promise<Response> {
  const before = simulator.calls.token.authorization_code
  simulator.settings.tokenLatency = 400
  const finished = browser.visit(callback)
  while (simulator.calls.token.authorization_code === before) await new Promise(setImmediate)
  await work()
  return finished
}

describe('a link whose callback is being finished', () => {
  test.each(['/logout', '/destroy', '/regenerate'])('does not undo what %s does meanwhile', async (path) => {
    await app.get(browser, '/local/local-7')
    const response = await whileFinishing(await app.approved(browser), () => app.post(browser, path))
    expect(response.headers.get('location')).toBe('/refused')
    expect(await app.see(browser)).toMatchObject({ user: null, pagerduty: null })
    await expectNoGrant()
  })

  test('does not log the user in again in whose place another one logs in meanwhile', async () => {
    await app.get(browser, '/local/local-7')
    const callback = await app.approved(browser)
    await whileFinishing(callback, () => app.get(browser, '/local/local-8'))
    expect(await app.see(browser)).toMatchObject({ user: { id: 'local-8' }, pagerduty: null })
    await expectNoGrant()
  })

  test('keeps what other requests write into the session, and what they take out of it', async () => {
    await app.get(browser, '/local/local-7')
    await app.get(browser, '/put/one')
    await whileFinishing(await app.approved(browser), () => app.get(browser, '/put/two'))
    expect((await app.see(browser)).session).toMatchObject({ cart: 'two' })
    await whileFinishing(await app.approved(browser), () => app.post(browser, '/drop'))
    expect((await app.see(browser)).session).not.toHaveProperty('cart')
    expect(await app.see(browser)).toMatchObject({ user: { id: 'local-7' }, pagerduty: 'PACME01' })
  })

  test('is done once by a double click, whose second response has the login and the link too', async () => {
    await app.get(browser, '/local/local-7')
    const callback = await app.approved(browser)
    const second = browser.copy()
    const both = await Promise.all([browser.visit(callback), second.visit(callback)])
    expect(both.map(({ status }) => status)).toEqual([200, 200])
    for (const one of [browser, second]) {
      expect(await app.see(one)).toMatchObject({ user: { id: 'local-7' }, pagerduty: 'PACME01' })
    }
    expect(simulator.liveGrants()).toHaveLength(1)
  })
})

test('a link whose session cannot be read again leaves no grant, and the user logged in', async () => {
  await app.get(browser, '/local/local-7')
  const callback = await app.approved(browser)
  const failing = jest.spyOn(app.sessions, 'get')
  await whileFinishing(callback, async () => {
    failing.mockImplementation((_id, done) => done(new Error('The session store is away')))
    await expectGrant()
  })
  failing.mockRestore()
  await expectNoGrant()
  expect(await app.see(browser)).toMatchObject({ user: { id: 'local-7' }, pagerduty: null })
})

test('a link that one local user began is not finished in the session of another', async () => {
  await app.get(browser, '/local/local-7')
  const callback = await app.approved(browser)
  await app.post(browser, '/logout')
  await app.get(browser, '/local/local-8')
  expect((await browser.visit(callback)).headers.get('location')).toBe('/refused')
  expect(await app.see(browser)).toMatchObject({ user: { id: 'local-8' }, pagerduty: null })
  await expectNoGrant()
})

test('a link whose local user has logged out since logs no one in', async () => {
  await app.get(browser, '/local/local-7')
  const callback = await app.approved(browser)
  await app.post(browser, '/logout')
  expect((await browser.visit(callback)).headers.get('location')).toBe('/refused')
  expect(await app.see(browser)).toMatchObject({ user: null, pagerduty: null })
  expect(simulator.calls.token.authorization_code).toBe(0)
})

test('a step-up keeps what other requests write into the session, and what they take out of it', async () => {
  await app.consent(browser)
  await app.get(browser, '/put/one')
  await whileFinishing(await app.approved(browser, '/services'), () => app.get(browser, '/put/two'))
  expect(await app.see(browser)).toMatchObject({ pagerduty: 'PACME01', session: { cart: 'two' } })
  const other = new Browser()
  expect(await app.see(other)).toMatchObject({ user: null })
})

/** Until PagerDuty has given the tokens of a login. */
async function expectGrant(): Promise<void> {
  while (simulator.liveGrants().length === 0) await new Promise(setImmediate)
}

async function expectNoGrant(): Promise<void> {
  while (simulator.liveGrants().length > 0) await new Promise(setImmediate)
  expect(simulator.liveGrants()).toEqual([])
}
