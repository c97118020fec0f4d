import { SingleFlight } from '../../src/async/single-flight'

test('callers of one key share one run and its result, those of another key have their own', async () => {
  const flights = new SingleFlight<string>()
  const start = jest.fn((result: string) => Promise.resolve(result))
  const run = (key: string) => flights.run(key, () => start(`result of ${key}`))
  expect(await Promise.all([run('a'), run('a'), run('b')])).toEqual([
    'result of a',
    'result of a',
    'result of b',
  ])
  expect(start).toHaveBeenCalledTimes(2)
})

test.each(['resolves', 'rejects'])('the next run begins when the last one %s', async (how) => {
  const flights = new SingleFlight<void>()
  const start = jest.fn(() => (how === 'resolves' ? Promise.resolve() : Promise.reject(new Error('broken'))))
  const first = flights.run('a', start)
  expect(flights.has('a')).toBe(true)
  await Promise.allSettled([first])
  expect(flights.has('a')).toBe(false)
  await Promise.allSettled([flights.run('a', start)])
  expect(start).toHaveBeenCalledTimes(2)
})

test('a failure that no caller waits for is not an unhandled rejection', async () => {
  const unhandled = jest.fn()
  process.on('unhandledRejection', unhandled)
  void new SingleFlight<void>().run('a', () => Promise.reject(new Error('broken')))
  await new Promise((resolve) => setTimeout(resolve, 10))
  process.off('unhandledRejection', unhandled)
  expect(unhandled).not.toHaveBeenCalled()
})

test('settled() waits for success and failure alike', async () => {
  const flights = new SingleFlight<void>()
  const ended: string[] = []
  const work = (name: string, milliseconds: number) =>
    new Promise<void>((resolve, reject) => {
      setTimeout(() => {
        ended.push(name)
        if (name === 'failed') reject(new Error('broken'))
        else resolve()
      }, milliseconds)
    })
  void flights.run('a', () => work('failed', 5))
  void flights.run('b', () => work('done', 10))
  await flights.settled()
  expect(ended).toEqual(['failed', 'done'])
  await flights.settled()
})
