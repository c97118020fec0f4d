import fc from 'fast-check'
import { inspect } from 'node:util'
import { ConfigurationError } from '../../src/errors/errors'
import { KeyRing, type Sealer } from '../../src/store/encryption'
import { runs } from '../fuzz/runs'
import { visibleText } from '../support/fault-server'

const secret = 'CANARY-0f9d3b7a51c24e86-a7c1e94d'
const otherSecret = 'another-3d1f7b9e50a24c68-b2d4f6a8'
const place = 'grant:abc'
const sealer = new KeyRing(secret).sealer('grants')

const text = fc.string({ unit: 'binary', maxLength: 200 })

/** The three parts of a sealed value. */
function parts(value: string): [string, string, string] {
  const [version = '', id = '', body = ''] = value.split('.')
  return [version, id, body]
}

function withBytes(value: string, change: (bytes: Buffer) => Buffer): string {
  const [version, id, body] = parts(value)
  return `${version}.${id}.${change(Buffer.from(body, 'base64url')).toString('base64url')}`
}

describe('a sealed text', () => {
  it('opens again', () => {
    fc.assert(
      fc.property(text, text, (plain, at) => {
        expect(sealer.open(sealer.seal(plain, at), at)).toBe(plain)
      }),
      runs(500),
    )
  })

  it('of a megabyte opens again', () => {
    const plain = 'x\u00e9'.repeat(500_000)
    expect(sealer.open(sealer.seal(plain, place), place)).toBe(plain)
  })

  it('opens with another ring of the same secret', () => {
    expect(new KeyRing(secret).sealer('grants').open(sealer.seal('x', place), place)).toBe('x')
  })

  it('shows nothing of the text, the place or the secret, and stands in a cookie as it is', () => {
    const sealed = sealer.seal('CANARY-token', 'CANARY-place')
    expect(sealed).toMatch(/^1\.[\w-]{6}\.[\w-]+$/)
    expect(sealed).not.toContain('CANARY')
    expect(Buffer.from(parts(sealed)[2], 'base64url').toString('latin1')).not.toContain('CANARY')
  })

  it('is another one every time', () => {
    const nonces = Array.from({ length: 5_000 }, () => parts(sealer.seal('same', place))[2].slice(0, 16))
    expect(new Set(nonces).size).toBe(nonces.length)
  })
})

describe('is rejected:', () => {
  // Of a length whose base64url has bits to spare.
  const sealed = sealer.seal('the text!', place)

  test('a value at another place', () => {
    for (const other of [
      '',
      'grant:abd',
      'grant:ABC',
      'grant:abc ',
      'lock:abc',
      'grant',
      'x.grant:abc',
      `\0${place}`,
    ]) {
      expect(sealer.open(sealed, other)).toBeUndefined()
    }
    fc.assert(
      fc.property(text, (other) => {
        fc.pre(other !== place)
        expect(sealer.open(sealed, other)).toBeUndefined()
      }),
      runs(100),
    )
  })

  test('a value of another purpose', () => {
    const ring = new KeyRing(secret)
    for (const purpose of ['', 'grant', 'Grants', 'grants ', 'pending logins']) {
      expect(ring.sealer(purpose).open(sealed, place)).toBeUndefined()
      const foreign = ring.sealer(purpose).seal('the text!', place)
      expect(sealer.open(foreign, place)).toBeUndefined()
      // Nor with the key id of the right purpose in front.
      expect(sealer.open(`1.${parts(sealed)[1]}.${parts(foreign)[2]}`, place)).toBeUndefined()
    }
  })

  test('a value of another secret', () => {
    const other = new KeyRing(otherSecret).sealer('grants')
    expect(other.open(sealed, place)).toBeUndefined()
    expect(other.open(`1.${parts(other.seal('x', place))[1]}.${parts(sealed)[2]}`, place)).toBeUndefined()
  })

  test('a value with the id of another key that is held', () => {
    const both = new KeyRing([otherSecret, secret]).sealer('grants')
    const newest = parts(both.seal('x', place))[1]
    expect(both.open(sealed, place)).toBe('the text!')
    expect(both.open(`1.${newest}.${parts(sealed)[2]}`, place)).toBeUndefined()
  })

  test.each(['__proto__', 'constructor', 'toString', 'undefined', '', 'AAAAAA', 'a'.repeat(10_000)])(
    'a value with the key id %j',
    (id) => {
      expect(sealer.open(`1.${id}.${parts(sealed)[2]}`, place)).toBeUndefined()
    },
  )

  test.each(['0', '2', '', '01', '1 ', '__proto__', '１'])('a value of the version %j', (version) => {
    expect(sealer.open(`${version}${sealed.slice(1)}`, place)).toBeUndefined()
  })

  test('a value with any bit flipped', () => {
    const size = Buffer.from(parts(sealed)[2], 'base64url').length
    for (let bit = 0; bit < size * 8; bit++) {
      const flipped = withBytes(sealed, (bytes) => {
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        return bytes
      })
      expect(sealer.open(flipped, place)).toBeUndefined()
    }
    expect(size).toBe(12 + 9 + 16)
  })

  test('a value cut to any length, at either end', () => {
    const size = Buffer.from(parts(sealed)[2], 'base64url').length
    for (let length = 0; length < size; length++) {
      expect(
        sealer.open(
          withBytes(sealed, (bytes) => bytes.subarray(0, length)),
          place,
        ),
      ).toBeUndefined()
      expect(
        sealer.open(
          withBytes(sealed, (bytes) => bytes.subarray(size - length)),
          place,
        ),
      ).toBeUndefined()
    }
    for (let length = 0; length < sealed.length; length++) {
      expect(sealer.open(sealed.slice(0, length), place)).toBeUndefined()
    }
  })

  test('a value with bytes behind it', () => {
    expect(
      sealer.open(
        withBytes(sealed, (bytes) => Buffer.concat([bytes, Buffer.alloc(1)])),
        place,
      ),
    ).toBeUndefined()
    for (const more of ['A', '=', '==', '.', '.x', ' ', '\n', '!']) {
      expect(sealer.open(sealed + more, place)).toBeUndefined()
    }
  })

  test('another spelling of the same bytes', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/'
    const bytes = Buffer.from(parts(sealed)[2], 'base64url')
    const twins = [...alphabet]
      .map((character) => sealed.slice(0, -1) + character)
      .filter((twin) => twin !== sealed && Buffer.from(parts(twin)[2], 'base64url').equals(bytes))
    expect(twins.length).toBeGreaterThan(0)
    for (const twin of twins) expect(sealer.open(twin, place)).toBeUndefined()
  })

  test('anything else, without ever throwing', () => {
    const part = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.base64String(),
      fc.constantFrom('1', parts(sealed)[1]),
    )
    const shaped = fc.tuple(part, part, part).map((it) => it.join('.'))
    fc.assert(
      fc.property(fc.oneof(shaped, fc.string({ unit: 'binary' }), part), (value) => {
        expect(sealer.open(value, place)).toBeUndefined()
      }),
      runs(2_000),
    )
  })

  test('a character changed anywhere', () => {
    const changed = fc.tuple(
      fc.nat(sealed.length - 1),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 2 }),
    )
    fc.assert(
      fc.property(changed, ([index, other]) => {
        const value = sealed.slice(0, index) + other + sealed.slice(index + 1)
        fc.pre(value !== sealed)
        expect(sealer.open(value, place)).toBeUndefined()
      }),
      runs(2_000),
    )
  })
})

describe('secrets in turn', () => {
  const sealers = (...secrets: string[]): Sealer => new KeyRing(secrets).sealer('grants')

  it('open what the one before has sealed, and seal by the first', () => {
    const old = sealers(secret).seal('old', place)
    const both = sealers(otherSecret, secret)
    const renewed = both.seal('new', place)
    expect(both.open(old, place)).toBe('old')
    expect(sealers(otherSecret).open(renewed, place)).toBe('new')
    expect(sealers(secret).open(renewed, place)).toBeUndefined()
  })

  it('close what was sealed by one that is gone', () => {
    expect(sealers(otherSecret).open(sealers(secret).seal('old', place), place)).toBeUndefined()
  })

  it('may be given ahead, so that processes can be renewed one after another', () => {
    const first = sealers(secret, otherSecret)
    const then = sealers(otherSecret, secret)
    expect(first.open(then.seal('x', place), place)).toBe('x')
    expect(then.open(first.seal('x', place), place)).toBe('x')
  })

  it('are not changed with the list they came in', () => {
    const list = [secret]
    const ring = new KeyRing(list)
    const before = ring.sealer('grants').seal('x', place)
    list[0] = otherSecret
    expect(ring.sealer('grants').open(before, place)).toBe('x')
  })

  it('give keys to a library that signs by itself: newest first, others for every purpose', () => {
    const texts = new KeyRing([otherSecret, secret]).texts('session')
    expect(texts).toHaveLength(2)
    expect(texts).toEqual([
      ...new KeyRing(otherSecret).texts('session'),
      ...new KeyRing(secret).texts('session'),
    ])
    expect(texts.every((it) => Buffer.from(it, 'base64url').length === 32)).toBe(true)
    expect(new Set([...texts, ...new KeyRing([otherSecret, secret]).texts('grants')]).size).toBe(4)
    expect(texts.join()).not.toContain('CANARY')
  })

  // Whatever is in Redis and in browsers was sealed by keys derived in this very way.
  it('derive the same keys in every version of this package', () => {
    const ring = new KeyRing('tcHjcj7kM9x0PqfYwL3bVn5sZr8aUe-0123xyz')
    const sealed = '1.9BuoPW.7ItQMy2W0lFIhtXDFCrXwhsr6AAtq0F1kSlFh8MoSl1b3XJ0'
    expect(ring.sealer('grant').open(sealed, 'grant:1')).toBe('the text')
    expect(ring.texts('session')).toEqual(['F6BFUkzaXvl56rFw90l4dTfRA_a-iIMT7ODW4aTqm_U'])
  })

  it('that are random differ', () => {
    expect(KeyRing.random().texts('a')).not.toEqual(KeyRing.random().texts('a'))
  })
})

describe('a secret', () => {
  const refusal = (value: unknown): unknown => {
    try {
      return new KeyRing(value as string)
    } catch (error) {
      return error
    }
  }

  test.each<[string, unknown]>([
    ['none', []],
    ['empty', ''],
    ['short', 'password'],
    ['of 31 characters', secret.slice(0, 31)],
    ['of one letter', 'x'.repeat(64)],
    ['of few letters', 'changeme'.repeat(8)],
    ['a number', [5]],
    ['bytes', [Buffer.from(secret)]],
    ['nothing in a list', [undefined]],
    ['one short one among good ones', [secret, 'CANARY-short']],
  ])('that is %s is rejected by the name of the option, and not repeated', (_name, value) => {
    const error = refusal(value)
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(error).toMatchObject({ option: 'secret', status: 500 })
    expect(visibleText(error)).not.toContain('CANARY')
  })

  test.each(['openssl rand -hex 16'.padEnd(32, '0123456789abcdef'), secret, otherSecret])(
    '%j is taken',
    (value) => {
      expect(refusal(value)).toBeInstanceOf(KeyRing)
    },
  )

  it('does not show by any inspection of what is made of it', () => {
    const ring = new KeyRing([secret, otherSecret])
    const made = { ring, sealer: ring.sealer('grants') }
    const keys = ring.texts('grants')
    const shown = [
      inspect(made, { depth: 10, showHidden: true, getters: true }),
      JSON.stringify(made),
      JSON.stringify({ ...ring, ...made.sealer }),
      visibleText(ring),
      visibleText(made.sealer),
    ].join()
    for (const hidden of [secret, otherSecret, ...keys]) {
      expect(shown).not.toContain(hidden)
      expect(shown).not.toContain(Buffer.from(hidden).toString('hex').slice(0, 20))
    }
  })

  for (const value of [
    'changeme-changeme-changeme-changeme',
    'change-me-0123-abcdefghijklmnopqrstuv',
    'please change me 0123456789 abcdefghij',
    'keyboard cat keyboard cat keyboard cat',
    'your-secret-here-your-secret-here',
    '01234567890123456789012345678901',
  ]) {
    test(`that is the placeholder "${value}" is rejected`, () => {
      expect(refusal(value)).toBeInstanceOf(ConfigurationError)
    })
  }
})
