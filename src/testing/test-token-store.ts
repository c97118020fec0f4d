import type { TokenStore } from '../store/token-store'
import type { Checks } from './store-check'
import { lifetimes } from './store-lifetimes'
import { operations } from './store-operations'
import { strings } from './store-strings'

/** How the battery is run. */
export interface TokenStoreTestOptions {
  /** Declares a test. @default the global `test` of Jest, or of Vitest with `globals` */
  test?: ((name: string, run: () => Promise<void>) => unknown) | undefined
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

const checks: Checks = { ...operations, ...lifetimes, ...strings }
