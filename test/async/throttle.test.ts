import { Throttle } from '../../src/async/throttle'

let now = 0
let throttle: Throttle

beforeEach(() => {
  now = 1_000
  jest.spyOn(performance, 'now').mockImplementation(() => now)
  throttle = new Throttle(100)
})
afterEach(() => jest.restoreAllMocks())

test('lets a key through once per interval, and each key for itself', () => {
  expect([throttle.take('a'), throttle.take('a'), throttle.take('b')]).toEqual([true, false, true])
  now += 99
  expect([throttle.isRecent('a'), throttle.take('a')]).toEqual([true, false])
  now += 1
  expect([throttle.isRecent('a'), throttle.take('a'), throttle.take('a')]).toEqual([false, true, false])
})

test('lets a key with a shorter interval through sooner', () => {
  expect([throttle.take('a', 10), throttle.take('a', 10)]).toEqual([true, false])
  now += 10
  expect(throttle.take('a', 10)).toBe(true)
})

test('lets through again what did not happen after all', () => {
  expect(throttle.take('a')).toBe(true)
  throttle.undo('a')
  expect(throttle.take('a')).toBe(true)
})

test('keeps in memory only what happened within the interval', () => {
  const forget = jest.spyOn(Map.prototype, 'delete')
  for (const key of ['a', 'b', 'c']) {
    throttle.take(key)
    now += 60
  }
  const forgotten = forget.mock.calls.filter((_call, at) => forget.mock.results[at]?.value === true)
  expect(forgotten).toEqual([['a']])
})
