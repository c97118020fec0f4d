import type { ClientOptions } from '../oauth/client-options'
import { ConfigurationError } from '../errors/errors'
import { type OptionType, requireTypes } from '../errors/known-members'
import { clientOptionNames } from '../oauth/client-options'
import { type StoreOptions, storeOptionNames } from '../store/store-options'

/** How long a login lasts, in milliseconds. */
export interface SessionLifetimes {
  /** From its last use. @default 8 hours */
  idle?: number | undefined
  /** From the login, however much it is used. @default 30 days */
  absolute?: number | undefined
}

/** Options of `getAccessToken`. */
export interface GetAccessTokenOptions {
  /** Seconds for which the token must still be valid. @default 0 */
  minValidity?: number | undefined
  /** PagerDuty rejected the token: return another one. */
  forceRefresh?: boolean | undefined
}

/** What grants and app tokens share: the client, where grants are stored, and the secret that encrypts them. */
export interface GrantOptions extends ClientOptions, StoreOptions {
  /** How long logins last. */
  session?: SessionLifetimes | undefined
  /** Revoke the tokens at PagerDuty when a grant is ended. @default true */
  revokeOnLogout?: boolean | undefined
}

const table: Record<Exclude<keyof GrantOptions, keyof ClientOptions | keyof StoreOptions>, OptionType> = {
  session: 'object',
  revokeOnLogout: 'boolean',
}

/** @internal */
export const grantOptionNames = [...clientOptionNames, ...storeOptionNames, ...Object.keys(table)]

const hour = 60 * 60_000

/** The longest TTL of anything, in milliseconds: beyond the rolling window of a Scoped grant at PagerDuty (a year). */
export const longestLife = 400 * 24 * hour
/** Milliseconds that a new grant lives until a session presents it. */
export const unpresentedFor = 60_000

/** @throws {ConfigurationError} @internal */
export function resolveLifetimes(options: Pick<GrantOptions, 'session' | 'revokeOnLogout'>): {
  readonly idle: number
  /** `idle` where the option was given: it comes before the lifetime of a session cookie. */
  readonly givenIdle: number | undefined
  readonly absolute: number
} {
  requireTypes(options, table)
  const { session } = options
  return {
    idle: requireDuration('session.idle', session?.idle ?? 8 * hour),
    givenIdle: session?.idle,
    absolute: requireDuration('session.absolute', session?.absolute ?? 30 * 24 * hour),
  }
}

function requireDuration(option: string, value: unknown): number {
  if (typeof value === 'number' && value >= 1000 && value <= longestLife) return value
  throw new ConfigurationError(option, 'must be a number of milliseconds, at least 1000 and at most 400 days')
}
