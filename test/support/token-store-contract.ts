import type { TokenStore } from '../../src'

/** What every token store keeps to. */
export function tokenStoreContract(makeStore: () => TokenStore): void {
  let store: TokenStore
  const long = 60_000

  beforeEach(() => {
    store = makeStore()
  })

  test('gives back what was created, and nothing where nothing was', async () => {
    expect(await store.create('grant:a', 'one', long)).toBe(true)
    expect(await store.get('grant:a')).toBe('one')
    expect(await store.get('grant:b')).toBeUndefined()
  })

  test('creates only where there is nothing', async () => {
    await store.create('grant:a', 'one', long)
    expect(await store.create('grant:a', 'two', long)).toBe(false)
    expect(await store.get('grant:a')).toBe('one')
  })

  test('gives a contested key to exactly one of a hundred', async () => {
    const won = await Promise.all(Array.from({ length: 100 }, (_, i) => store.create('lock:a', `${i}`, long)))
    expect(won.filter(Boolean)).toHaveLength(1)
  })

  test('replaces only exactly the value that is expected', async () => {
    await store.create('grant:a', 'one', long)
    expect(await store.replace('grant:a', 'on', 'two')).toBe(false)
    expect(await store.replace('grant:a', 'one', 'two')).toBe(true)
    expect(await store.replace('grant:a', 'one', 'three')).toBe(false)
    expect(await store.get('grant:a')).toBe('two')
  })

  test('does not bring back what was deleted', async () => {
    await store.create('grant:a', 'one', long)
    await store.delete('grant:a')
    expect(await store.replace('grant:a', 'one', 'two', long)).toBe(false)
    expect(await store.get('grant:a')).toBeUndefined()
  })

  test('lets one of a hundred replacements of the same value through', async () => {
    await store.create('grant:a', 'one', long)
    const won = await Promise.all(
      Array.from({ length: 100 }, (_, i) => store.replace('grant:a', 'one', `${i}`)),
    )
    expect(won.filter(Boolean)).toHaveLength(1)
  })

  test('deletes, and says whether there was something', async () => {
    await store.create('grant:a', 'one', long)
    expect(await store.delete('grant:a', 'two')).toBe(false)
    expect(await store.delete('grant:a', 'one')).toBe(true)
    expect(await store.delete('grant:a')).toBe(false)
  })

  test('ends a value when its life is over, and the key is free again', async () => {
    await store.create('login:a', 'one', 20)
    await until(async () => (await store.get('login:a')) === undefined)
    expect(await store.create('login:a', 'two', long)).toBe(true)
  })

  test('leaves the life of a replaced value as it is, or begins it anew', async () => {
    await store.create('grant:kept', 'one', 60)
    await store.create('grant:extended', 'one', 60)
    await store.replace('grant:kept', 'one', 'two')
    await store.replace('grant:extended', 'one', 'one', long)
    await until(async () => (await store.get('grant:kept')) === undefined)
    expect(await store.get('grant:extended')).toBe('one')
  })

  test('takes any text as a value', async () => {
    const odd = 'é\u0000"\n{}' + 'x'.repeat(10_000)
    await store.create('user:a b', odd, long)
    expect(await store.get('user:a b')).toBe(odd)
    expect(await store.replace('user:a b', odd, '')).toBe(true)
    expect(await store.get('user:a b')).toBe('')
  })
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve))
}
