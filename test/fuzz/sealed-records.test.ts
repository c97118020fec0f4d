import fc from 'fast-check'
import { KeyRing } from '../../src/store/encryption'
import { runs } from './runs'

const secrets = ['0f9d3b7a51c24e86-a7c1e94d-first-of-all', '3d1f7b9e50a24c68-b2d4f6a8-second-in-turn']
const ring = new KeyRing(secrets)
const purposes = ['grant', 'app token', 'grant index', 'pending login']
const places = ['grant:abc', 'grant:abd', 'app:abc', 'user:PACME PACME01', '']

/** What an attacker may do to a stored value. */
type Change = (sealed: string) => string

const flipped = fc.nat().map((position): Change => (sealed) => {
  const [version, id, body = ''] = sealed.split('.')
  const bytes = Buffer.from(body, 'base64url')
  const bit = position % (bytes.length * 8)
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
  return `${version}.${id}.${bytes.toString('base64url')}`
})
const cut = fc.nat().map(
  (length): Change =>
    (sealed) =>
      sealed.slice(0, length % sealed.length),
)
const shortTag = fc.constantFrom(4, 8, 12).map((left): Change => (sealed) => {
  const [version, id, body = ''] = sealed.split('.')
  return `${version}.${id}.${Buffer.from(body, 'base64url')
    .subarray(0, left - 16)
    .toString('base64url')}`
})
const keyID = fc
  .constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 'AAAAAA', 'another')
  .map((id): Change => (sealed) => {
    const [version, , body] = sealed.split('.')
    const other = ring.sealer('another purpose').seal('', '').split('.')[1]
    return `${version}.${id === 'another' ? other : id}.${body}`
  })
const version = fc.constantFrom('0', '2', '01', '', '__proto__').map(
  (other): Change =>
    (sealed) =>
      other + sealed.slice(sealed.indexOf('.')),
)
const longer = fc.string({ minLength: 1, maxLength: 4 }).map(
  (more): Change =>
    (sealed) =>
      sealed + more,
)

describe('a sealed record', () => {
  test('K2, K7, Z8: opens if and only if it was not changed, for its own purpose and place', () => {
    const text = fc.string({ unit: 'binary', maxLength: 300 })
    const change = fc.option(fc.oneof(flipped, cut, shortTag, keyID, version, longer))
    const spot = fc.record({ purpose: fc.constantFrom(...purposes), place: fc.constantFrom(...places) })
    fc.assert(
      fc.property(text, spot, spot, change, (plain, sealedAt, openedAt, changed) => {
        const sealed = ring.sealer(sealedAt.purpose).seal(plain, sealedAt.place)
        const value = changed === null ? sealed : changed(sealed)
        const isWhole =
          value === sealed && sealedAt.purpose === openedAt.purpose && sealedAt.place === openedAt.place
        expect(ring.sealer(openedAt.purpose).open(value, openedAt.place)).toBe(isWhole ? plain : undefined)
      }),
      runs(2_000),
    )
  })

  test('K7: of ten thousand with a flipped bit not one opens', () => {
    const sealer = ring.sealer('grant')
    const sealed = sealer.seal('x'.repeat(200), 'grant:abc')
    let opened = 0
    fc.assert(
      fc.property(flipped, (change) => {
        if (sealer.open(change(sealed), 'grant:abc') !== undefined) opened += 1
      }),
      runs(10_000),
    )
    expect(opened).toBe(0)
  })

  test('K1: a hundred thousand have a hundred thousand nonces', () => {
    const sealer = ring.sealer('grant')
    const nonces = new Set<string>()
    for (let i = 0; i < 100_000; i++)
      nonces.add((sealer.seal('same', 'same').split('.')[2] ?? '').slice(0, 16))
    expect(nonces.size).toBe(100_000)
  })
})
