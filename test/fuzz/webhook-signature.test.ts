import crypto, { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { isSigned } from '../../src/webhooks/signature'
import { runs } from './runs'

const secret = 'lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK'
const body = Buffer.from('{"event":{"id":"01"}}')

function hex(bytes: Uint8Array | string, key = secret): string {
  return createHmac('sha256', key).update(bytes).digest('hex')
}

const good = `v1=${hex(body)}`
const bytes = fc.uint8Array({ maxLength: 300 })
const key = fc.string({ minLength: 16, maxLength: 70 })
const position = fc.nat()

describe('for any body and secrets', () => {
  test('what is signed with one of the secrets is accepted', () => {
    fc.assert(
      fc.property(bytes, fc.array(key, { minLength: 1, maxLength: 4 }), position, (data, keys, at) => {
        const signer = keys[at % keys.length] as string
        expect(isSigned(`v1=${hex(data, signer)}`, data, keys)).toBe(true)
      }),
      runs(150),
    )
  })

  test('a change of one byte of the body is rejected', () => {
    const changed = fc.uint8Array({ minLength: 1, maxLength: 300 })
    fc.assert(
      fc.property(changed, key, position, fc.integer({ min: 1, max: 255 }), (data, signer, at, mask) => {
        const header = `v1=${hex(data, signer)}`
        const other = Uint8Array.from(data)
        other[at % other.length] = (other[at % other.length] as number) ^ mask
        expect(isSigned(header, other, [signer])).toBe(false)
      }),
      runs(150),
    )
  })

  test('a body that is cut short or made longer is rejected', () => {
    fc.assert(
      fc.property(bytes, key, fc.uint8Array({ minLength: 1, maxLength: 9 }), (data, signer, more) => {
        const longer = Buffer.concat([data, more])
        expect(isSigned(`v1=${hex(data, signer)}`, longer, [signer])).toBe(false)
        expect(isSigned(`v1=${hex(longer, signer)}`, data, [signer])).toBe(false)
      }),
      runs(150),
    )
  })

  test('a change of one digit of the signature is rejected', () => {
    fc.assert(
      fc.property(bytes, key, fc.nat(63), fc.integer({ min: 1, max: 15 }), (data, signer, at, by) => {
        const digits = hex(data, signer)
        const other = ((Number.parseInt(digits[at] as string, 16) + by) % 16).toString(16)
        const header = `v1=${digits.slice(0, at)}${other}${digits.slice(at + 1)}`
        expect(isSigned(header, data, [signer])).toBe(false)
      }),
      runs(150),
    )
  })

  test('another secret is rejected', () => {
    fc.assert(
      fc.property(bytes, key, key, (data, signer, other) => {
        // HMAC pads keys with zero bytes, so these two are the same key.
        fc.pre(signer.replace(/\0+$/, '') !== other.replace(/\0+$/, ''))
        expect(isSigned(`v1=${hex(data, signer)}`, data, [other])).toBe(false)
      }),
      runs(150),
    )
  })
})

/** A header in pieces, most of them right or nearly so. */
const blank = fc.constantFrom('', '', '', ' ', '\t', '  ', '\u00a0', '\n', '\v')
const version = fc.constantFrom('v1', 'v1', 'v1', 'v1', 'v1', 'v1', 'v1', 'V1', 'v2', 'v11', 'v', '')
const equals = fc.constantFrom('=', '=', '=', '=', '=', '=', '=', '==', ' =', '= ', '', ':')
const digits = fc.oneof(
  {
    arbitrary: fc.constantFrom(hex(body), hex(body).toUpperCase(), hex(body, 'the second secret')),
    weight: 3,
  },
  fc.string({ unit: fc.constantFrom(...'0123456789abcdefABCDEF'), minLength: 64, maxLength: 64 }),
  fc.constantFrom(hex(body).slice(1), `${hex(body)}0`, '', 'é'.repeat(64), '０'.repeat(64), hex('x')),
  fc.string({ unit: 'binary', maxLength: 70 }),
)
const entry = fc.tuple(blank, version, equals, digits, blank).map((parts) => parts.join(''))
const separator = fc.constantFrom(',', ',', ',', ', ', ';', ',,', ' ')

/** What the header's grammar allows, read character by character and not by the pattern of the library. */
function isSignedByTheBook(header: string, keys: readonly string[]): boolean {
  if (header.length > 4096) return false
  const expected = keys.map((one) => `v1=${hex(body, one)}`)
  return header
    .split(',')
    .slice(0, 20)
    .some((text) => {
      let from = 0
      let to = text.length
      while (from < to && ' \t'.includes(text.charAt(from))) from++
      while (to > from && ' \t'.includes(text.charAt(to - 1))) to--
      const [name, ...value] = text.slice(from, to).split('=')
      const one = `${name}=${value.join('=')}`
      return expected.some((signature) => {
        const isAlike = one.length === 67 && one.startsWith('v1=')
        return isAlike && [...one].every((letter, at) => letter.toLowerCase() === signature.charAt(at))
      })
    })
}

describe('any header', () => {
  test('is accepted exactly if one of its first twenty entries is the signature by one of the secrets', () => {
    const tally = { accepted: 0, refused: 0 }
    const header = fc
      .array(fc.tuple(entry, separator), { maxLength: 25 })
      .map((pairs) => pairs.flat().slice(0, -1).join(''))
    const keys = fc.subarray([secret, 'the second secret', 'the third secret'])
    fc.assert(
      fc.property(header, keys, (text, secrets) => {
        const verdict = isSignedByTheBook(text, secrets)
        expect(isSigned(text, body, secrets)).toBe(verdict)
        tally[verdict ? 'accepted' : 'refused']++
      }),
      runs(2_000),
    )
    expect(tally.accepted).toBeGreaterThan(10)
    expect(tally.refused).toBeGreaterThan(10)
  })

  test('in several lines is accepted exactly if one of the lines would be', () => {
    const line = fc.array(entry, { maxLength: 3 }).map((entries) => entries.join(','))
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 4 }), (lines) => {
        // As Node joins them.
        const verdict = lines.some((one) => isSigned(one, body, [secret]))
        expect(isSigned(lines.join(', '), body, [secret])).toBe(verdict)
      }),
      runs(500),
    )
  })

  test('of any characters neither throws nor passes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 5000 }), (header) => {
        expect(isSigned(header, body, [secret])).toBe(false)
      }),
      runs(150),
    )
  })
})

describe('how long it takes reveals nothing', () => {
  afterEach(() => {
    jest.restoreAllMocks()
  })

  test('since each signature is compared with each secret’s, in constant time, whichever of them match', () => {
    const compare = jest.spyOn(crypto, 'timingSafeEqual')
    const equal = jest.spyOn(Buffer.prototype, 'equals')
    // How long the right beginning is makes no difference to what is called.
    const nearly = fc.nat(64).map((length) => hex(body).slice(0, length).padEnd(64, '0'))
    const secrets = fc.shuffledSubarray([secret, 'the second secret', 'the third secret'])
    fc.assert(
      fc.property(fc.array(nearly, { maxLength: 20 }), secrets, (signatures, keys) => {
        compare.mockClear()
        const header = signatures.map((one) => `v1=${one}`).join(',')
        const verdict = isSigned(header, body, keys)
        const pairs = compare.mock.calls.map((pair) =>
          pair.map((side) => Buffer.from(side as Buffer).toString('hex')),
        )
        expect(pairs).toEqual(keys.flatMap((one) => signatures.map((other) => [hex(body, one), other])))
        expect(verdict).toBe(keys.includes(secret) && signatures.includes(hex(body)))
      }),
      runs(200),
    )
    expect(equal).not.toHaveBeenCalled()
  })

  test('and the right signature is compared like any other', () => {
    const compare = jest.spyOn(crypto, 'timingSafeEqual')
    expect(isSigned(`${good},${good},v1=${hex('x')}`, body, [secret, 'the second secret'])).toBe(true)
    expect(compare).toHaveBeenCalledTimes(6)
  })
})
