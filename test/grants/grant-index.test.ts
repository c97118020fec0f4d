import { MemoryTokenStore, TokenStoreError } from '../../src'
import { createContext } from '../../src/context'
import { GrantIndex } from '../../src/grants/grant-index'
import { UserGrants } from '../../src/grants/grants'
import { Events } from '../../src/observability/events'
import { KeyRing } from '../../src/store/encryption'
import { HeldStore } from '../support/held-store'

// A command that a test holds back is not a store that hangs, however busy the machine is.
jest.mock('../../src/async/timeout', () => ({
  ...jest.requireActual<object>('../../src/async/timeout'),
  withinDeadline: <T>(work: Promise<T>) => work,
}))

const keys = new KeyRing('a secret of thirty-two characters or more, for tests')
const client = {
  clientID: 'client',
  clientSecret: 'secret of the client',
  callbackURL: 'https://app.example/callback',
  scope: 'incidents.read',
}
const user = { accountID: 'PACME00', id: 'PACME01' }
const key = 'user:PACME00 PACME01'
const minute = 60_000
const now = 1_800_000_000_000
const until = now + 30 * 24 * 60 * minute

let store: HeldStore
let index: GrantIndex
beforeEach(() => {
  at(now)
  store = new HeldStore()
  index = new GrantIndex(store, keys)
})
afterEach(() => {
  jest.restoreAllMocks()
  store.memory.close()
})

function at(time: number): void {
  jest.spyOn(Date, 'now').mockReturnValue(time)
}

/** A login: its grant is stored, then listed. */
async function logIn(id: string, on = index): Promise<void> {
  await store.memory.create(`grant:${id}`, 'sealed', 24 * 60 * minute)
  await on.add(user, id, until, now)
}

/** What is stored, as it is before it is sealed. */
async function stored(): Promise<string> {
  return keys.sealer('grant index').open((await store.memory.get(key)) as string, key) as string
}

const names = (count: number, prefix = 'g') => Array.from({ length: count }, (_, i) => `${prefix}${i}`)

/** The commands that were sent for keys of this kind. */
const sent = (kind: string) => store.commands.filter((command) => command.includes(` ${kind}:`)).length

describe('the list of a user’s grants', () => {
  test('has every login of 100 that come at once, to two processes', async () => {
    const other = new GrantIndex(store, keys)
    await Promise.all(names(100).map((id, i) => logIn(id, i % 2 === 0 ? index : other)))
    expect(new Set(await index.list(user))).toEqual(new Set(names(100)))
  })

  test('drops no grant that lives, however many there are', async () => {
    for (const id of names(320)) await logIn(id)
    expect(await index.list(user)).toEqual(names(320))
  })

  test('takes two commands for each of a user’s first fifty logins', async () => {
    for (const id of names(50)) await logIn(id)
    expect([sent('user'), sent('grant')]).toEqual([100, 0])
  })

  test('looks for grants that have ended when it has twice as many entries as lived the last time', async () => {
    for (const id of names(50)) await logIn(id)
    for (const id of names(20)) await store.memory.delete(`grant:${id}`)
    await logIn('next')
    expect(await index.list(user)).toEqual([...names(50).slice(20), 'next'])
    expect(sent('grant')).toBe(50)
    for (const id of names(29, 'more')) await logIn(id)
    expect(sent('grant')).toBe(50)
    await logIn('last')
    expect(sent('grant')).toBe(50 + 60)
  })

  test('lets no entry go whose grant it cannot look for', async () => {
    for (const id of names(50)) await logIn(id)
    const down = new TokenStoreError('down')
    store.fault = (command) => (command.startsWith('get grant:') ? down : undefined)
    await expect(logIn('next')).rejects.toBe(down)
    expect(await index.list(user)).toEqual(names(50))
  })

  test('forgets entries at their end', async () => {
    await logIn('one')
    await index.add(user, 'other', until + minute, now)
    at(until)
    expect(await index.list(user)).toEqual(['other'])
    at(until + minute)
    expect(await index.list(user)).toEqual([])
  })

  test('lets an entry live longer, and never shorter; without need it writes nothing', async () => {
    await logIn('one')
    await index.add(user, 'one', until + minute)
    await index.add(user, 'one', until)
    expect(store.commands.slice(-3)).toEqual([`get ${key}`, `replace ${key}`, `get ${key}`])
    expect(JSON.parse(await stored())).toEqual([['one', until + minute]])
  })

  test('finds its own write again whose reply was lost', async () => {
    const replace = store.replace.bind(store)
    await logIn('one')
    jest.spyOn(store, 'replace').mockImplementationOnce(async (...args) => !(await replace(...args)))
    await logIn('two')
    expect(await index.list(user)).toEqual(['one', 'two'])
  })

  test('is stored as it always was, with nothing besides for most users', async () => {
    await logIn('one')
    await logIn('two')
    expect(await stored()).toBe(`[["one",${until}],["two",${until}]]`)
  })

  test.each([
    '[["one",1]',
    '{}',
    '5',
    '[["one"]]',
    '[["one","1"]]',
    `[["one",${until}],{"p":"1"}]`,
    `[{"t":"1"}]`,
    `[5,["one",${until}]]`,
  ])('is empty where another version has written %s, and takes the next login', async (text) => {
    await store.memory.create(key, keys.sealer('grant index').seal(text, key), minute)
    expect(await index.list(user)).toEqual([])
    await logIn('next')
    expect(await index.list(user)).toEqual(['next'])
  })
})

describe('a login that cannot be listed', () => {
  test('fails after five seconds in which others changed the list again and again', async () => {
    const clock = jest.spyOn(performance, 'now').mockReturnValue(0)
    let attempts = 0
    jest.spyOn(store, 'create').mockImplementation(async () => {
      if (++attempts === 40) clock.mockReturnValue(5_000)
      return false
    })
    const failed = index.add(user, 'one', until, now)
    await expect(failed).rejects.toMatchObject({ name: 'TokenStoreError', status: 503 })
    expect(attempts).toBe(40)
  })

  test('is rejected at ten thousand that live, with a reason', async () => {
    const text = JSON.stringify([...names(10_000).map((id) => [id, until]), { p: 10_000 }])
    await store.memory.create(key, keys.sealer('grant index').seal(text, key), minute)
    for (const id of names(10_000)) await store.memory.create(`grant:${id}`, 'sealed', minute)
    const refused = index.add(user, 'next', until, now)
    await expect(refused).rejects.toMatchObject({ code: 'ERR_PAGERDUTY_TOO_MANY_LOGINS', status: 403 })
    await index.add(user, 'g9999', until + minute)
    await store.memory.delete('grant:g0')
    await index.add(user, 'next', until, now)
    expect(await index.list(user)).toHaveLength(10_000)
  })
})

describe('the end of all logins', () => {
  test('gives what is listed, and keeps it listed in case that cannot be ended', async () => {
    await logIn('one')
    expect(await index.end(user)).toEqual(['one'])
    expect(await index.list(user)).toEqual(['one'])
    expect(await index.end({ ...user, id: 'PACME02' })).toEqual([])
  })

  test.each([
    ['at that moment', now, true],
    ['before', now - 1, true],
    ['afterwards', now + 1, false],
  ])('rejects a login that arrived %s', async (_when, arrivedAt, isRefused) => {
    await index.end(user)
    const outcome = await index.add(user, 'one', until, arrivedAt).catch((error: unknown) => error)
    const refusal = expect.objectContaining({ code: 'ERR_PAGERDUTY_ALL_LOGINS_ENDED', status: 403 })
    expect(outcome).toEqual(isRefused ? refusal : undefined)
    expect(await index.list(user)).toEqual(isRefused ? [] : ['one'])
  })

  test('is remembered for fifteen minutes, through other changes, by every process', async () => {
    await index.end(user)
    at(now + 1)
    await new GrantIndex(store, keys).add(user, 'one', until, now + 1)
    at(now + 15 * minute - 1)
    await expect(index.add(user, 'two', until, now)).rejects.toMatchObject({ status: 403 })
    at(now + 15 * minute)
    await index.add(user, 'two', until, now)
    expect(await stored()).toBe(`[["one",${until}],["two",${until}]]`)
  })

  test('is remembered as the latest one, also where a clock is behind', async () => {
    await index.end(user)
    at(now - 1000)
    await index.end(user)
    await expect(index.add(user, 'one', until, now)).rejects.toMatchObject({ status: 403 })
  })

  test('includes a login that gets into the list before it, and rejects one that does not', async () => {
    const hold = store.hold(/^create user:/)
    const login = logIn('one')
    await hold.reached
    const ended = await index.end(user)
    hold.release()
    await expect(login).rejects.toMatchObject({ code: 'ERR_PAGERDUTY_ALL_LOGINS_ENDED' })
    expect([ended, await index.list(user)]).toEqual([[], []])

    const late = store.hold(/^replace user:/)
    const end = index.end(user)
    await late.reached
    at(now + 1)
    await index.add(user, 'two', until, now + 1)
    late.release()
    expect(await end).toEqual(['two'])
  })

  test('lives in the store as long as it counts', async () => {
    const create = jest.spyOn(MemoryTokenStore.prototype, 'create')
    await index.end(user)
    expect(create.mock.calls.at(-1)?.[2]).toBe(15 * minute)
  })
})

test('a list that another app has written is reported once, and names what keeps the two apart', async () => {
  const events = new Events()
  const warned: Error[] = []
  events.on('warning', ({ error }) => warned.push(error))
  const own = new GrantIndex(store, keys, events)
  await logIn('a', own)
  await logIn('b', own)
  expect(warned).toEqual([])
  const other = new GrantIndex(store, new KeyRing('another secret of thirty-two characters'), events)
  await logIn('c', other)
  await other.list(user)
  for (const each of [user, user, { ...user, id: 'another' }]) expect(await own.list(each)).toEqual([])
  expect(warned).toHaveLength(2) // By each of the two.
  const app = createContext(
    { ...client, tokenStore: store, secret: 'a third secret of thirty-two characters' },
    events,
  )
  await new UserGrants(app).index.list(user)
  expect(warned).toHaveLength(3)
  expect(warned[0]).toMatchObject({
    option: 'secret',
    message: expect.stringMatching(/SESSION_SECRET was changed .* the same "prefix"/),
  })
})
