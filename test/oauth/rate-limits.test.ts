import { Events } from '../../src/observability/events'
import type { RateLimit } from '../../src'
import { bearerFetch } from '../../src/oauth/bearer-fetch'
import { RateLimits, type TokenOwner } from '../../src/oauth/rate-limits'
import { appToken, user, userToken } from '../support/token-owners'

/** As Node's, which Jest's clock does not reach. */
jest.mock('node:timers/promises', () => ({
  setTimeout: (delay: number, value: unknown, { signal }: { signal?: AbortSignal } = {}) =>
    new Promise((resolve, reject) => {
      setTimeout(resolve, delay, value)
      signal?.addEventListener('abort', () => reject(new Error('Aborted')))
    }),
}))

const ben: TokenOwner = { ...userToken, user: { ...user, id: 'PUSER02' }, grantID: 'another grant' }

let events: Events
let limits: RateLimits
let emitted: RateLimit[]
let sent: string[]

beforeEach(() => {
  jest.useFakeTimers()
  events = new Events()
  limits = new RateLimits(events)
  emitted = []
  sent = []
  events.on('rateLimit', (detail) => void emitted.push(detail))
})
afterEach(() => jest.useRealTimers())

type Said = { status?: number; limit?: number; remaining?: number | string; reset?: number }

function answer({ status = 200, limit = 960, remaining, reset }: Said): Response {
  const headers = { 'ratelimit-limit': limit, 'ratelimit-remaining': remaining, 'ratelimit-reset': reset }
  const given = Object.entries(headers).filter(([, value]) => value !== undefined)
  return new Response('{}', {
    status,
    headers: given.map(([name, value]): [string, string] => [name, String(value)]),
  })
}

/** Calls of one owner; the API says what it is given, in turn, and then nothing of limits. */
function callsOf(owner: TokenOwner, ...said: Said[]) {
  const send: typeof fetch = async (url) => {
    sent.push(new URL(String(url)).pathname)
    const next = said.shift()
    return next ? answer(next) : new Response('{}')
  }
  const apiURL = 'https://api.pagerduty.com'
  return bearerFetch(send, { apiURL, owner, token: () => 'one', markRejected: () => undefined }, limits)
}

/** Lets everything run that waits for no timer. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

describe('the event', () => {
  test('comes when less than a tenth is left, and when nothing is; once each until the limit is reset', async () => {
    const left = [960, 96, 95, 50, 0, 0, 40]
    const call = callsOf(userToken, ...left.map((remaining) => ({ remaining, reset: 30 })))
    for (const _ of left) await call('/incidents/PT4KHLK')
    const known = { token: 'user', limit: 960, reset: 30, user, grantID: 'a grant' }
    expect(emitted).toEqual([
      { ...known, state: 'low', remaining: 95 },
      { ...known, state: 'exhausted', remaining: 0 },
    ])
  })

  test('comes again after the limit was reset', async () => {
    const call = callsOf(
      appToken,
      { remaining: 0, reset: 30 },
      { remaining: 0, reset: 5 },
      { remaining: 3, reset: 60 },
    )
    await call('/incidents')
    jest.advanceTimersByTime(29_000)
    await call('/incidents')
    jest.advanceTimersByTime(5_000)
    await call('/incidents')
    expect(emitted.map(({ state, account }) => [state, account])).toEqual([
      ['exhausted', 'us.acme'],
      ['low', 'us.acme'],
    ])
  })

  test('is about one token owner each', async () => {
    for (const owner of [userToken, ben, appToken, userToken])
      await callsOf(owner, { remaining: 0, reset: 30 })('/incidents')
    expect(emitted.map(({ token, user: who, account }) => [token, who?.id ?? account])).toEqual([
      ['user', 'PUSER01'],
      ['user', 'PUSER02'],
      ['app', 'us.acme'],
    ])
  })

  test('comes of a 429 whatever its headers say, or without any', async () => {
    await callsOf(userToken, { status: 429, remaining: 7, reset: 3 })('/incidents')
    const bare = bearerFetch(
      async () => new Response('', { status: 429 }),
      {
        apiURL: 'https://api.pagerduty.com',
        owner: appToken,
        token: () => 'one',
        markRejected: () => undefined,
      },
      limits,
    )
    await bare('/incidents')
    expect(emitted).toMatchObject([
      { state: 'exhausted', remaining: 0, reset: 3, limit: 960 },
      { state: 'exhausted', remaining: 0, reset: 1, limit: undefined, account: 'us.acme' },
    ])
  })

  test('names the operation where the limit is smaller than that of the token', async () => {
    const exhausted = { limit: 20, remaining: 0, reset: 9 }
    const call = callsOf(userToken, { remaining: 900, reset: 9 }, exhausted, exhausted)
    await call('/incidents')
    await call('/incidents/PT4KHLK/notes?limit=1')
    await call('/not/in/the/catalogue')
    expect(emitted).toMatchObject([
      { state: 'exhausted', operation: 'GET /incidents/{id}/notes', limit: 20 },
      { state: 'exhausted', operation: undefined, limit: 20 },
    ])
  })

  test.each<[string, Said]>([
    ['nothing', {}],
    ['nonsense', { remaining: 'many' }],
    ['less than nothing', { remaining: -1 }],
    ['a number of fifty digits', { remaining: '1'.repeat(50) }],
  ])('does not come of %s', async (_what, said) => {
    await callsOf(userToken, said)('/incidents')
    expect(emitted).toEqual([])
  })
})

describe('the gauge', () => {
  test('measures each response that brings the limit of its token, and no other', async () => {
    const measure = jest.spyOn(events, 'measureRateLimit')
    const ofOperation = { limit: 20, remaining: 3, reset: 9 }
    const call = callsOf(
      userToken,
      { remaining: 959, reset: 30 },
      { remaining: 958, reset: 29 },
      ofOperation,
      {},
    )
    for (let count = 0; count < 4; count++) await call('/incidents')
    await callsOf(appToken, { status: 429, remaining: 7, reset: 3 })('/incidents')
    expect(measure.mock.calls).toEqual([
      ['user', { remaining: 959, limit: 960, reset: 30 }],
      ['user', { remaining: 958, limit: 960, reset: 29 }],
      ['app', { remaining: 0, limit: 960, reset: 3 }],
    ])
  })
})

describe('a call with retry', () => {
  test('waits before it is sent while the limit is exhausted, and not after a 429', async () => {
    const call = callsOf(userToken, { remaining: 0, reset: 20 })
    await call('/incidents')
    const waiting = call('/users', { retry: 1 })
    await settled()
    jest.advanceTimersByTime(19_000)
    await settled()
    expect(sent).toEqual(['/incidents'])
    jest.advanceTimersByTime(1_001)
    expect((await waiting).status).toBe(200)
    expect(sent).toEqual(['/incidents', '/users'])
  })

  test('does not wait where the limit is only low, is another’s, or is that of another operation', async () => {
    await callsOf(userToken, { remaining: 1, reset: 20 })('/incidents', { retry: 1 })
    await callsOf(ben, { remaining: 0, reset: 20 })('/incidents')
    await callsOf(appToken, { remaining: 0, reset: 20 })('/incidents')
    await callsOf(userToken, { limit: 20, remaining: 0, reset: 20 })('/incidents/P1/notes')
    await callsOf(userToken)('/users', { retry: 1 })
    expect(sent).toHaveLength(5)
    const waiting = callsOf(userToken)('/incidents/P2/notes', { retry: 1 })
    await settled()
    expect(sent).toHaveLength(5)
    jest.advanceTimersByTime(20_001)
    await waiting
  })

  test('waits at most as long as PagerDuty may request: fifteen minutes', async () => {
    await callsOf(userToken, { remaining: 0, reset: 999_999_999 })('/incidents')
    const waiting = callsOf(userToken)('/incidents', { retry: 1 })
    await settled()
    jest.advanceTimersByTime(900_001)
    expect((await waiting).status).toBe(200)
  })

  test('stops waiting when the signal says so', async () => {
    await callsOf(userToken, { remaining: 0, reset: 20 })('/incidents')
    const controller = new AbortController()
    const waiting = callsOf(userToken)('/users', { retry: 1, signal: controller.signal })
    const reason = new Error('Gone')
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    expect(sent).toEqual(['/incidents'])
  })
})

test('a limit that is reset in no time is waited for a second all the same', async () => {
  await callsOf(userToken, { status: 429, reset: 0 })('/incidents')
  expect(limits.secondsLeft(userToken, 'GET /incidents')).toBe(1)
  expect(emitted).toMatchObject([{ state: 'exhausted', reset: 1 }])
})

test('a response that has plenty left ends the wait for an earlier one', async () => {
  await callsOf(userToken, { remaining: 0, reset: 900 }, { remaining: 900, reset: 60 })('/incidents')
  await callsOf(userToken, { remaining: 900, reset: 60 })('/incidents')
  expect(limits.secondsLeft(userToken, 'GET /incidents')).toBe(0)
})

test('a call without retry waits for nothing', async () => {
  const call = callsOf(userToken, { remaining: 0, reset: 20 })
  await call('/incidents')
  expect((await call('/incidents')).status).toBe(200)
})

test('at most ten thousand exhausted limits are remembered', async () => {
  for (let index = 0; index <= 10_000; index++) {
    const owner: TokenOwner = { token: 'app', account: `us.a${index}` }
    limits.note(owner, 'GET /incidents', answer({ remaining: 0, reset: 60 }))
  }
  const left = (account: string) => limits.secondsLeft({ token: 'app', account }, 'GET /incidents')
  expect([left('us.a0'), left('us.a1') > 59, left('us.a10000') > 59]).toEqual([0, true, true])
})
