import { TokenEndpointError } from '../../src'
import { CircuitBreaker } from '../../src/oauth/circuit-breaker'
import { WatchedStore } from '../support/watched-store'

afterEach(() => jest.restoreAllMocks())

function rateLimit(retryAfter: number): TokenEndpointError {
  return new TokenEndpointError('Too many', { code: 'slow_down', status: 503, httpStatus: 429, retryAfter })
}

test('a thousand answers at once that ask two processes for the same pause are one write', async () => {
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
