import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TokenStoreError, type UserGrant } from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { type DropIn, startDropIn } from '../support/drop-in'
import { WatchedStore } from '../support/watched-store'
import { root } from './examples'

const page = readFileSync(join(root, 'docs/deployment.md'), 'utf8')

/** The last cell of a row of the page's table, by the beginning of its first one. */
function atMost(row: string): string {
  const line = page.split('\n').find((one) => one.startsWith(`| ${row}`)) ?? ''
  return line.split('|').at(-2)?.trim() ?? ''
}

const secret = 'a secret of thirty-two characters or more for tests'
const owner = { accountID: 'PACME00', userID: 'PACME01' }
/** What a call of PagerDuty comes to while it is set. */
let outcome: ((url: string) => Promise<Response>) | undefined
let calls: string[] = []
let store: WatchedStore
let simulator: Simulator
let app: DropIn
let grant: UserGrant

/** The real `fetch`, unless the test says how calls end. */
const fetch: typeof globalThis.fetch = (input, init) => {
  calls.push(String(input))
  return outcome?.(String(input)) ?? globalThis.fetch(input, init)
}

beforeEach(async () => {
  store = new WatchedStore()
  simulator = await startPagerDuty()
  app = await startDropIn(simulator, { tokenStore: store, secret, fetch })
  const { browser } = await app.logIn()
  await app.get(browser)
  ;[grant] = (await app.pd.grants.list(owner)) as [UserGrant]
  calls = []
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] })
})
afterEach(async () => {
  jest.useRealTimers()
  outcome = undefined
  store.fault = undefined
  await app.close()
  await simulator.close()
  store.memory.close()
})

/** Seconds of the fake clock until it settles. */
async function secondsUntil(settled: Promise<unknown>): Promise<number> {
  let isSettled = false
  void settled.finally(() => (isSettled = true))
  let passed = 0
  while (!isSettled) {
    if (passed > 300_000) throw new Error('It did not settle within five minutes')
    await jest.advanceTimersByTimeAsync(100)
    passed += 100
  }
  return passed / 1000
}

const never = () => new Promise<Response>(() => {})

/** Waits until something is sent to PagerDuty. */
async function firstCall(): Promise<void> {
  for (let turns = 0; calls.length === 0 && turns < 1_000; turns++) await jest.advanceTimersByTimeAsync(1)
}

/** Begins a refresh, whose call of PagerDuty is under way then. */
async function beginRefresh(): Promise<void> {
  grant.getAccessToken({ forceRefresh: true }).catch(() => {})
  await firstCall()
}

test('a refresh that PagerDuty never finishes holds close() up for a minute', async () => {
  outcome = never
  await beginRefresh()
  const seconds = await secondsUntil(app.pd.close())
  expect(Math.round(seconds)).toBe(60)
  expect(atMost('refreshes')).toBe(
    `${Math.round(seconds)} s; again as long where PagerDuty broke off and a retry is sent`,
  )
})

test('a connection that breaks at the end of that minute is followed by one more minute, and no third', async () => {
  outcome = () =>
    new Promise((_resolve, reject) => {
      setTimeout(() => reject(Object.assign(new Error('broken off'), { code: 'ECONNRESET' })), 59_000)
    })
  await beginRefresh()
  const seconds = await secondsUntil(app.pd.close())
  expect(seconds).toBeGreaterThan(118)
  expect(seconds).toBeLessThan(121)
  expect(calls).toHaveLength(2)
})

test('new tokens that the store does not take hold it up for half a minute', async () => {
  outcome = async () =>
    Response.json({ access_token: 'new', refresh_token: 'next', token_type: 'bearer', expires_in: 86_400 })
  store.fault = (command) =>
    command.startsWith('replace grant:') ? new TokenStoreError('The store takes no writes') : undefined
  const refreshed = grant.getAccessToken({ forceRefresh: true })
  await secondsUntil(refreshed)
  const seconds = await secondsUntil(app.pd.close())
  expect(Math.round(seconds)).toBe(30)
  expect(atMost('storing these')).toBe(`${Math.round(seconds)} s while the store is down`)
})

test('a revocation that PagerDuty never finishes holds it up for ten seconds, less than the row that it is in', async () => {
  outcome = never
  await app.pd.grants.revoke(owner)
  await firstCall()
  expect(calls[0]).toMatch(/revoke$/)
  expect(Math.round(await secondsUntil(app.pd.close()))).toBe(10)
})

test('all of it together fits into the time that the page wants from a platform', () => {
  const platform = Number(/terminationGracePeriodSeconds: (\d+)/.exec(page)?.[1])
  // Requests; a refresh, which broke off once; storing it; the revocation of its tokens. Handlers run beside the refresh.
  expect(15 + 2 * 60.5 + 30 + 10).toBeLessThanOrEqual(platform)
})
