import assert from 'node:assert/strict'
import type { TokenStore } from '../store/token-store'

/** @internal What a store has to do, by what is said of it. */
export type Checks = Readonly<Record<string, (store: TokenStore) => Promise<void>>>

/** @internal Milliseconds. */
export const long = 60_000
/** @internal What the contract promises to a store: its longest lifetime, key and value. */
export const longest = { ttl: 34_560_000_000, key: 300, value: 256 * 1024 }

/** @internal */
export function hundred<T>(make: (i: number) => Promise<T>): Promise<T>[] {
  return Array.from({ length: 100 }, (_, i) => make(i))
}

/** @internal */
export function winners(won: readonly boolean[]): number {
  return won.filter(Boolean).length
}

/** @internal */
export function passed(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

/** @internal */
export async function gone(
  store: TokenStore,
  key: string,
  rule = 'a value must end with its lifetime',
): Promise<void> {
  const giveUpAt = performance.now() + 3_000
  while ((await store.get(key)) !== undefined) {
    assert.ok(performance.now() < giveUpAt, `${rule}: that of ${key} is three seconds late`)
    await passed(5)
  }
}
