import type { WaitUntil } from './background'
import type { ClientOptions } from './client'
import { ConfigurationError } from './errors'
import { KeyRing } from './seal'
import type { TokenStore } from './token-store'

/** How long a login lasts, in milliseconds. */
export interface SessionLifetimes {
  /** From its last use. @default 8 hours */
  idle?: number | undefined
  /** From the login, however much it is used. @default 30 days */
  absolute?: number | undefined
}

/** What the parts share: the client, where grants are kept, and the secret that seals them. */
export interface GrantOptions extends ClientOptions {
  /** Where grants are kept. Parts that are to see each other's grants need the same one. @default in memory */
  tokenStore?: TokenStore | undefined
  /** 32 random characters or more; the first of a list seals, all of them open. @default random, refused in production */
  secret?: string | readonly string[] | undefined
  /** How long logins last. */
  session?: SessionLifetimes | undefined
  /** Revoke the tokens at PagerDuty when a grant is ended. @default true */
  revokeOnLogout?: boolean | undefined
  /**
   * Is given a promise of what goes on after an answer: refreshes, revocations, webhook handlers. For platforms that freeze a
   * process between requests. The promises never reject.
   */
  waitUntil?: WaitUntil | undefined
}

const hour = 60 * 60_000

/** Longest life of anything kept, in milliseconds: beyond the rolling window of a Scoped grant at PagerDuty (a year). */
export const longestLife = 400 * 24 * hour

/** @throws {ConfigurationError} */
export function resolveLifetimes({ session }: GrantOptions): {
  readonly idle: number
  readonly absolute: number
} {
  return {
    idle: requireDuration('session.idle', session?.idle ?? 8 * hour),
    absolute: requireDuration('session.absolute', session?.absolute ?? 30 * 24 * hour),
  }
}

/** @throws {ConfigurationError} */
export function resolveSecret({ secret, tokenStore }: Pick<GrantOptions, 'secret' | 'tokenStore'>): KeyRing {
  if (secret !== undefined) return new KeyRing(secret)
  if (process.env['NODE_ENV'] !== 'production' && tokenStore === undefined) return KeyRing.random()
  throw new ConfigurationError(
    'secret',
    'is required in production and with a token store: other processes could not open what this one seals',
    'Supply SESSION_SECRET, 32 random characters or more, the same for every process.',
  )
}

function requireDuration(option: string, value: unknown): number {
  if (typeof value === 'number' && value >= 1000 && value <= longestLife) return value
  throw new ConfigurationError(option, 'must be a number of milliseconds, at least 1000 and at most 400 days')
}
