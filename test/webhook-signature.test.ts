import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { isSigned } from '../src/webhook-signature'
import vectors from './support/webhook-vectors.json'

const secret = 'lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK'
const body = Buffer.from('{"event":{"id":"01"}}')

function hex(bytes: Uint8Array | string, key = secret): string {
  return createHmac('sha256', key).update(bytes).digest('hex')
}

const good = `v1=${hex(body)}`
const bad = `v1=${hex('another body')}`

describe('the published vectors', () => {
  test.each(vectors)('$name ($source) is $expect', ({ secret: key, body: text, header, expect: verdict }) => {
    expect(isSigned(header, Buffer.from(text), [key])).toBe(verdict === 'valid')
  })

  test('are signed with the secret’s text, not with what it decodes to, and over the body alone', () => {
    const [{ secret: key, body: text }] = vectors as [(typeof vectors)[0]]
    const decoded = createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('hex')
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
    ['a megabyte', `${good},${'a'.repeat(1 << 20)}`],
    ['a good one as the 21st entry', `${`x,`.repeat(20)}${good}`],
  ])('with %s is refused', (_what, header) => {
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
})

describe('for any body and secrets', () => {
  const bytes = fc.uint8Array({ maxLength: 300 })
  const key = fc.string({ minLength: 16, maxLength: 70 })
  const position = fc.nat()

  test('what is signed with one of the secrets is accepted', () => {
    fc.assert(
      fc.property(bytes, fc.array(key, { minLength: 1, maxLength: 4 }), position, (data, keys, at) => {
        const signer = keys[at % keys.length] as string
        expect(isSigned(`v1=${hex(data, signer)}`, data, keys)).toBe(true)
      }),
    )
  })

  test('a change of one byte of the body is refused', () => {
    const changed = fc.uint8Array({ minLength: 1, maxLength: 300 })
    fc.assert(
      fc.property(changed, key, position, fc.integer({ min: 1, max: 255 }), (data, signer, at, mask) => {
        const header = `v1=${hex(data, signer)}`
        const other = Uint8Array.from(data)
        other[at % other.length] = (other[at % other.length] as number) ^ mask
        expect(isSigned(header, other, [signer])).toBe(false)
      }),
    )
  })

  test('a body that is cut short or made longer is refused', () => {
    fc.assert(
      fc.property(bytes, key, fc.uint8Array({ minLength: 1, maxLength: 9 }), (data, signer, more) => {
        const longer = Buffer.concat([data, more])
        expect(isSigned(`v1=${hex(data, signer)}`, longer, [signer])).toBe(false)
        expect(isSigned(`v1=${hex(longer, signer)}`, data, [signer])).toBe(false)
      }),
    )
  })

  test('a change of one digit of the signature is refused', () => {
    fc.assert(
      fc.property(bytes, key, fc.nat(63), fc.integer({ min: 1, max: 15 }), (data, signer, at, by) => {
        const digits = hex(data, signer)
        const other = ((Number.parseInt(digits[at] as string, 16) + by) % 16).toString(16)
        const header = `v1=${digits.slice(0, at)}${other}${digits.slice(at + 1)}`
        expect(isSigned(header, data, [signer])).toBe(false)
      }),
    )
  })

  test('another secret is refused', () => {
    fc.assert(
      fc.property(bytes, key, key, (data, signer, other) => {
        // HMAC pads keys with zero bytes, so these two are the same key.
        fc.pre(signer.replace(/\0+$/, '') !== other.replace(/\0+$/, ''))
        expect(isSigned(`v1=${hex(data, signer)}`, data, [other])).toBe(false)
      }),
    )
  })

  test('the order and number of entries do not matter, up to twenty', () => {
    const entry = fc.oneof(
      fc.constant('good' as const),
      fc.constantFrom(bad, 'v1=', 'v2=00', '', 'junk', 'v1=zz'),
    )
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 20 }), (entries) => {
        const header = entries.map((one) => (one === 'good' ? good : one)).join(',')
        expect(isSigned(header, body, [secret])).toBe(entries.includes('good'))
      }),
    )
  })

  test('no header makes it throw, and none but the right one passes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 5000 }), (header) => {
        expect(isSigned(header, body, [secret])).toBe(false)
      }),
    )
  })
})
