import assert from 'node:assert/strict'
import type { TokenStore } from '../token-store'

/** Milliseconds. */
const long = 60_000

/** How the battery is run. */
export interface TokenStoreTestOptions {
  /** Declares a test. @default the global `test` of Jest, or of Vitest with `globals` */
  test?: (name: string, run: () => Promise<void>) => unknown
}

/**
 * Declares the tests that every {@link TokenStore} has to pass, for a store of your own. Each of them gets a new store from
 * `makeStore`; where they share a server, let `makeStore` empty it or use another prefix each time.
 *
 * @example
 * describe('our store', () => testTokenStore(() => new OurTokenStore(client)))
 *
 * @throws {TypeError} there is no global `test`, and none is given
 */
export function testTokenStore(
  makeStore: () => TokenStore | Promise<TokenStore>,
  options: TokenStoreTestOptions = {},
): void {
  const { test = (globalThis as { test?: TokenStoreTestOptions['test'] }).test } = options
  if (test === undefined) {
    throw new TypeError('There is no global "test": give yours, as in testTokenStore(make, { test })')
  }
  for (const [name, check] of Object.entries(checks)) {
    test(name, async () => check(await makeStore()))
  }
}

const checks: Readonly<Record<string, (store: TokenStore) => Promise<void>>> = {
  async 'gives back what was created, and nothing where nothing was'(store) {
    assert.equal(await store.create('grant:a', 'one', long), true)
    assert.equal(await store.get('grant:a'), 'one')
    assert.equal(await store.get('grant:b'), undefined)
  },

  async 'creates only where there is nothing'(store) {
    await store.create('grant:a', 'one', long)
    assert.equal(await store.create('grant:a', 'two', long), false)
    assert.equal(await store.get('grant:a'), 'one')
  },

  async 'gives a contested key to exactly one of a hundred'(store) {
    const won = await Promise.all(hundred((i) => store.create('lock:a', `${i}`, long)))
    assert.equal(won.filter(Boolean).length, 1)
    assert.equal(await store.get('lock:a'), `${won.indexOf(true)}`)
  },

  async 'replaces only exactly the value that is expected'(store) {
    await store.create('grant:a', 'one', long)
    assert.equal(await store.replace('grant:a', 'on', 'two'), false)
    assert.equal(await store.replace('grant:a', 'one', 'two'), true)
    assert.equal(await store.replace('grant:a', 'one', 'three'), false)
    assert.equal(await store.get('grant:a'), 'two')
  },

  async 'does not bring back what was deleted'(store) {
    await store.create('grant:a', 'one', long)
    await store.delete('grant:a')
    assert.equal(await store.replace('grant:a', 'one', 'two', long), false)
    assert.equal(await store.get('grant:a'), undefined)
  },

  async 'lets one of a hundred replacements of the same value through'(store) {
    await store.create('grant:a', 'one', long)
    const won = await Promise.all(hundred((i) => store.replace('grant:a', 'one', `${i}`)))
    assert.equal(won.filter(Boolean).length, 1)
    assert.equal(await store.get('grant:a'), `${won.indexOf(true)}`)
  },

  async 'deletes, and says whether there was something'(store) {
    await store.create('grant:a', 'one', long)
    assert.equal(await store.delete('grant:a', 'two'), false)
    assert.equal(await store.delete('grant:a', 'one'), true)
    assert.equal(await store.delete('grant:a'), false)
  },

  async 'ends a value when its life is over, and the key is free again'(store) {
    await store.create('login:a', 'one', 20)
    await gone(store, 'login:a')
    assert.equal(await store.create('login:a', 'two', long), true)
  },

  async 'leaves the life of a replaced value as it is, or begins it anew'(store) {
    await store.create('grant:kept', 'one', 60)
    await store.create('grant:extended', 'one', 60)
    await store.replace('grant:kept', 'one', 'two')
    await store.replace('grant:extended', 'one', 'one', long)
    await gone(store, 'grant:kept')
    assert.equal(await store.get('grant:extended'), 'one')
  },

  async 'takes any text as a value'(store) {
    const odd = `é\u0000"\n{}${'x'.repeat(10_000)}`
    await store.create('user:a b', odd, long)
    assert.equal(await store.get('user:a b'), odd)
    assert.equal(await store.replace('user:a b', odd, ''), true)
    assert.equal(await store.get('user:a b'), '')
  },
}

function hundred<T>(make: (i: number) => Promise<T>): Promise<T>[] {
  return Array.from({ length: 100 }, (_, i) => make(i))
}

async function gone(store: TokenStore, key: string): Promise<void> {
  const giveUpAt = performance.now() + 5_000
  while ((await store.get(key)) !== undefined) {
    assert.ok(performance.now() < giveUpAt, `the value under ${key} outlives its life by five seconds`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
