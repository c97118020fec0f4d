import type { Pool, PoolConfig } from 'pg'
import { TokenStoreError } from '../../src'
import { poolOf } from './postgres'

const opened: (() => unknown)[] = []

/** Closes all that was opened with the test that opened it, the newest first. Once in a file, outside of its tests. */
export function closeAfterEach(): void {
  afterEach(async () => {
    for (const close of opened.splice(0).toReversed()) await close()
  })
}

export function closeLater(close: () => unknown): void {
  opened.push(close)
}

/** A pool as an app makes one, which may close it itself. */
export function userPool(url: string, config: PoolConfig = {}): Pool {
  const pool = poolOf(url, config)
  closeLater(() => pool.ended || pool.end())
  return pool
}

/** What a store's command rejects with. */
export async function failureOf(work: Promise<unknown>): Promise<Error & { hint?: string }> {
  const outcome = await work.catch((error: unknown) => error)
  expect(outcome).toBeInstanceOf(TokenStoreError)
  return outcome as Error
}
