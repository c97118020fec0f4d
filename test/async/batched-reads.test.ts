import { BatchedReads } from '../../src/async/batched-reads'

type Values = ReadonlyMap<string, string>

/** A source whose queries the test ends one by one, in the order in which they came. */
function source(width = 1) {
  const queries: (readonly string[])[] = []
  const open: { resolve: (values: Values) => void; reject: (error: Error) => void }[] = []
  const readMany = (keys: readonly string[]) => {
    queries.push(keys)
    return new Promise<Values>((resolve, reject) => open.push({ resolve, reject }))
  }
  return {
    reads: new BatchedReads(readMany, width),
    queries,
    /** Resolves the oldest query; the value of each key is its name in capitals. */
    answer: async () => {
      await soon()
      const keys = queries[queries.length - open.length] ?? []
      open.shift()?.resolve(new Map(keys.map((key) => [key, key.toUpperCase()])))
      await soon()
    },
    fail: async (error: Error) => {
      await soon()
      open.shift()?.reject(error)
      await soon()
    },
  }
}

function soon(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('a read is sent at once, and those that come while it runs share the next query', async () => {
  const { reads, queries, answer } = source()
  const first = reads.read(['a'])
  const others = [reads.read(['b']), reads.read(['c', 'd'])]
  await soon()
  others.push(reads.read(['e']))
  expect(queries).toEqual([['a']])
  await answer()
  expect((await first).get('a')).toBe('A')
  expect(queries).toEqual([['a'], ['b', 'c', 'd', 'e']])
  await answer()
  const found = await Promise.all(others)
  expect(['b', 'd', 'e'].map((key, i) => found[i]?.get(key))).toEqual(['B', 'D', 'E'])
})

test('a key that several callers request is read once, in the order in which keys came', async () => {
  const { reads, queries, answer } = source()
  void reads.read(['first'])
  const both = [reads.read(['b', 'a', 'b']), reads.read(['a', 'c'])]
  await answer()
  expect(queries[1]).toEqual(['b', 'a', 'c'])
  await answer()
  for (const values of await Promise.all(both)) expect([...values.values()]).toEqual(['B', 'A', 'C'])
})

test('as many queries run at once as there may, and a read after that waits for the first that ends', async () => {
  const { reads, queries, answer } = source(2)
  const all = ['a', 'b', 'c', 'd'].map((key) => reads.read([key]))
  await soon()
  expect(queries).toEqual([['a'], ['b']])
  await answer()
  expect(queries).toEqual([['a'], ['b'], ['c', 'd']])
  await answer()
  await answer()
  await Promise.all(all)
  void reads.read(['e'])
  await soon()
  expect(queries).toHaveLength(4)
})

test('a query that fails fails for its own readers, once for each, and the next one is sent', async () => {
  const { reads, queries, answer, fail } = source()
  const failures: unknown[] = []
  const note = (error: unknown) => failures.push(error)
  const first = reads.read(['a']).catch(note)
  const second = [reads.read(['b']).catch(note), reads.read(['c']).catch(note)]
  await answer()
  const third = reads.read(['d'])
  const error = new Error('down')
  await fail(error)
  await Promise.all([first, ...second])
  expect(failures).toEqual([error, error])
  expect(queries).toEqual([['a'], ['b', 'c'], ['d']])
  await answer()
  expect((await third).get('d')).toBe('D')
})

test('a failure that no caller waits for does not end the process', async () => {
  const unhandled = jest.fn()
  process.on('unhandledRejection', unhandled)
  const reads = new BatchedReads(() => Promise.reject(new Error('down')), 1)
  reads.read(['a']).catch(() => {})
  await soon()
  await soon()
  process.off('unhandledRejection', unhandled)
  expect(unhandled).not.toHaveBeenCalled()
})

test('a source that throws instead of rejecting is a failure, and takes no place for good', async () => {
  let isDown = true
  const reads = new BatchedReads<string>((keys) => {
    if (isDown) throw new Error('down')
    return Promise.resolve(new Map(keys.map((key) => [key, key])))
  }, 1)
  await expect(reads.read(['a'])).rejects.toThrow('down')
  isDown = false
  expect((await reads.read(['a'])).get('a')).toBe('a')
})

test('a read after a result has arrived sends a new query, and never gets the old result', async () => {
  let version = 0
  const reads = new BatchedReads(() => Promise.resolve(new Map([['a', `${++version}`]])), 4)
  expect((await reads.read(['a'])).get('a')).toBe('1')
  expect((await reads.read(['a'])).get('a')).toBe('2')
  const both = await Promise.all([reads.read(['a']), reads.read(['a'])])
  expect(both.map((values) => values.get('a'))).toEqual(['3', '4'])
})
