import fc from 'fast-check'
import { decodeGrant, encodeGrant } from '../../src/grants/grant-record'
import { scopes } from '../../src/scopes/operations'
import { groupScopes, ungroupScopes } from '../../src/scopes/scope-groups'
import { TokenSet } from '../../src/oauth/token-set'
import { runs } from '../fuzz/runs'

const all = ['openid', ...Object.keys(scopes)]

test('a few scopes are stored as PagerDuty gave them', () => {
  expect(groupScopes(['users.read', 'openid', 'incidents.read'])).toBe('users.read openid incidents.read')
})

test('all of PagerDuty’s scopes take less than half the room', () => {
  expect(JSON.stringify(groupScopes(all)).length).toBeLessThan(all.join(' ').length / 2)
})

test('whatever the scopes are called, the same ones come back', () => {
  const odd = fc.constantFrom(
    '.read',
    '.write',
    'read',
    'write',
    'a.read.write',
    'a.b.read',
    'x.Read',
    'é.read',
  )
  const made = fc.stringMatching(/^[a-z_:]{1,12}(\.read|\.write|\.admin)?$/)
  fc.assert(
    fc.property(fc.uniqueArray(fc.oneof(made, odd), { minLength: 60, maxLength: 90 }), (list) => {
      const back = ungroupScopes(JSON.parse(JSON.stringify(groupScopes(list))))
      expect(back?.split(' ').toSorted()).toEqual(list.toSorted())
    }),
    runs(100),
  )
})

test.each([[undefined], [null], [5], [{}], [[]], [['a', 'b', 'c']], [['a', 'b', 'c', 4]]])(
  '%j is no list of scopes',
  (stored) => {
    expect(ungroupScopes(stored)).toBeUndefined()
  },
)

test('a record keeps granted scopes separate from requested ones', () => {
  const tokens = new TokenSet({
    accessToken: 'access',
    refreshToken: 'refresh',
    obtainedAt: 1,
    expiresAt: 2,
    scope: all.slice(3),
  })
  const user = { id: 'P1', accountID: 'P2', apiURL: 'https://api.pagerduty.com' }
  const whole = { ...user, subdomain: undefined, region: undefined, delegationID: undefined }
  const record = {
    user: whole,
    tokens,
    requestedScopes: all,
    version: 1,
    createdAt: 1,
    lastUsedAt: 2,
    label: undefined,
    absoluteEnd: 3,
    isKept: false,
    superseded: [],
    appUser: 4,
  }
  const read = decodeGrant(encodeGrant(record))
  expect(read?.tokens.scope.toSorted()).toEqual(all.slice(3).toSorted())
  expect(read?.requestedScopes.toSorted()).toEqual(all.toSorted())
})
