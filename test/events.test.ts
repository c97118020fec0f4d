import { type StandIn, startPagerDuty } from '../src/testing'
import { startDropIn } from './support/drop-in'

let standIn: StandIn

beforeAll(async () => {
  standIn = await startPagerDuty()
})
afterAll(() => standIn.close())

test('a listener that throws is warned about, and the login it heard of comes about', async () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const app = await startDropIn(standIn)
  app.pd.on('login', () => {
    throw new Error('listener')
  })
  const { browser, finished } = await app.logIn()
  expect(finished.status).toBe(302)
  expect((await app.get(browser)).status).toBe(200)
  expect(warned).toHaveBeenCalledWith(expect.objectContaining({ message: 'listener' }))
  warned.mockRestore()
  await app.close()
})

test('each failed login is told with its error', async () => {
  const app = await startDropIn(standIn)
  const codes: unknown[] = []
  app.pd.on('loginFailed', ({ error }) => void codes.push((error as { code?: string }).code))
  standIn.failNext('token', 'invalid_client')
  await app.logIn()
  await fetch(`${app.url}/auth/pagerduty/callback?code=a&state=b`)
  await fetch(`${app.url}/auth/pagerduty/callback?code=a`)
  expect(codes).toEqual([
    'invalid_client',
    'ERR_PAGERDUTY_STATE_COOKIE_MISSING',
    'ERR_PAGERDUTY_STATE_MISSING',
  ])
  await app.close()
})

test('a logout that PagerDuty does not hear of is a logout all the same, and a warning', async () => {
  const app = await startDropIn(standIn)
  const warned = new Promise((resolve) => app.pd.on('warning', resolve))
  const { browser } = await app.logIn()
  standIn.failNext('revoke', '500')
  expect((await app.logOut(browser.copy())).status).toBe(204)
  expect((await app.get(browser)).status).toBe(401)
  expect(await warned).toMatchObject({ error: { name: 'TokenEndpointError', httpStatus: 500 } })
  await app.close()
})
