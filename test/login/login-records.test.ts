import { LoginRecords, type LoginEnd } from '../../src/login/login-records'
import { MemoryTokenStore } from '../../src/store/memory-token-store'
import type { PendingLogin } from '../../src/login/login-transaction'

const now = 1_800_000_000_000
const minute = 60_000
const done: LoginEnd = { how: 'done', at: now }
const failed: LoginEnd = { how: 'failed', at: now }
const replaced: LoginEnd = { how: 'replaced', at: now, by: 'another-grant' }
const loggedOut: LoginEnd = { how: 'loggedOut', at: now }

let store: MemoryTokenStore
let records: LoginRecords
beforeEach(() => {
  jest.spyOn(Date, 'now').mockReturnValue(now)
  store = new MemoryTokenStore()
  records = new LoginRecords(store)
})
afterEach(() => {
  store.close()
  jest.restoreAllMocks()
})

function login(name = 'a'): PendingLogin {
  return {
    codeVerifier: 'the-verifier',
    grantID: `grant-${name}`,
    startedAt: now,
    returnTo: undefined,
    scope: undefined,
    callbackURL: 'https://app.example/callback',
    isRestarted: false,
    isStepUp: false,
    localUser: undefined,
    appState: undefined,
  }
}

/** A login that is redeemed. */
async function redeemed(): Promise<PendingLogin> {
  const one = login()
  await records.redeemOnce(one)
  return one
}

describe('the record of a login', () => {
  it('is created by exactly one caller, for as long as the cookie can be sent', async () => {
    const create = jest.spyOn(store, 'create')
    jest.spyOn(Date, 'now').mockReturnValue(now + 3 * minute)
    const all = await Promise.all([1, 2, 3].map(() => new LoginRecords(store).redeemOnce(login())))
    expect(all.filter(Boolean)).toHaveLength(1)
    expect(create).toHaveBeenCalledWith(
      'login:grant-a',
      expect.stringMatching(/^[\w-]{16}$/) as unknown,
      12 * minute,
    )
    expect(await records.redeemOnce(login('b'))).toEqual([])
  })
  it.each([done, failed, replaced, loggedOut])('ends once: %j', async (end) => {
    const mine = await redeemed()
    expect(await records.markEnded(mine, end)).toEqual(end)
    expect((await records.read('grant-a'))?.end).toEqual(end)
    expect(await records.redeemOnce(login())).toBeUndefined()
    expect(await records.markEnded(mine, { how: 'done', at: now + 1 })).toEqual(end)
  })

  it('is completed by its owner only', async () => {
    await redeemed()
    expect(await records.markEnded(login(), done)).toBeUndefined()
    expect(await new LoginRecords(store).markEnded(login(), done)).toBeUndefined()
    expect(await records.read('grant-a')).toEqual({ value: expect.any(String) as unknown, end: undefined })
  })

  it('cannot be completed once it is gone', async () => {
    const mine = await redeemed()
    await store.delete('login:grant-a')
    expect(await records.markEnded(mine, done)).toBeUndefined()
    expect(await records.read('grant-a')).toBeUndefined()
  })

  it('stays completed when only the reply was lost', async () => {
    const mine = await redeemed()
    const replace = store.replace.bind(store)
    jest.spyOn(store, 'replace').mockImplementation(async (...args) => {
      await replace(...args)
      return false
    })
    expect(await records.markEnded(mine, done)).toEqual(done)
  })

  it('has one outcome even when a write may or may not have taken effect', async () => {
    const lost = await redeemed()
    const replace = store.replace.bind(store)
    jest.spyOn(store, 'replace').mockImplementationOnce(async (...args) => {
      await replace(...args)
      throw new Error('no reply')
    })
    expect(await records.markEnded(lost, done)).toEqual(done)
    expect((await records.read('grant-a'))?.end).toEqual(done)

    const other = login('b')
    await records.redeemOnce(other)
    jest.spyOn(store, 'replace').mockRejectedValueOnce(new Error('down'))
    await expect(records.markEnded(other, done)).rejects.toThrow('down')
    expect((await records.read('grant-b'))?.end).toEqual(failed)
  })

  it('returns all logins that were announced before', async () => {
    const [b, c] = [login('b'), login('c')]
    expect(await records.announce(b, login())).toBe(true)
    expect(await records.announce(c, login())).toBe(true)
    expect(await records.announce(b, login())).toBe(true)
    expect(await records.read('grant-a')).toBeUndefined()
    const both = [b, c].map(({ grantID, startedAt }) => ({ grantID, startedAt }))
    const all = await Promise.all([records.redeemOnce(login()), new LoginRecords(store).redeemOnce(login())])
    expect(all.filter((announced) => announced !== undefined)).toEqual([both])
    expect(await records.announce(b, login())).toBe(false)
  })

  it('can be overruled while its callback runs, which then learns how its login ended', async () => {
    const mine = await redeemed()
    const record = await records.read('grant-a')
    if (record === undefined) throw new Error('There is no record')
    expect(await new LoginRecords(store).overrule('grant-a', record, replaced)).toBe(true)
    expect(await records.markEnded(mine, done)).toEqual(replaced)
  })

  it('cannot be overruled once it is completed', async () => {
    const mine = await redeemed()
    const record = await records.read('grant-a')
    if (record === undefined) throw new Error('There is no record')
    await records.markEnded(mine, done)
    expect(await new LoginRecords(store).overrule('grant-a', record, loggedOut)).toBe(false)
    expect((await records.read('grant-a'))?.end).toEqual(done)
  })

  it.each(['', 'done', '{', '{"how":"done"'])('with the value %j counts as still running', async (value) => {
    await store.create('login:grant-a', value, minute)
    expect(await records.read('grant-a')).toEqual({ value, end: undefined })
  })
})

describe('the wait for the callback that redeemed a login', () => {
  it('ends at once without a record, or with a completed one', async () => {
    const get = jest.spyOn(store, 'get')
    expect(await records.waitUntilEnded('grant-a')).toBeUndefined()
    await records.markEnded(await redeemed(), failed)
    get.mockClear()
    expect(await records.waitUntilEnded('grant-a')).toEqual(failed)
    expect(get).toHaveBeenCalledTimes(1)
  })

  it('reads again until the record is completed', async () => {
    const get = jest.spyOn(store, 'get')
    get
      .mockResolvedValueOnce('the-owner')
      .mockResolvedValueOnce('the-owner')
      .mockResolvedValueOnce(JSON.stringify(done))
    expect(await records.waitUntilEnded('grant-a')).toEqual(done)
    expect(get).toHaveBeenCalledTimes(3)
  })

  it('times out after ten seconds', async () => {
    const get = jest.spyOn(store, 'get').mockResolvedValue('the-owner')
    const clock = jest.spyOn(performance, 'now').mockReturnValue(20_000)
    clock.mockReturnValueOnce(5_000).mockReturnValueOnce(14_999.9).mockReturnValueOnce(15_000)
    expect(await records.waitUntilEnded('grant-a')).toBeUndefined()
    expect(get).toHaveBeenCalledTimes(1)
    expect(clock.mock.calls.length).toBeGreaterThanOrEqual(3)
  })
})
