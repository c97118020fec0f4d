import crypto from 'node:crypto'
import { isSigned } from '../../src/webhooks/signature'
import vectors from '../support/webhook-vectors.json'

const secret = 'lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK'
const body = Buffer.from('{"event":{"id":"01"}}')

function hex(bytes: Uint8Array | string, key = secret): string {
  return crypto.createHmac('sha256', key).update(bytes).digest('hex')
}

const good = `v1=${hex(body)}`
const bad = `v1=${hex('another body')}`

describe('the published vectors', () => {
  test.each(vectors)('$name ($source) is $expect', ({ secret: key, body: text, header, expect: verdict }) => {
    expect(isSigned(header, Buffer.from(text), [key])).toBe(verdict === 'valid')
  })

  test('are signed with the secret’s text, not with what it decodes to, and over the body alone', () => {
    const [{ secret: key, body: text }] = vectors as [(typeof vectors)[0]]
    const decoded = crypto.createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('hex')
    expect(isSigned(`v1=${decoded}`, Buffer.from(text), [key])).toBe(false)
    expect(isSigned(`v1=${hex(`v1:${text}`, key)}`, Buffer.from(text), [key])).toBe(false)
  })
})

describe('a header', () => {
  test.each([
    ['one signature', good],
    ['a good one after a bad one', `${bad},${good}`],
    ['a good one before a bad one', `${good},${bad}`],
    ['one after another version', `v2=${hex(body)},${good}`],
    ['blanks around entries', ` ${bad} ,\t${good} `],
    ['two lines, as Node joins them', `${bad}, ${good}`],
    ['upper-case digits', `v1=${hex(body).toUpperCase()}`],
    ['empty entries', `,,${good},`],
    ['the twentieth entry', `${`${bad},`.repeat(19)}${good}`],
    ['4096 characters in all', `${good},`.padEnd(4096, 'x')],
  ])('with %s is accepted', (_what, header) => {
    expect(isSigned(header, body, [secret])).toBe(true)
  })

  test.each([
    ['nothing', undefined],
    ['an empty text', ''],
    ['no digits', 'v1='],
    ['too few digits', 'v1=abc'],
    ['half the digits', good.slice(0, 35)],
    ['a digit too many', `${good}0`],
    ['something after the digits', `${good}x`],
    ['64 characters of several bytes', `v1=${'é'.repeat(64)}`],
    ['full-width digits', `v1=${'０'.repeat(64)}`],
    ['an upper-case version', `V1=${hex(body)}`],
    ['a blank in the entry', `v1 =${hex(body)}`],
    ['a blank after the equals sign', `v1= ${hex(body)}`],
    ['another version', `v2=${hex(body)}`],
    ['a version that begins the same', `v11=${hex(body)}`],
    ['no version', hex(body)],
    ['a semicolon between entries', `${bad};${good}`],
    ['a line end in it', `v1=${hex(body)}\n`],
    ['a no-break space', `\u00a0${good}`],
    ['base64 for hex', `v1=${Buffer.from(hex(body), 'hex').toString('base64')}`],
    ['4097 characters in all', `${good},`.padEnd(4097, 'x')],
    ['a megabyte', `${good},${'a'.repeat(1 << 20)}`],
    ['a good one as the 21st entry', `${`x,`.repeat(20)}${good}`],
  ])('with %s is rejected', (_what, header) => {
    expect(isSigned(header, body, [secret])).toBe(false)
  })
})

describe('secrets', () => {
  test('are all tried, in any order', () => {
    expect(isSigned(good, body, ['another secret of the app', secret])).toBe(true)
    expect(isSigned(good, body, [secret, 'another secret of the app'])).toBe(true)
    expect(isSigned(good, body, ['another secret of the app'])).toBe(false)
    expect(isSigned(good, body, [])).toBe(false)
  })

  test('that are in use are made keys of once, and those that are not are forgotten', () => {
    const made = jest.spyOn(crypto, 'createSecretKey')
    const madeFor = (secrets: readonly string[]) => {
      made.mockClear()
      for (const one of secrets) isSigned(good, body, [one])
      return made.mock.calls.length
    }
    const many = Array.from({ length: 1_000 }, (_, number) => `the secret number ${number}`)
    expect(madeFor(many)).toBe(1_000)
    // Wherever the hundredth comes, both keys are created again once.
    expect(madeFor(Array(50).fill(['the one', 'the other']).flat() as string[])).toBeLessThanOrEqual(4)
    expect(madeFor(many)).toBe(1_000)
    made.mockRestore()
  })
})

test('a header full of blanks costs no more to read than one full of digits', () => {
  const least = (header: string) => {
    const times = Array.from({ length: 50 }, () => {
      const startedAt = performance.now()
      expect(isSigned(header, body, [secret])).toBe(false)
      return performance.now() - startedAt
    })
    return Math.min(...times)
  }
  const digits = least(`v1=${'a'.repeat(4_000)}`)
  for (const blanks of [' '.repeat(4_000), ' \t'.repeat(2_000)]) {
    // A pattern without an anchor at its start took 500 times as long.
    expect(least(`v1=${blanks}x`) / digits).toBeLessThan(30)
  }
})
