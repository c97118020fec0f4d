import { findMember } from './accounts'
import type { Account } from './accounts'
import type { Fault } from './faults'
import { type Rule, requireOneOf, requireValue } from './rules'

/** Names of the options of a simulator that are no settings. */
const otherOptions = ['port', 'tls', 'clients', 'accounts']
const internalOptions = ['control', 'state']

/** The claims of an id_token before it is signed. */
export type Claims = Record<string, unknown>

/** What can be turned while the simulator runs: assign to `simulator.settings`. Lifetimes are in seconds, latencies in milliseconds. */
export interface Settings {
  /** The simulator's clock, in milliseconds since the epoch. @default Date.now */
  now: () => number
  /** Id of the user for whom the authorize endpoint consents at once, without a page. @default undefined */
  autoApprove?: string | undefined
  /** Seconds that an authorization code can be redeemed. @default 30 */
  codeLifetime: number
  /** Seconds that an access token is good. @default 86400 for Scoped, 2592000 for Classic */
  accessTokenLifetime?: number | undefined
  /** Seconds that a refresh token is good. @default 2592000 for Scoped, 18144000 for Classic */
  refreshTokenLifetime?: number | undefined
  /** Seconds from login after which no refresh succeeds. @default 31536000 for Scoped, 94608000 for Classic */
  rollingWindow?: number | undefined
  /** What the return of a used refresh token does: reject it, or also end everything that came of that login. @default 'revoke-family' */
  reuse: 'reject' | 'revoke-family'
  /** Seconds during which a used refresh token is still valid, with the same new pair. @default 0 */
  grace: number
  /** Whether a refresh ends the access token before it. @default false */
  revokeOldAccessToken: boolean
  /** Whether a refresh leaves out what the app is not configured with any more. Whether PagerDuty does is not known. @default false */
  refreshNarrows: boolean
  /** Whether a `nonce` of the authorization request comes back in the id_token. @default false */
  echoNonce: boolean
  /** Whether app tokens come with `id_token: null`, which is undocumented but was seen. @default true */
  nullIDToken: boolean
  /** Changes the id_token's claims before they are signed. @default undefined */
  idTokenClaims?: ((claims: Claims) => Claims) | undefined
  /** Milliseconds before the token endpoint responds; what the call changes is changed on arrival. @default 0 */
  tokenLatency: number
  /** Milliseconds before the REST API responds. @default 0 */
  apiLatency: number
  /** Decides for each token call whether and how it fails, after the faults queued by `failNext`. @default undefined */
  tokenFault?: ((grantType: string | undefined) => Fault | undefined) | undefined
  /** REST calls a minute for each client and user (or account, for an app token). PagerDuty has 960. @default undefined, no limit */
  rateLimit?: { limit: number } | undefined
}

/** Some of them; undefined means the default. */
export type GivenSettings = { [Name in keyof Settings]?: Settings[Name] | undefined }

/** Default and rule of each setting. */
type Table = { [Name in keyof Required<Settings>]: readonly [usual: Settings[Name], rule: Rule] }

function tableFor(accounts: readonly Account[]): Table {
  const isTime = (now: unknown) => typeof now === 'function' && Number.isFinite(now())
  const isUser = (id: unknown) => id === undefined || findMember(accounts, id as string) !== undefined
  const isLimit = (given: unknown) =>
    given === undefined || /^\d+$/.test(String((given as Settings['rateLimit'] | null)?.limit))
  const seconds = 'a number from 0 to 9999999999'
  const ifGiven = `${seconds} or undefined`
  // Longer ones end at once.
  const latency = 'a number from 0 to 2147483647'
  return {
    now: [() => Date.now(), [isTime, 'a function that returns milliseconds since the epoch']],
    autoApprove: [undefined, [isUser, 'the id of a user that "accounts" has']],
    codeLifetime: [30, seconds],
    accessTokenLifetime: [undefined, ifGiven],
    refreshTokenLifetime: [undefined, ifGiven],
    rollingWindow: [undefined, ifGiven],
    reuse: ['revoke-family', "'reject' or 'revoke-family'"],
    grace: [0, seconds],
    revokeOldAccessToken: [false, 'a boolean'],
    refreshNarrows: [false, 'a boolean'],
    echoNonce: [false, 'a boolean'],
    nullIDToken: [true, 'a boolean'],
    idTokenClaims: [undefined, 'a function or undefined'],
    tokenLatency: [0, latency],
    apiLatency: [0, latency],
    tokenFault: [undefined, 'a function or undefined'],
    rateLimit: [undefined, [isLimit, '{ limit }, calls a minute']],
  }
}

/** @internal */
export function resolveSettings(given: GivenSettings, accounts: readonly Account[]): Settings {
  const table = tableFor(accounts)
  const names = Object.keys(table)
  const ruleOf = (name: string) => table[name as keyof Settings][1]
  const settings = Object.fromEntries(
    Object.entries(table).map(([name, [usual]]) => [name, usual]),
  ) as unknown as Settings
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || [...otherOptions, ...internalOptions].includes(name)) continue
    requireOneOf([...names, ...otherOptions], name, 'startPagerDuty()')
    requireValue(name, value, ruleOf(name))
    Object.assign(settings, { [name]: value })
  }
  return new Proxy(settings, {
    set(current, name, value) {
      requireOneOf(names, String(name), 'settings')
      requireValue(`settings.${String(name)}`, value, ruleOf(String(name)))
      return Reflect.set(current, name, value)
    },
  })
}
