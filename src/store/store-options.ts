import type { WaitUntil } from '../async/background'
import { ConfigurationError } from '../errors'
import { KeyRing } from './encryption'
import type { TokenStore } from './token-store'

/** Where state is kept, and the secret that seals it. */
export interface StoreOptions {
  /** Where grants are kept. Parts that are to see each other's grants need the same one. @default in memory */
  tokenStore?: TokenStore | undefined
  /** 32 random characters or more; the first of a list seals, all of them open. @default random, refused in production */
  secret?: string | readonly string[] | undefined
  /**
   * Is given a promise of what goes on after an answer: refreshes, revocations, webhook handlers. For platforms that freeze a
   * process between requests. The promises never reject.
   */
  waitUntil?: WaitUntil | undefined
}

/** @throws {ConfigurationError} */
export function resolveSecret({ secret, tokenStore }: StoreOptions): KeyRing {
  if (secret !== undefined) return new KeyRing(secret)
  if (process.env['NODE_ENV'] !== 'production' && tokenStore === undefined) return KeyRing.random()
  throw new ConfigurationError(
    'secret',
    'is required in production and with a token store: other processes could not open what this one seals',
    'Supply SESSION_SECRET, 32 random characters or more, the same for every process.',
  )
}
