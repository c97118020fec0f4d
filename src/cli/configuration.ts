import { randomBytes } from 'node:crypto'
import { parseAccount, requireFrom } from '../app-tokens/account'
import { requireAccounts } from '../login/allowed-accounts'
import { Client } from '../oauth/client'
import type { ClientOptions } from '../oauth/client-options'
import { variables, withEnvironment } from '../environment'
import { ConfigurationError } from '../errors/errors'
import { resolveSecret } from '../store/store-options'
import { MemoryTokenStore } from '../store/memory-token-store'
import type { PagerDutyOptions } from '../options'
import { requireOneStore } from '../store/open-store'
import { requireRedisURL } from '../store/connect-redis'
import { type StoreKind, sqlitePathOf, storeKindOf } from '../store/store-url'
import { secretSource } from '../webhooks/secrets'
import { type Finding, error, note, ok } from './finding'
import type { Environment } from './variables'

/** What is looked at: the options as the app takes them from its environment. */
export interface Configuration {
  readonly environment: Environment
  /** As the environment has them. */
  readonly given: PagerDutyOptions
  /** Options that the library rejects are replaced with valid ones, so that the others can be checked. */
  readonly options: PagerDutyOptions
  readonly client: Client
  readonly store: { readonly kind: StoreKind; readonly url: string }
  /** Whether an option is there, and is not one that was replaced. */
  has: (option: keyof typeof variables) => boolean
  /** Whether an option was replaced. */
  isRefused: (option: keyof typeof variables) => boolean
  readonly isProduction: boolean
}

const checks = {
  clientID: 'client-id',
  clientSecret: 'client-secret',
  callbackURL: 'callback-url',
  trustedOrigins: 'trusted-origins',
  scope: 'scope',
  appType: 'app-type',
  identityURL: 'identity-url',
  apiURL: 'api-url',
  mcpURL: 'mcp-url',
  issuer: 'issuer',
  account: 'account',
  accounts: 'accounts',
  from: 'from',
  webhookSecret: 'webhook-secret',
  secret: 'session-secret',
  redis: 'redis-url',
  tokenStore: 'token-store',
} as const satisfies Record<keyof typeof variables, string>

const app = 'https://app.example.com'
const own = 'Remove it: PagerDuty’s own is the default.'
/** What to do about an option whose error has no hint. */
const remedies: Partial<Record<keyof typeof variables, string>> = {
  callbackURL: `Use the redirect URL that is registered at PagerDuty, such as ${app}/auth/pagerduty/callback or, on this machine, http://localhost:3000/auth/pagerduty/callback.`,
  scope: 'Remove or replace that scope; spaces separate scopes.',
  appType: 'Use the kind of OAuth functionality that the app has at PagerDuty; scoped is the default.',
  identityURL: own,
  apiURL: own,
  issuer: own,
  redis: 'Use a URL such as redis://user:password@host:6379/0.',
}

/** Everything that the library would reject, and not only the first of it: what is rejected is replaced, and tried again. */
export function readConfiguration(
  environment: Environment,
  hint: string,
): { configuration: Configuration; findings: readonly Finding[] } {
  const given = withEnvironment({}, environment)
  const refused = new Map<string, readonly ConfigurationError[]>()
  let options = given
  for (;;) {
    const outcome = attempt(options)
    if (outcome instanceof Client) {
      const configuration: Configuration = {
        environment,
        given,
        options,
        client: outcome,
        store: storeOf(options),
        has: (option) => given[option] !== undefined && !refused.has(option),
        isRefused: (option) => refused.has(option),
        isProduction: environment['NODE_ENV'] === 'production',
      }
      return { configuration, findings: findingsOf(given, [...refused.values()].flat(), hint) }
    }
    const option = outcome.option as keyof typeof variables
    if (refused.has(option)) throw outcome
    refused.set(option, faultsOf(option, options, outcome))
    options = { ...options, [option]: soundValue(option, options) }
  }
}

/** Each entry of a list has its own fault, if the list as a whole is not the fault. */
function faultsOf(
  option: keyof typeof variables,
  options: PagerDutyOptions,
  first: ConfigurationError,
): ConfigurationError[] {
  const entries: unknown = options[option]
  if (!Array.isArray(entries)) return [first]
  const faults = entries.flatMap((entry, at) => {
    const fault = attempt({ ...options, [option]: [entry] })
    if (fault instanceof Client || fault.option !== option) return []
    const place = `(entry ${at + 1} of ${entries.length}) `
    return [new ConfigurationError(option, fault.message.replace(`"${option}" `, place), fault.hint)]
  })
  return faults.length > 0 ? faults : [first]
}

/** As far as a start can fail for what stands in the environment. */
function attempt(options: PagerDutyOptions): Client | ConfigurationError {
  try {
    const client = new Client(options as ClientOptions)
    const { secret, account, accounts, from, webhookSecret } = options
    const { kind } = storeOf(options)
    resolveSecret({ secret, tokenStore: kind === 'memory' ? undefined : new MemoryTokenStore() })
    if (account !== undefined) parseAccount(account)
    requireAccounts(accounts)
    requireFrom(from)
    if (webhookSecret !== undefined) secretSource(webhookSecret)
    return client
  } catch (failure) {
    if (failure instanceof ConfigurationError) return failure
    throw failure
  }
}

/** @throws {ConfigurationError} */
function storeOf({ tokenStore, redis }: PagerDutyOptions): Configuration['store'] {
  requireOneStore(tokenStore, redis)
  if (redis !== undefined) requireRedisURL(redis as string)
  const url = (tokenStore ?? redis ?? 'memory:') as string
  const kind = storeKindOf(url)
  if (kind === 'redis') requireRedisURL(url, 'tokenStore')
  if (kind === 'sqlite') sqlitePathOf(url)
  return { kind, url }
}

function soundValue(option: keyof typeof variables, { scope, appType }: PagerDutyOptions): unknown {
  switch (option) {
    case 'clientID':
    case 'clientSecret':
      return 'unknown'
    case 'callbackURL':
      return 'http://localhost/auth/pagerduty/callback'
    case 'scope':
      return appType === 'classic' ? 'read' : 'openid'
    case 'appType':
      return /(^|\s)(read|write)(\s|$)/.test(String(scope)) ? 'classic' : 'scoped'
    case 'secret':
      return randomBytes(32).toString('base64url')
    default:
      return undefined
  }
}

function findingsOf(
  given: PagerDutyOptions,
  refused: readonly ConfigurationError[],
  hint: string,
): Finding[] {
  const findings = refused.map((failure) => {
    const option = failure.option as keyof typeof variables
    const variable = variables[option]
    // The README sets it in code, where only the app sees it.
    if (option === 'scope' && given.scope === undefined) {
      return note(
        'scope',
        'PAGERDUTY_SCOPE is not set; scopes that the code names are not seen here',
        'Name them with --scope "incidents.read users.read" to have them checked.',
      )
    }
    const rest = failure.message.replace(`"${option}" `, '')
    return given[option] === undefined
      ? error(
          checks[option],
          `${variable} is not set; it ${rest}`,
          (failure.hint ?? remedies[option] ?? `Set ${variable}.`) + hint,
        )
      : error(
          checks[option],
          `${variable} ${rest}`,
          failure.hint ?? remedies[option] ?? `Set ${variable} to another value, or remove it.`,
        )
  })
  if (findings.some(({ level }) => level === 'error')) return findings
  return [...findings, ok('options', 'Nothing that the package needs is missing or contradictory')]
}
