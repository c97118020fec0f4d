import type { TokenStore } from '../store/token-store'
import { failures } from './store-failures'
import { lifetimes } from './store-lifetimes'
import { many } from './store-many'
import { operations } from './store-operations'
import { pairs } from './store-pairs'
import { strings } from './store-strings'

/** How the battery is run. */
export interface TokenStoreTestOptions<Store extends TokenStore = TokenStore> {
  /** Declares a test. @default the global `test` of Jest, or of Vitest with `globals` */
  test?: ((name: string, run: () => Promise<void>) => unknown) | undefined
  /**
   * Makes a second instance over the same database, with a connection of its own, as another process of the app would have
   * it. Adds tests of the two at once.
   */
  another?: ((store: Store) => TokenStore | Promise<TokenStore>) | undefined
  /** Breaks the connection of a store, for good. Adds a test that all operations reject in time. */
  disconnect?: ((store: Store) => unknown) | undefined
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
export function testTokenStore<Store extends TokenStore>(
  makeStore: () => Store | Promise<Store>,
  options: TokenStoreTestOptions<Store> = {},
): void {
  const {
    test = (globalThis as { test?: TokenStoreTestOptions['test'] }).test,
    another,
    disconnect,
  } = options
  if (test === undefined) {
    throw new TypeError('There is no global "test": give yours, as in testTokenStore(make, { test })')
  }
  for (const [name, check] of Object.entries({ ...operations, ...many, ...lifetimes, ...strings })) {
    test(name, async () => check(await makeStore()))
  }
  for (const [name, check] of another === undefined ? [] : Object.entries(pairs)) {
    test(name, async () => {
      const store = await makeStore()
      await check(store, (await another?.(store)) as TokenStore)
    })
  }
  for (const [name, check] of disconnect === undefined ? [] : Object.entries(failures)) {
    test(name, async () => {
      const store = await makeStore()
      await store.create('grant:a', 'one', 60_000)
      await disconnect?.(store)
      await check(store)
    })
  }
}
