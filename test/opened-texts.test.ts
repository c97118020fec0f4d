import { OpenedTexts } from '../src/opened-texts'

const minute = 60_000

/** Opens by cutting off the lock, and counts how often. */
function opener() {
  const texts = new OpenedTexts()
  const opened: string[] = []
  const textOf = (key: string, sealed: string) =>
    texts.textOf(key, sealed, () => {
      opened.push(`${key} ${sealed}`)
      return sealed.startsWith('sealed ') ? sealed.slice('sealed '.length) : undefined
    })
  return { texts, opened, textOf }
}

beforeEach(() => {
  jest.useFakeTimers()
  // The process has been running for a while.
  jest.advanceTimersByTime(10 * minute)
})
afterEach(() => void jest.useRealTimers())

test('the same value is opened once', () => {
  const { opened, textOf } = opener()
  expect([textOf('a', 'sealed one'), textOf('a', 'sealed one')]).toEqual(['one', 'one'])
  expect(opened).toHaveLength(1)
})

test('another value of the same key is opened, and so is the same value of another key', () => {
  const { opened, textOf } = opener()
  textOf('a', 'sealed one')
  expect(textOf('a', 'sealed two')).toBe('two')
  expect(textOf('b', 'sealed one')).toBe('one')
  expect(opened).toEqual(['a sealed one', 'a sealed two', 'b sealed one'])
})

test('a value that cannot be opened has no text the next time either', () => {
  const { opened, textOf } = opener()
  textOf('a', 'sealed one')
  expect([textOf('a', 'forged'), textOf('a', 'forged')]).toEqual([undefined, undefined])
  expect(opened).toHaveLength(3)
  expect(textOf('a', 'sealed one')).toBe('one')
})

test('what was forgotten is opened anew, however old it was', () => {
  const { texts, opened, textOf } = opener()
  textOf('young', 'sealed one')
  texts.forget('young')
  textOf('young', 'sealed one')
  jest.advanceTimersByTime(minute)
  textOf('other', 'sealed two')
  texts.forget('young')
  textOf('young', 'sealed one')
  expect(opened.filter((one) => one.startsWith('young'))).toHaveLength(3)
})

test('what is asked for again and again stays, and what nobody asks for is gone after two minutes', () => {
  const { opened, textOf } = opener()
  textOf('idle', 'sealed one')
  for (let half = 0; half < 8; half++) {
    textOf('busy', 'sealed two')
    jest.advanceTimersByTime(minute / 2)
  }
  textOf('idle', 'sealed one')
  expect(opened).toEqual(['idle sealed one', 'busy sealed two', 'idle sealed one'])
})

test('two thousand values are remembered, and no more', () => {
  const { opened, textOf } = opener()
  for (let number = 0; number <= 2000; number++) textOf(`${number}`, 'sealed one')
  opened.length = 0
  textOf('2000', 'sealed one')
  textOf('1000', 'sealed one')
  textOf('0', 'sealed one')
  expect(opened).toEqual(['0 sealed one'])
})
