import { startPagerDuty } from '../../src/testing'
import { startDropIn } from '../support/drop-in'
import { gate, receive } from '../support/webhooks'

const day = 24 * 60 * 60_000

test('a refresh ahead and a revocation are handed to waitUntil, and are over when its promises are', async () => {
  const simulator = await startPagerDuty({ tokenLatency: 50 })
  const given: Promise<unknown>[] = []
  const app = await startDropIn(simulator, {
    session: { idle: 3 * day },
    waitUntil: (work) => void given.push(work),
  })
  const { browser } = await app.logIn()
  expect(given).toEqual([])

  const later = Date.now() + day - 30 * 60_000
  const clock = jest.spyOn(Date, 'now').mockImplementation(() => later)
  expect((await app.get(browser, '/me')).status).toBe(200)
  clock.mockRestore()
  await Promise.all(given.splice(0))
  expect(simulator.calls.token.refresh_token).toBe(1)

  await app.logOut(browser)
  await Promise.all(given)
  expect(simulator.calls.revoke).toBe(1)
  await app.close()
  await simulator.close()
})

test('a webhook handler that continues after its response is handed to waitUntil', async () => {
  const work = gate()
  const given: Promise<unknown>[] = []
  const app = await receive(
    { timeout: 0, waitUntil: (promise) => void given.push(promise) },
    () => work.promise,
  )
  expect((await app.send()).status).toBe(202)
  work.open()
  await Promise.all(given)
  expect(given).toHaveLength(1)
  expect(app.outcomes).toMatchObject([{ outcome: 'handled' }])
  await app.close()
})

test('a waitUntil that throws fails no request', async () => {
  const simulator = await startPagerDuty()
  const app = await startDropIn(simulator, {
    waitUntil: () => {
      throw new Error('Too late')
    },
  })
  const { browser } = await app.logIn()
  expect((await app.logOut(browser)).status).toBe(204)
  await app.close()
  expect(simulator.calls.revoke).toBe(1)
  await simulator.close()
})
