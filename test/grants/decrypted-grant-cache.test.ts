import type { GrantRecord } from '../../src/grants/grant-record'
import { DecryptedGrantCache } from '../../src/grants/decrypted-grant-cache'

const minute = 60_000

/** Opens by cutting off the lock, and counts how often. */
function opener() {
  const grants = new DecryptedGrantCache()
  const opened: string[] = []
  const open = (id: string, sealed: string) => {
    const record = grants.getOrDecrypt(id, sealed, () => {
      opened.push(`${id} ${sealed}`)
      const [lock, appUser] = sealed.split(' ')
      return lock === 'sealed' ? ({ appUser } as GrantRecord) : undefined
    })
    return record?.appUser
  }
  return { grants, opened, open }
}

beforeEach(() => {
  jest.useFakeTimers()
  // The process has been running for a while.
  jest.advanceTimersByTime(10 * minute)
})
afterEach(() => void jest.useRealTimers())

test('the same value is opened once', () => {
  const { opened, open } = opener()
  expect([open('a', 'sealed one'), open('a', 'sealed one')]).toEqual(['one', 'one'])
  expect(opened).toHaveLength(1)
})

test('another value of the same grant is opened, and so is the same value of another grant', () => {
  const { opened, open } = opener()
  open('a', 'sealed one')
  expect(open('a', 'sealed two')).toBe('two')
  expect(open('b', 'sealed one')).toBe('one')
  expect(opened).toEqual(['a sealed one', 'a sealed two', 'b sealed one'])
})

test('a value that cannot be opened has no record the next time either', () => {
  const { opened, open } = opener()
  open('a', 'sealed one')
  expect([open('a', 'forged'), open('a', 'forged')]).toEqual([undefined, undefined])
  expect(opened).toHaveLength(3)
  expect(open('a', 'sealed one')).toBe('one')
})

test('what was forgotten is opened again, however old it was', () => {
  const { grants, opened, open } = opener()
  open('young', 'sealed one')
  grants.forget('young')
  open('young', 'sealed one')
  jest.advanceTimersByTime(minute)
  open('other', 'sealed two')
  grants.forget('young')
  open('young', 'sealed one')
  expect(opened.filter((one) => one.startsWith('young'))).toHaveLength(3)
})

test('what is requested repeatedly stays, and what is not requested is gone after two minutes', () => {
  const { opened, open } = opener()
  open('idle', 'sealed one')
  for (let half = 0; half < 8; half++) {
    open('busy', 'sealed two')
    jest.advanceTimersByTime(minute / 2)
  }
  open('idle', 'sealed one')
  expect(opened).toEqual(['idle sealed one', 'busy sealed two', 'idle sealed one'])
})

test('two thousand values are remembered, and no more', () => {
  const { opened, open } = opener()
  for (let number = 0; number <= 2000; number++) open(`${number}`, 'sealed one')
  opened.length = 0
  open('2000', 'sealed one')
  open('1000', 'sealed one')
  open('0', 'sealed one')
  expect(opened).toEqual(['0 sealed one'])
})
