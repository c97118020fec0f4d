import type { WaitUntil } from '../async/background'
import { ConfigurationError } from '../errors/errors'
import { type OptionType, requireTypes } from '../errors/known-members'
import { KeyRing } from './encryption'
import type { TokenStore } from './token-store'

/** Where state is stored, and the secret that encrypts it. */
export interface StoreOptions {
  /** Where grants are stored. Parts need the same store to see each other's grants. @default in memory */
  tokenStore?: TokenStore | undefined
  /** 32 random characters or more; the first of a list encrypts, all of them decrypt. @default random, rejected in production */
  secret?: string | readonly string[] | undefined
  /**
   * Gets a promise of each piece of work that goes on after a response: refreshes, revocations, webhook handlers. For platforms
   * that freeze a process between requests. The promises never reject.
   */
  waitUntil?: WaitUntil | undefined
}

const table: Record<keyof StoreOptions, OptionType> = {
  tokenStore: true,
  secret: true,
  waitUntil: 'function',
}

/** @internal */
export const storeOptionNames: readonly string[] = Object.keys(table)

/** @throws {ConfigurationError} @internal */
export function requireStoreTypes(options: StoreOptions): void {
  requireTypes(options, table)
}

/** @throws {ConfigurationError} @internal */
export function resolveSecret({ secret, tokenStore }: StoreOptions): KeyRing {
  if (secret !== undefined) return new KeyRing(secret)
  if (process.env['NODE_ENV'] !== 'production' && tokenStore === undefined) return KeyRing.random()
  throw new ConfigurationError(
    'secret',
    'is required in production, and with REDIS_URL or any other store than memory: other processes could not decrypt what this one encrypts',
    'Supply SESSION_SECRET, 32 random characters or more, the same for every process.',
  )
}
