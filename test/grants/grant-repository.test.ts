import { MemoryTokenStore } from '../../src'
import type { GrantRecord } from '../../src/grants/grant-record'
import { type Grant, GrantRepository, grantKey } from '../../src/grants/grant-repository'
import { KeyRing } from '../../src/store/encryption'
import { TokenSet } from '../../src/oauth/token-set'

const secret = 'a secret of thirty-two characters or more, for tests'

let store: MemoryTokenStore
let repository: GrantRepository
beforeEach(() => {
  store = new MemoryTokenStore()
  repository = new GrantRepository(store, new KeyRing(secret))
})
afterEach(() => {
  jest.restoreAllMocks()
  store.close()
})

function recordOf(version: number, accessToken = `access ${version}`): GrantRecord {
  return {
    version,
    user: {
      id: 'PACME01',
      accountID: 'PACME00',
      subdomain: undefined,
      region: 'us',
      apiURL: 'https://api.pagerduty.com',
      delegationID: undefined,
    },
    tokens: new TokenSet({
      accessToken,
      refreshToken: `refresh ${version}`,
      expiresAt: 2_000_000_000_000,
      obtainedAt: 1_900_000_000_000,
      scope: ['incidents.read'],
    }),
    requestedScopes: ['incidents.read'],
    createdAt: 1_900_000_000_000,
    lastUsedAt: 1_900_000_000_000,
    label: undefined,
    absoluteEnd: 2_100_000_000_000,
    isKept: false,
    appUser: undefined,
    superseded: [],
  }
}

const long = 60_000
const make = async (id = 'one', version = 1) =>
  (await repository.create(id, recordOf(version), long)) as Grant
const versionOf = async (id = 'one') => (await repository.read(id))?.record.version

describe('a grant', () => {
  test('is stored once, under its own key, with nothing of it in clear', async () => {
    const grant = await make()
    expect(grant).toMatchObject({ id: 'one', record: { version: 1 } })
    expect(await store.get('grant:one')).toBe(grant.sealed)
    expect(grant.sealed).not.toMatch(/PACME|access|refresh|incidents/)
    expect(await repository.read('one')).toEqual(grant)
    expect(await repository.create('one', recordOf(2), long)).toBeUndefined()
    expect(await versionOf()).toBe(1)
  })

  test('is none where nothing was stored', async () => {
    await make('another')
    expect(await repository.read('one')).toBeUndefined()
  })

  test('is replaced only where it is still what was read', async () => {
    const first = await make()
    const second = (await repository.update(first, recordOf(2))) as Grant
    expect(second).toMatchObject({ id: 'one', record: { version: 2 } })
    expect(await store.get('grant:one')).toBe(second.sealed)
    expect(await repository.update(first, recordOf(3))).toBeUndefined()
    expect(await versionOf()).toBe(2)
    expect(await repository.update(second, recordOf(3))).toMatchObject({ record: { version: 3 } })
  })

  test('that was logged out is not revived', async () => {
    const grant = await make()
    expect(await repository.delete('one')).toBe(true)
    expect(await repository.update(grant, recordOf(2))).toBeUndefined()
    expect(await repository.extend(grant, long)).toBe(false)
    expect(await repository.read('one')).toBeUndefined()
    expect(await repository.delete('one')).toBe(false)
  })

  test('is deleted as it was read, or however it is', async () => {
    const first = await make()
    const second = (await repository.update(first, recordOf(2))) as Grant
    expect(await repository.delete('one', first)).toBe(false)
    expect(await versionOf()).toBe(2)
    expect(await repository.delete('one', second)).toBe(true)
    await make()
    expect(await repository.delete('one')).toBe(true)
    expect(await store.get('grant:one')).toBeUndefined()
  })

  test('lives for the given lifetime, which an update changes only if it is given a new one', async () => {
    const clock = jest.spyOn(performance, 'now')
    // Whole, so that sums are exact.
    const now = Math.ceil(performance.now())
    const at = (milliseconds: number) => void clock.mockReturnValue(now + milliseconds)
    at(0)
    const first = await make()
    at(long - 1)
    const second = (await repository.update(first, recordOf(2))) as Grant
    expect(await versionOf()).toBe(2)
    expect(await repository.extend(second, long)).toBe(true)
    at(2 * long - 2)
    const extended = (await repository.read('one')) as Grant
    expect(extended.record.version).toBe(2)
    const third = (await repository.update(extended, recordOf(3), long)) as Grant
    at(3 * long - 3)
    expect(await repository.read('one')).toEqual(third)
    await repository.update(third, recordOf(4))
    at(3 * long - 2)
    expect(await repository.read('one')).toBeUndefined()
  })

  test('that is extended has the time of that, and changes in nothing else', async () => {
    const grant = await make()
    jest.spyOn(Date, 'now').mockReturnValue(1_900_000_123_456)
    await repository.extend(grant, long)
    const { record } = (await repository.read('one')) as Grant
    expect(record).toEqual({ ...grant.record, lastUsedAt: 1_900_000_123_456 })
    expect(record.tokens.refreshToken).toBe(grant.record.tokens.refreshToken)
  })

  test('that is extended without a time expires when it did before', async () => {
    const clock = jest.spyOn(performance, 'now')
    const now = Math.ceil(performance.now())
    clock.mockReturnValue(now)
    const grant = await make()
    clock.mockReturnValue(now + long - 1)
    expect(await repository.extend(grant, undefined)).toBe(true)
    clock.mockReturnValue(now + long)
    expect(await repository.read('one')).toBeUndefined()
  })
})

describe('a grant that another one replaced', () => {
  const two = async () => [await make('one'), await make('two')] as const

  test('counts as none, and leads to the other for two minutes', async () => {
    const replace = jest.spyOn(store, 'replace')
    const [one, other] = await two()
    expect(await repository.forward(one, 'two')).toBe(true)
    expect(replace.mock.calls.at(-1)?.[3]).toBe(120_000)
    const stored = (await store.get('grant:one')) as string
    expect(stored).not.toContain('two')
    expect([await repository.read('one'), repository.open('one', stored)]).toEqual([undefined, undefined])
    expect(await repository.latest('one')).toEqual(other)
    expect(await repository.latest('two')).toEqual(other)
    expect(await repository.create('one', recordOf(1), long)).toBeUndefined()
    expect(await repository.update(one, recordOf(2))).toBeUndefined()
  })

  test('leads on through several, and nowhere when the last one is gone', async () => {
    const [one, other] = await two()
    const last = await make('three')
    await repository.forward(one, 'two')
    await repository.forward(other, 'three')
    expect(await repository.latest('one')).toEqual(last)
    await repository.delete('three')
    expect(await repository.latest('one')).toBeUndefined()
    expect(await repository.latest('never')).toBeUndefined()
  })

  test('by another user’s leads nowhere, and only says what replaced it, while that lives', async () => {
    const [one, other] = await two()
    const last = await make('three')
    expect(await repository.forward(one, 'two', false)).toBe(true)
    const stored = (await store.get('grant:one')) as string
    expect([await repository.latest('one'), repository.successorOf('one', stored)]).toEqual([
      undefined,
      undefined,
    ])
    expect([
      await repository.hasReplaced('one', 'two'),
      await repository.hasReplaced('one', 'three'),
    ]).toEqual([true, false])
    await repository.forward(other, 'three')
    expect(await repository.hasReplaced('one', 'three')).toBe(true)
    await repository.delete('three', last)
    expect(await repository.hasReplaced('one', 'three')).toBe(false)
  })

  test('is only replaced as it was read', async () => {
    const [one] = await two()
    await repository.update(one, recordOf(2))
    expect(await repository.forward(one, 'two')).toBe(false)
    expect(await versionOf()).toBe(2)
  })

  test('leads nowhere from the key of another', async () => {
    const [one] = await two()
    await repository.forward(one, 'two')
    await store.create('grant:three', (await store.get('grant:one')) as string, long)
    expect(await repository.latest('three')).toBeUndefined()
  })

  test('leaves its tokens with the other, which is else as it was', async () => {
    const [one, other] = await two()
    await repository.forward(one, 'two')
    const user = one.record.user
    const holder = await repository.attach('one', ['a', 'b'], user)
    expect(holder).toMatchObject({ id: 'two', record: { version: 1, superseded: ['a', 'b'] } })
    expect((await repository.attach('two', ['b', 'c'], undefined))?.record.superseded).toEqual([
      'a',
      'b',
      'c',
    ])
    expect(await repository.read('two')).toMatchObject({
      record: { ...other.record, superseded: ['a', 'b', 'c'] },
    })
  })

  test('leaves no tokens with a grant of another user, or with none', async () => {
    const [one] = await two()
    const { user } = one.record
    expect(await repository.attach('two', ['a'], { ...user, id: 'PACME02' })).toBeUndefined()
    expect(await repository.attach('two', ['a'], { ...user, accountID: 'PACME99' })).toBeUndefined()
    expect(await repository.attach('three', ['a'], user)).toBeUndefined()
    expect((await repository.read('two'))?.record.superseded).toEqual([])
  })

  test('leaves them also where the other was refreshed at that moment', async () => {
    const [, other] = await two()
    const get = store.get.bind(store)
    jest.spyOn(store, 'get').mockImplementationOnce(async (key) => {
      const value = await get(key)
      await repository.update(other, recordOf(2))
      return value
    })
    const holder = await repository.attach('two', ['a'], undefined)
    expect(holder).toMatchObject({ record: { version: 2, superseded: ['a'] } })
  })

  test('leaves fifty at most, the newest', async () => {
    await two()
    const tokens = Array.from({ length: 60 }, (_, i) => `token ${i}`)
    await repository.attach('two', tokens, undefined)
    expect((await repository.read('two'))?.record.superseded).toEqual(tokens.slice(10))
  })
})

describe('a value counts as no grant', () => {
  test('at the key of another grant', async () => {
    const { sealed } = await make()
    await store.create(grantKey('two'), sealed, long)
    expect(await repository.read('two')).toBeUndefined()
    expect(repository.open('one', sealed)?.record.version).toBe(1)
    expect(repository.open('two', sealed)).toBeUndefined()
  })

  test('that was sealed with another secret, or for another purpose', async () => {
    const { sealed } = await make()
    const other = new GrantRepository(store, new KeyRing(`${secret}, and another one`))
    expect(await other.read('one')).toBeUndefined()
    const text = new KeyRing(secret).sealer('grant').open(sealed, grantKey('one')) as string
    const index = new KeyRing(secret).sealer('grant index').seal(text, grantKey('one'))
    expect(repository.open('one', index)).toBeUndefined()
  })

  test('that was changed in any place, also after the right one was read', async () => {
    const { sealed } = await make()
    expect(repository.open('one', sealed)).toBeDefined()
    const start = sealed.lastIndexOf('.') + 1
    for (let at = start; at < sealed.length; at++) {
      const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1)
      expect(repository.open('one', changed)).toBeUndefined()
    }
    expect(repository.open('one', sealed)?.record.version).toBe(1)
  })

  test('that holds something else, however well it is sealed', () => {
    const sealer = new KeyRing(secret).sealer('grant')
    for (const text of ['', '{}', 'null', '{"f":2}'])
      expect(repository.open('one', sealer.seal(text, grantKey('one')))).toBeUndefined()
  })
})
