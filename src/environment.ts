import { ConfigurationError } from './errors/errors'
import type { PagerDutyOptions } from './options'

/** The environment variable of each option that has one. */
export const variables = {
  clientID: 'PAGERDUTY_CLIENT_ID',
  clientSecret: 'PAGERDUTY_CLIENT_SECRET',
  callbackURL: 'PAGERDUTY_CALLBACK_URL',
  trustedOrigins: 'PAGERDUTY_TRUSTED_ORIGINS',
  scope: 'PAGERDUTY_SCOPE',
  appType: 'PAGERDUTY_APP_TYPE',
  identityURL: 'PAGERDUTY_IDENTITY_URL',
  apiURL: 'PAGERDUTY_API_URL',
  mcpURL: 'PAGERDUTY_MCP_URL',
  issuer: 'PAGERDUTY_ISSUER',
  account: 'PAGERDUTY_ACCOUNT',
  accounts: 'PAGERDUTY_ACCOUNTS',
  from: 'PAGERDUTY_FROM',
  webhookSecret: 'PAGERDUTY_WEBHOOK_SECRET',
  secret: 'SESSION_SECRET',
  tokenStore: 'PAGERDUTY_TOKEN_STORE',
  redis: 'REDIS_URL',
} as const satisfies Partial<Record<keyof PagerDutyOptions, string>>

/** Lists in variables are separated by commas. */
const lists = new Set(['accounts', 'callbackURL', 'trustedOrigins', 'issuer', 'secret'])

/**
 * Two that exclude each other. An option set in code overrides the other's variable as well as its own: platforms set REDIS_URL
 * for anything that needs Redis. If both variables are set, it is unclear which one is meant, and they are rejected.
 */
const rivals: Readonly<Record<string, keyof PagerDutyOptions>> = { redis: 'tokenStore', tokenStore: 'redis' }

/** The options, with what they leave out taken from the environment. An empty variable counts as not set. */
export function withEnvironment(
  options: PagerDutyOptions,
  environment: Readonly<Record<string, string | undefined>>,
): PagerDutyOptions {
  const found: Record<string, unknown> = {}
  for (const [option, variable] of Object.entries(variables)) {
    const value = environment[variable]
    const given = [option as keyof PagerDutyOptions, rivals[option]]
    if (!value || given.some((name) => name !== undefined && options[name] !== undefined)) continue
    found[option] =
      lists.has(option) && value.includes(',') ? value.split(',').map((part) => part.trim()) : value
  }
  return { ...found, ...definedOf(options) }
}

/** An error about an option that is missing also names the variable that sets it. */
export function withVariable(error: unknown, options: object): unknown {
  const { option } = error as { option?: keyof typeof variables }
  const isMissing =
    error instanceof ConfigurationError && (options as Record<string, unknown>)[error.option] === undefined
  const variable = option === undefined ? undefined : variables[option]
  if (!isMissing || variable === undefined || error.hint?.includes(variable)) return error
  const message = error.message.replace(`"${error.option}" `, '')
  const hint = error.hint === undefined ? `Give it, or set ${variable}.` : `${error.hint} Or set ${variable}.`
  return new ConfigurationError(error.option, message, hint)
}

/** Options that are given: one that is there and undefined counts as left out, and hides no default. */
function definedOf<Options extends object>(options: Options | undefined): Partial<Options> {
  const given = Object.entries(options ?? {}).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as Partial<Options>
}
