import { MemoryTokenStore } from '../src'
import type { GrantRecord } from '../src/grant-record'
import { type Grant, GrantVault, grantKey } from '../src/grant-vault'
import { KeyRing } from '../src/seal'
import { TokenSet } from '../src/token-set'

const secret = 'a secret of thirty-two characters or more, for tests'

let store: MemoryTokenStore
let vault: GrantVault
beforeEach(() => {
  store = new MemoryTokenStore()
  vault = new GrantVault(store, new KeyRing(secret))
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
    absoluteEnd: 2_100_000_000_000,
    isKept: false,
    appUser: undefined,
    superseded: [],
  }
}

const long = 60_000
const make = async (id = 'one', version = 1) => (await vault.create(id, recordOf(version), long)) as Grant
const versionOf = async (id = 'one') => (await vault.read(id))?.record.version

/** Lets a command take effect and then be told "no", as one that was sent twice is. */
function tellNo(command: 'create' | 'replace'): void {
  const really = store[command].bind(store) as (...args: unknown[]) => Promise<boolean>
  jest.spyOn(store, command).mockImplementation(async (...args: unknown[]) => {
    await really(...args)
    return false
  })
}

describe('a grant', () => {
  test('is stored once, under its own key, with nothing of it in clear', async () => {
    const grant = await make()
    expect(grant).toMatchObject({ id: 'one', record: { version: 1 } })
    expect(await store.get('grant:one')).toBe(grant.sealed)
    expect(grant.sealed).not.toMatch(/PACME|access|refresh|incidents/)
    expect(await vault.read('one')).toEqual(grant)
    expect(await vault.create('one', recordOf(2), long)).toBeUndefined()
    expect(await versionOf()).toBe(1)
  })

  test('is none where nothing was stored', async () => {
    await make('another')
    expect(await vault.read('one')).toBeUndefined()
  })

  test('is replaced only where it is still what was read', async () => {
    const first = await make()
    const second = (await vault.update(first, recordOf(2))) as Grant
    expect(second).toMatchObject({ id: 'one', record: { version: 2 } })
    expect(await store.get('grant:one')).toBe(second.sealed)
    expect(await vault.update(first, recordOf(3))).toBeUndefined()
    expect(await versionOf()).toBe(2)
    expect(await vault.update(second, recordOf(3))).toMatchObject({ record: { version: 3 } })
  })

  test('that was logged out is not revived', async () => {
    const grant = await make()
    expect(await vault.delete('one')).toBe(true)
    expect(await vault.update(grant, recordOf(2))).toBeUndefined()
    expect(await vault.extend(grant, long)).toBe(false)
    expect(await vault.read('one')).toBeUndefined()
    expect(await vault.delete('one')).toBe(false)
  })

  test('is deleted as it was read, or however it is', async () => {
    const first = await make()
    const second = (await vault.update(first, recordOf(2))) as Grant
    expect(await vault.delete('one', first)).toBe(false)
    expect(await versionOf()).toBe(2)
    expect(await vault.delete('one', second)).toBe(true)
    await make()
    expect(await vault.delete('one')).toBe(true)
    expect(await store.get('grant:one')).toBeUndefined()
  })

  test('lives as long as it is told, and an update does not change that unless told to', async () => {
    const clock = jest.spyOn(performance, 'now')
    // Whole, so that sums are exact.
    const now = Math.ceil(performance.now())
    const at = (milliseconds: number) => void clock.mockReturnValue(now + milliseconds)
    at(0)
    const first = await make()
    at(long - 1)
    const second = (await vault.update(first, recordOf(2))) as Grant
    expect(await versionOf()).toBe(2)
    expect(await vault.extend(second, long)).toBe(true)
    at(2 * long - 2)
    expect(await versionOf()).toBe(2)
    const third = (await vault.update(second, recordOf(3), long)) as Grant
    at(3 * long - 3)
    expect(await vault.read('one')).toEqual(third)
    await vault.update(third, recordOf(4))
    at(3 * long - 2)
    expect(await vault.read('one')).toBeUndefined()
  })

  test('that is extended stays the very value it was', async () => {
    const grant = await make()
    await vault.extend(grant, long)
    expect(await store.get('grant:one')).toBe(grant.sealed)
  })
})

describe('a command that was told "no" by its own success', () => {
  test('has created the grant', async () => {
    tellNo('create')
    expect(await make()).toMatchObject({ id: 'one', record: { version: 1 } })
  })

  test('has replaced it', async () => {
    const grant = await make()
    tellNo('replace')
    expect(await vault.update(grant, recordOf(2))).toMatchObject({ id: 'one', record: { version: 2 } })
  })
})

describe('a value counts as no grant', () => {
  test('at the key of another grant', async () => {
    const { sealed } = await make()
    await store.create(grantKey('two'), sealed, long)
    expect(await vault.read('two')).toBeUndefined()
    expect(vault.open('one', sealed)?.record.version).toBe(1)
    expect(vault.open('two', sealed)).toBeUndefined()
  })

  test('that was sealed with another secret, or for another purpose', async () => {
    const { sealed } = await make()
    const other = new GrantVault(store, new KeyRing(`${secret}, and another one`))
    expect(await other.read('one')).toBeUndefined()
    const text = new KeyRing(secret).sealer('grant').open(sealed, grantKey('one')) as string
    const index = new KeyRing(secret).sealer('grant index').seal(text, grantKey('one'))
    expect(vault.open('one', index)).toBeUndefined()
  })

  test('that was changed in any place, also after the right one was read', async () => {
    const { sealed } = await make()
    expect(vault.open('one', sealed)).toBeDefined()
    const start = sealed.lastIndexOf('.') + 1
    for (let at = start; at < sealed.length; at++) {
      const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1)
      expect(vault.open('one', changed)).toBeUndefined()
    }
    expect(vault.open('one', sealed)?.record.version).toBe(1)
  })

  test('that holds something else, however well it is sealed', () => {
    const sealer = new KeyRing(secret).sealer('grant')
    for (const text of ['', '{}', 'null', '{"f":2}'])
      expect(vault.open('one', sealer.seal(text, grantKey('one')))).toBeUndefined()
  })
})
