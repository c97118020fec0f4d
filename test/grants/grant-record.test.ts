import fc from 'fast-check'
import { type GrantRecord, decodeGrant, encodeGrant, tokensOf } from '../../src/grants/grant-record'
import { scopes } from '../../src/scopes/operations'
import { TokenSet } from '../../src/oauth/token-set'
import { runs } from '../fuzz/runs'

const granted = ['openid', 'incidents.read', 'users.read']
const tokens = {
  accessToken: 'access',
  refreshToken: 'refresh',
  expiresAt: 2_000_000_000_000,
  obtainedAt: 1_900_000_000_000,
  scope: granted,
}
const record: GrantRecord = {
  version: 3,
  user: {
    id: 'PACME01',
    accountID: 'PACME00',
    subdomain: 'acme',
    region: 'eu',
    apiURL: 'https://api.eu.pagerduty.com',
    delegationID: 'delegation',
  },
  tokens: new TokenSet(tokens),
  requestedScopes: ['openid', 'incidents.read', 'users.read', 'services.read'],
  createdAt: 1_899_000_000_000,
  lastUsedAt: 1_899_500_000_000,
  label: 'Firefox on Mac',
  absoluteEnd: 2_100_000_000_000,
  isKept: true,
  appUser: { name: 'Ada', teams: [1, null] },
  superseded: [],
}

/** All of a record, the secrets that a token set does not show among it. */
function shown({ tokens: set, ...rest }: GrantRecord) {
  const { accessToken, refreshToken, expiresAt, obtainedAt, scope } = set
  return { ...rest, tokens: { accessToken, refreshToken, expiresAt, obtainedAt, scope } }
}

/** What is read of a record as it was stored, with these members instead. */
function readWith(members: Record<string, unknown>): GrantRecord | undefined {
  return decodeGrant(JSON.stringify({ ...(JSON.parse(encodeGrant(record)) as object), ...members }))
}

/** The user as stored, with one item instead. */
function userWith(item: number, value: unknown): GrantRecord | undefined {
  const { u } = JSON.parse(encodeGrant(record)) as { u: unknown[] }
  return readWith({ u: u.with(item, value) })
}

describe('what is kept of a login', () => {
  test('is read as it was stored', () => {
    expect(shown(decodeGrant(encodeGrant(record)) as GrantRecord)).toEqual(shown(record))
  })

  test('has the tokens that it took the place of, where there are any', () => {
    const superseded = ['refresh before', 'access before that']
    const stored = encodeGrant({ ...record, superseded })
    expect(JSON.parse(stored)).toHaveProperty('t', superseded)
    expect(decodeGrant(stored)?.superseded).toEqual(superseded)
    expect(encodeGrant(record)).not.toContain('"t"')
    expect(tokensOf({ ...record, superseded: [...superseded, 'refresh'] })).toEqual([
      ...superseded,
      'refresh',
    ])
    const without = { ...record, superseded, tokens: record.tokens.withoutRefreshToken() }
    expect(tokensOf(without)).toEqual([...superseded, 'access'])
  })

  test('may lack whatever PagerDuty need not send', () => {
    const { id, accountID, apiURL } = record.user
    const least: GrantRecord = {
      ...record,
      user: { id, accountID, apiURL, subdomain: undefined, region: undefined, delegationID: undefined },
      tokens: new TokenSet({ ...tokens, refreshToken: undefined, scope: [] }),
      requestedScopes: [],
      label: undefined,
      isKept: false,
      appUser: undefined,
    }
    expect(shown(decodeGrant(encodeGrant(least)) as GrantRecord)).toEqual(shown(least))
  })

  test('holds the requested scopes only if others were granted', () => {
    const stored = (requestedScopes: readonly string[]) =>
      JSON.parse(encodeGrant({ ...record, requestedScopes })) as Record<string, unknown>
    expect(stored(granted)).not.toHaveProperty('q')
    expect(stored(granted.slice(1))).toHaveProperty('q', 'incidents.read users.read')
    // The same letters are not the same scopes.
    expect(stored(['openidincidents.read', 'users.read'])).toHaveProperty('q')
    expect(decodeGrant(encodeGrant({ ...record, requestedScopes: granted }))?.requestedScopes).toEqual(
      granted,
    )
  })

  test('keeps all scopes apart, granted and requested, known and unknown, few and many', () => {
    const name = fc.oneof(
      fc.constantFrom(...Object.keys(scopes)),
      fc.stringMatching(/^[a-zA-Z_.:-]{1,20}(\.read|\.write|\.admin)?$/),
    )
    const some = fc.uniqueArray(name, { maxLength: 60 })
    const sorted = (list: readonly string[] | undefined) => list?.toSorted()
    fc.assert(
      fc.property(some, some, (scope, requestedScopes) => {
        const read = decodeGrant(
          encodeGrant({ ...record, tokens: new TokenSet({ ...tokens, scope }), requestedScopes }),
        )
        expect(sorted(read?.tokens.scope)).toEqual(sorted(scope))
        expect(sorted(read?.requestedScopes)).toEqual(sorted(requestedScopes))
      }),
      runs(300),
    )
  })

  // Users stay logged in when the package is updated.
  test('is stored in this very form by every version of this package', () => {
    const stored =
      '{"f":1,"v":3,"u":["PACME01","PACME00","acme","eu","https://api.eu.pagerduty.com","delegation"],' +
      '"a":"access","r":"refresh","e":2000000000000,"o":1900000000000,"s":"openid incidents.read users.read",' +
      '"q":"openid incidents.read users.read services.read","c":1899000000000,"l":1899500000000,' +
      '"n":"Firefox on Mac","x":2100000000000,"k":1,' +
      '"p":{"name":"Ada","teams":[1,null]}}'
    expect(encodeGrant(record)).toBe(stored)
    expect(shown(decodeGrant(stored) as GrantRecord)).toEqual(shown(record))
  })

  test('is kept beyond its session only where that was stored in so many words', () => {
    expect([1, true, 2, '1', {}, null].map((k) => readWith({ k })?.isKept)).toEqual([
      true,
      ...Array<boolean>(5).fill(false),
    ])
  })
})

describe('no login is read from', () => {
  test.each<[string, readonly unknown[]]>([
    ['f', [undefined, 0, 2, '1', null]],
    ['v', [undefined, '3', null]],
    ['e', [undefined, '2000000000000', null]],
    ['o', [undefined, '1900000000000', null]],
    ['c', [undefined, '1899000000000', null]],
    ['l', [undefined, '1899500000000', null]],
    ['n', [null, 5, ['Firefox']]],
    ['x', [undefined, '2100000000000', null]],
    ['a', [undefined, null, 5, ['access']]],
    ['r', [null, 5, ['refresh']]],
    ['s', [undefined, null, 5, ['incidents.read'], {}]],
    ['q', [null, 5, ['incidents.read'], {}]],
    ['u', [undefined, null, 'PACME01', {}, []]],
    ['t', [null, 5, 'refresh', {}, [5], ['refresh', null]]],
  ])('a record whose member "%s" is another thing', (member, values) => {
    expect(values.map((value) => readWith({ [member]: value }))).toEqual(values.map(() => undefined))
  })

  test.each<[string, number, readonly unknown[]]>([
    ['id', 0, [null, 1, {}]],
    ['account', 1, [null, 1, {}]],
    ['subdomain', 2, [1, {}]],
    ['region', 3, [1, '', 'US', 'ap', ['us']]],
    ['API', 4, [null, 1, {}]],
    ['delegation', 5, [1, {}]],
  ])('a user whose %s is another thing', (_what, item, values) => {
    expect(values.map((value) => userWith(item, value))).toEqual(values.map(() => undefined))
  })

  test.each(['', 'null', '5', '"text"', '[]', '{}', '{"f":1', `${encodeGrant(record)} `.slice(0, -2)])(
    'the text %j',
    (text) => {
      expect(decodeGrant(text)).toBeUndefined()
    },
  )
})

test.each(['us', 'eu'] as const)('a user may be of the region %s', (region) => {
  expect(userWith(3, region)?.user.region).toBe(region)
})
