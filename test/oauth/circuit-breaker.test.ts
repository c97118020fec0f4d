import { TokenEndpointError } from '../../src'
import { CircuitBreaker, type Concern, type State, concernOf, stateOf } from '../../src/oauth/circuit-breaker'
import { WatchedStore } from '../support/watched-store'

afterEach(() => jest.restoreAllMocks())

function rateLimit(retryAfter: number): TokenEndpointError {
  return new TokenEndpointError('Too many', { code: 'slow_down', status: 503, httpStatus: 429, retryAfter })
}

test('a thousand concurrent responses that ask two processes for the same backoff cause one write', async () => {
  const [now, date] = [performance.now(), Date.now()]
  jest.spyOn(performance, 'now').mockReturnValue(now)
  jest.spyOn(Date, 'now').mockReturnValue(date)
  const store = new WatchedStore()
  const [one, two] = [new CircuitBreaker(store, 'client'), new CircuitBreaker(store, 'client')]
  const answers = Array.from({ length: 1_000 }, (_, i) =>
    (i % 2 ? one : two).recordFailure(`${i}`, rateLimit(30)),
  )
  await Promise.all(answers)
  expect(store.commands.map((command) => command.split(' ')[0])).toEqual(['create', 'create', 'get'])
})

test('of pauses that many processes begin at once the longest is kept', async () => {
  const store = new WatchedStore()
  const seconds = Array.from({ length: 50 }, (_, i) => 1 + ((i * 7) % 50))
  await Promise.all(
    seconds.map((one) => new CircuitBreaker(store, 'client').recordFailure('grant', rateLimit(one))),
  )
  const stored = await store.memory.get(store.commands[0]?.split(/(?<=create) /)[1] ?? '')
  const { endsAt } = JSON.parse(stored ?? '') as { endsAt: number }
  expect(endsAt).toBeGreaterThan(Date.now() + 49_000)
})

test('the name of a client may be anything, the keys of its pauses are always short', async () => {
  const store = new WatchedStore()
  await new CircuitBreaker(store, `${'é'.repeat(500)}\u0000`).recordFailure('grant', rateLimit(1))
  expect(store.commands[0]).toMatch(/^create [!-~]{1,20} [\w-]{22}$/)
})

test.each<[Partial<TokenEndpointError>, boolean, Concern]>([
  [{ httpStatus: 429, isTransient: true }, false, 'client'],
  [{ error: 'invalid_client' }, false, 'client'],
  [{ error: 'unauthorized_client' }, false, 'kind'],
  [{ httpStatus: 503, isTransient: true }, false, 'grant'],
  [{ httpStatus: 503, isTransient: true }, true, 'kind'],
  [{ error: 'invalid_request' }, false, 'grant'],
  [{ error: 'invalid_request' }, true, 'grant'],
])('the failure %j, in a row: %s, concerns the %s', (details, isInARow, concern) => {
  const error = new TokenEndpointError('No', { code: 'no', status: 503, ...details })
  expect(concernOf(error, isInARow)).toBe(concern)
})

test.each<[Concern, number, State]>([
  ['grant', 999, 'open'],
  ['grant', 1_000, 'half-open'],
  ['grant', 15_999, 'half-open'],
  ['grant', 16_000, 'closed'],
  ['kind', 10_999, 'half-open'],
  ['kind', 11_000, 'closed'],
])('the circuit of a %s that is open until 1000 is at %d %s', (concern, now, state) => {
  const circuit = { until: 1_000, delay: 1_000, failure: { message: 'No', code: 'no' } }
  expect(stateOf(circuit as never, concern, now)).toBe(state)
  expect(stateOf(undefined, concern, now)).toBe('closed')
})

test('a half-open circuit of all lets one request of one process through, whose success closes it', async () => {
  let time = 1_000
  jest.spyOn(performance, 'now').mockImplementation(() => time)
  const store = new WatchedStore()
  const [one, two] = [new CircuitBreaker(store, 'client'), new CircuitBreaker(store, 'client')]
  const denied = { code: 'unauthorized_client', error: 'unauthorized_client', httpStatus: 400, status: 503 }
  await one.recordFailure('a', new TokenEndpointError('No', denied))
  expect(await two.check('b')).toMatchObject({ error: 'unauthorized_client' })
  time += 1_001
  expect([one.openError('a'), two.openError('b')]).toEqual([undefined, undefined])
  expect(await one.tryHalfOpen('a')).toBeUndefined()
  expect(await two.tryHalfOpen('b')).toMatchObject({ error: 'unauthorized_client', retryAfter: 1 })
  expect(two.openError('c')).toBeDefined()
  await one.recordSuccess('a')
  time += 1_000
  expect(await two.tryHalfOpen('b')).toBeUndefined()
})
