import { MemoryTokenStore } from '../../src'
import { Lease } from '../../src/store/lease'

const duration = 15_000
let store: MemoryTokenStore

beforeEach(() => {
  jest.useFakeTimers()
  store = new MemoryTokenStore()
})
afterEach(() => jest.useRealTimers())

test('a lease keeps others out for as long as it is held, well beyond its own length', async () => {
  const lease = (await Lease.acquire(store, 'lock:a', duration)) as Lease
  for (let seconds = 0; seconds < 60; seconds++) {
    await jest.advanceTimersByTimeAsync(1000)
    expect(await Lease.acquire(store, 'lock:a', duration)).toBeUndefined()
    expect(lease.isSafeToStart).toBe(true)
  }
  await lease.release()
  expect(await Lease.acquire(store, 'lock:a', duration)).toBeDefined()
})

test('a lease that is not renewed ends, and knows it', async () => {
  const lease = (await Lease.acquire(store, 'lock:a', duration)) as Lease
  jest.spyOn(store, 'replace').mockRejectedValue(new Error('store down'))
  await jest.advanceTimersByTimeAsync(duration / 2 + 1)
  expect(lease.isSafeToStart).toBe(false)
  await jest.advanceTimersByTimeAsync(duration / 2)
  expect(lease.remaining).toBe(0)
  expect(await Lease.acquire(store, 'lock:a', duration)).toBeDefined()
})

test('a lease that was lost neither renews nor releases the next one', async () => {
  const lost = (await Lease.acquire(store, 'lock:a', duration)) as Lease
  await store.delete('lock:a')
  const next = (await Lease.acquire(store, 'lock:a', duration)) as Lease
  await lost.renew()
  expect(lost.isSafeToStart).toBe(false)
  await lost.release()
  await jest.advanceTimersByTimeAsync(duration * 2)
  expect(next.isSafeToStart).toBe(true)
  expect(await Lease.acquire(store, 'lock:a', duration)).toBeUndefined()
})

test('a lease whose reply was lost is recognised by its owner', async () => {
  const create = store.create.bind(store)
  jest.spyOn(store, 'create').mockImplementation(async (...args) => {
    await create(...args)
    return false // What a client gets that sends the command again.
  })
  expect(await Lease.acquire(store, 'lock:a', duration)).toBeDefined()
})

test('a lock that was taken without a response does not keep its own process out', async () => {
  const create = store.create.bind(store)
  const lost = new Error('no answer')
  // What is tried to make up for it gets lost too.
  const removal = jest.spyOn(store, 'delete').mockRejectedValue(lost)
  jest.spyOn(store, 'create').mockImplementationOnce(async (...args) => {
    await create(...args)
    throw lost
  })
  await expect(Lease.acquire(store, 'lock:a', duration)).rejects.toThrow('no answer')
  expect(await store.get('lock:a')).toBeDefined()
  removal.mockRestore()
  expect(await Lease.acquire(store, 'lock:a', duration)).toBeDefined()
})

test('a lock that could not be released does not keep its own process out', async () => {
  const lease = (await Lease.acquire(store, 'lock:a', duration)) as Lease
  const removal = jest.spyOn(store, 'delete').mockRejectedValue(new Error('no answer'))
  await lease.release()
  removal.mockRestore()
  expect(await store.get('lock:a')).toBeDefined()
  expect(await Lease.acquire(store, 'lock:a', duration)).toBeDefined()
})

test('a released lease leaves no timer behind', async () => {
  const lease = (await Lease.acquire(store, 'lock:a', duration)) as Lease
  await lease.release()
  store.close()
  expect(jest.getTimerCount()).toBe(0)
})

test('a lock left behind by this process is not taken when another process has taken it meanwhile', async () => {
  const left = (await Lease.acquire(store, 'lock:a', duration)) as Lease
  jest.spyOn(store, 'delete').mockRejectedValueOnce(new Error('store down'))
  await left.release()
  const look = store.get.bind(store)
  jest.spyOn(store, 'get').mockImplementationOnce(async (key) => {
    const holder = await look(key)
    await store.delete(key)
    await store.create(key, 'another process', duration)
    return holder
  })
  expect(await Lease.acquire(store, 'lock:a', duration)).toBeUndefined()
  expect(await look('lock:a')).toBe('another process')
})

test('a lock left behind that another process takes just as it is removed belongs to that process', async () => {
  const left = (await Lease.acquire(store, 'lock:a', duration)) as Lease
  jest.spyOn(store, 'delete').mockRejectedValueOnce(new Error('store down'))
  await left.release()
  const take = store.delete.bind(store)
  jest.spyOn(store, 'delete').mockImplementationOnce(async (...args) => {
    const isGone = await take(...args)
    await store.create('lock:a', 'another process', duration)
    return isGone
  })
  expect(await Lease.acquire(store, 'lock:a', duration)).toBeUndefined()
})

test('exactly half of a lease is enough to start something', async () => {
  const lease = (await Lease.acquire(store, 'lock:a', duration)) as Lease
  jest.spyOn(store, 'replace').mockRejectedValue(new Error('store down'))
  await jest.advanceTimersByTimeAsync(duration / 2)
  expect([lease.remaining, lease.isSafeToStart]).toEqual([duration / 2, true])
})
