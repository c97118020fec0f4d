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
    isRestarted: false,
    isStepUp: false,
    appState: undefined,
  }
}

/** A login that another process has claimed. */
async function claimed(): Promise<PendingLogin> {
  const one = login()
  await records.redeemOnce(one)
  return one
}

describe('a record', () => {
  it('is given to exactly one, for as long as the cookie can be sent', async () => {
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

  it('whose reply was lost is known by its value', async () => {
    const create = store.create.bind(store)
    jest.spyOn(store, 'create').mockImplementation(async (...args) => {
      await create(...args)
      return false
    })
    expect(await records.redeemOnce(login())).toEqual([])
    expect(await records.redeemOnce(login())).toBeUndefined()
  })

  it.each([done, failed, replaced, loggedOut])('ends once: %j', async (end) => {
    const mine = await claimed()
    expect(await records.markEnded(mine, end)).toEqual(end)
    expect((await records.read('grant-a'))?.end).toEqual(end)
    expect(await records.redeemOnce(login())).toBeUndefined()
    expect(await records.markEnded(mine, { how: 'done', at: now + 1 })).toEqual(end)
  })

  it('is settled by its holder only', async () => {
    await claimed()
    expect(await records.markEnded(login(), done)).toBeUndefined()
    expect(await new LoginRecords(store).markEnded(login(), done)).toBeUndefined()
    expect(await records.read('grant-a')).toEqual({ value: expect.any(String) as unknown, end: undefined })
  })

  it('that is gone cannot be settled', async () => {
    const mine = await claimed()
    await store.delete('login:grant-a')
    expect(await records.markEnded(mine, done)).toBeUndefined()
    expect(await records.read('grant-a')).toBeUndefined()
  })

  it('that was settled, with the reply lost, is settled', async () => {
    const mine = await claimed()
    const replace = store.replace.bind(store)
    jest.spyOn(store, 'replace').mockImplementation(async (...args) => {
      await replace(...args)
      return false
    })
    expect(await records.markEnded(mine, done)).toEqual(done)
  })

  it('whose end may have been written, or not, has one end all the same', async () => {
    const lost = await claimed()
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

  it('brings the logins that have announced themselves before, in any number', async () => {
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

  it('whose reply was lost brings them, too', async () => {
    await records.announce(login('b'), login())
    const replace = store.replace.bind(store)
    jest.spyOn(store, 'replace').mockImplementationOnce(async (...args) => {
      await replace(...args)
      return false
    })
    expect(await records.redeemOnce(login())).toEqual([{ grantID: 'grant-b', startedAt: now }])
  })

  it('can be overruled while its callback runs, which then learns how its login ended', async () => {
    const mine = await claimed()
    const record = await records.read('grant-a')
    if (record === undefined) throw new Error('There is no record')
    expect(await new LoginRecords(store).overrule('grant-a', record, replaced)).toBe(true)
    expect(await records.markEnded(mine, done)).toEqual(replaced)
  })

  it('cannot be overruled once it is settled', async () => {
    const mine = await claimed()
    const record = await records.read('grant-a')
    if (record === undefined) throw new Error('There is no record')
    await records.markEnded(mine, done)
    expect(await new LoginRecords(store).overrule('grant-a', record, loggedOut)).toBe(false)
    expect((await records.read('grant-a'))?.end).toEqual(done)
  })

  it.each(['', 'done', 'replaced.kf12oi', 'settled', 'replaced'])(
    'with the value %j is running, or ended at no time',
    async (value) => {
      await store.create('login:grant-a', value, minute)
      const { end } = (await records.read('grant-a')) ?? {}
      expect(end === undefined || Number.isNaN(end.at)).toBe(true)
    },
  )
})

describe('the wait for the callback that took a login', () => {
  it('ends at once where there is no record, or one that is settled', async () => {
    const get = jest.spyOn(store, 'get')
    expect(await records.waitUntilEnded('grant-a')).toBeUndefined()
    await records.markEnded(await claimed(), failed)
    get.mockClear()
    expect(await records.waitUntilEnded('grant-a')).toEqual(failed)
    expect(get).toHaveBeenCalledTimes(1)
  })

  it('asks again until it is settled', async () => {
    const get = jest.spyOn(store, 'get')
    get.mockResolvedValueOnce('somebody').mockResolvedValueOnce('somebody').mockResolvedValueOnce('done.1')
    expect(await records.waitUntilEnded('grant-a')).toEqual({ how: 'done', at: 1 })
    expect(get).toHaveBeenCalledTimes(3)
  })

  it('is given up after ten seconds', async () => {
    const get = jest.spyOn(store, 'get').mockResolvedValue('somebody')
    const clock = jest.spyOn(performance, 'now').mockReturnValue(20_000)
    clock.mockReturnValueOnce(5_000).mockReturnValueOnce(14_999.9).mockReturnValueOnce(15_000)
    expect(await records.waitUntilEnded('grant-a')).toBeUndefined()
    expect(get).toHaveBeenCalledTimes(1)
    expect(clock.mock.calls.length).toBeGreaterThanOrEqual(3)
  })
})
