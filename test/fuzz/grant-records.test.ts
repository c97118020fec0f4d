import fc from 'fast-check'
import { decodeGrant, encodeGrant } from '../../src/grants/grant-record'
import { GrantRepository, grantKey } from '../../src/grants/grant-repository'
import { MemoryTokenStore } from '../../src/store/memory-token-store'
import { KeyRing } from '../../src/store/encryption'
import { runs } from './runs'

/** A record as it is written; each member may be anything else. */
const whole = {
  f: 1,
  v: 3,
  u: ['PACME01', 'PACME', 'acme', 'us', 'https://api.pagerduty.com', 'delegation'],
  a: 'access',
  r: 'refresh',
  e: 2_000_000_000_000,
  o: 1_900_000_000_000,
  s: 'incidents.read users.read',
  c: 1_900_000_000_000,
  l: 1_900_000_000_000,
  x: 2_100_000_000_000,
}

const anything = fc.jsonValue()
const changed = fc
  .dictionary(fc.constantFrom(...Object.keys(whole), 'q', 'k', 'n', 'p', 't', '__proto__'), anything)
  .map((members) => ({ ...whole, ...members }))
const user = fc
  .array(fc.option(fc.oneof(fc.string(), anything)), { maxLength: 7 })
  .map((u) => ({ ...whole, u }))
const json = fc.oneof(anything, changed, user).map((value) => JSON.stringify(value))

const text = (value: unknown) => typeof value === 'string'
const time = (value: unknown) => typeof value === 'number' && Number.isFinite(value)

describe('what a sealed grant holds', () => {
  test('Z9: is a whole record or none, whatever JSON it is: no user is partly logged in', () => {
    fc.assert(
      fc.property(fc.oneof(json, fc.string({ unit: 'binary' })), (written) => {
        const record = decodeGrant(written)
        const parts = record && {
          user: [record.user.id, record.user.accountID, record.user.apiURL].every(text),
          region: [undefined, 'us', 'eu'].includes(record.user.region),
          times: [
            record.version,
            record.createdAt,
            record.lastUsedAt,
            record.absoluteEnd,
            record.tokens.expiresAt,
            record.tokens.obtainedAt,
          ].every(time),
          tokens:
            text(record.tokens.accessToken) &&
            ['string', 'undefined'].includes(typeof record.tokens.refreshToken),
          scopes: [...record.tokens.scope, ...record.requestedScopes].every(text),
          label: ['string', 'undefined'].includes(typeof record.label),
          superseded: record.superseded.every(text),
        }
        expect(Object.values(parts ?? {})).toEqual(parts === undefined ? [] : Array(7).fill(true))
        expect(Object.prototype).not.toHaveProperty('a')
      }),
      runs(5_000),
    )
  })

  test('Z9: what can be read is written again as it was', () => {
    let read = 0
    fc.assert(
      fc.property(json, (written) => {
        const record = decodeGrant(written)
        if (record === undefined) return
        read += 1
        expect(decodeGrant(encodeGrant(record))).toEqual(record)
      }),
      runs(2_000),
    )
    expect(read).toBeGreaterThan(0)
  })

  test('Z9: counts as none in the store too, and stays there for a version that can read it', async () => {
    const store = new MemoryTokenStore()
    const keys = new KeyRing('0f9d3b7a51c24e86-a7c1e94d-first-of-all')
    const repository = new GrantRepository(store, keys)
    const sealed = keys.sealer('grant').seal(JSON.stringify({ ...whole, f: 2 }), grantKey('abc'))
    await store.create(grantKey('abc'), sealed, 60_000)
    expect(await repository.read('abc')).toBeUndefined()
    expect(await store.get(grantKey('abc'))).toBe(sealed)
    store.close()
  })
})
