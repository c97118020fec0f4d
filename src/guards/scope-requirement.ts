import { ConfigurationError, InsufficientScopeError } from '../errors/errors'
import { requireKnown, requireTypes } from '../errors/known-members'
import { type GuardOptions, type OperationGuardOptions, type ScopeName, guardOptions } from './guard-options'
import { sameOriginPath } from '../http/request-url'
import type { UserGrant } from '../grants/user-grant'
import { operationOf, operationScopes } from '../scopes/operations'
import { type AppType, belongsTo, isScopeToken, requireScope } from '../scopes/scope'

/**
 * Checks a grant against the scopes that a guard names.
 *
 * @param isAny whether one of them is enough
 * @throws {InsufficientScopeError}
 * @throws {ConfigurationError} a scope belongs to the other kind of app, and can never be granted
 */
export function requireGranted(
  grant: Pick<UserGrant, 'appType' | 'missing'>,
  required: readonly string[],
  { isAny = false } = {},
): void {
  const { appType } = grant
  if (!required.every((scope) => belongsTo(appType, scope))) requireScope(required, appType, 'scopes')
  const missing = grant.missing(...required)
  const isEnough = isAny ? missing.length < required.length : missing.length === 0
  if (!isEnough) throw new InsufficientScopeError(required, missing, { isAny })
}

/**
 * What operations need, in each kind of app.
 *
 * @param declared scopes of operations that declare none, or instead of what they declare
 * @throws {ConfigurationError} an operation is unknown, or has no scope
 */
export function scopesOfOperations(
  names: readonly string[],
  declared: OperationGuardOptions['scopes'] = {},
): Record<AppType, readonly string[]> {
  if (names.length === 0)
    throw new ConfigurationError('operations', 'of a guard must be one or more, such as "GET /incidents"')
  const needs = names.map((name): Record<AppType, readonly string[]> => {
    const operation = operationOf(name)
    const named: readonly ScopeName[] = [(operation && declared[operation]) ?? []].flat()
    if (named.length > 0) return { scoped: named, classic: named }
    const scopes = operation && operationScopes[operation]
    if (scopes) return { scoped: scopes, classic: [operation.startsWith('GET ') ? 'read' : 'write'] }
    throw new ConfigurationError(
      'operations',
      operation === undefined
        ? `of a guard: "${name}" is no operation of PagerDuty’s API that this package knows`
        : `of a guard: "${name}" declares no scope, which does not mean that it needs none`,
      `Name one: requireScopesFor('${name}', { scopes: { '${operation ?? name}': 'incidents.read' } }), or use requireScopes().`,
    )
  })
  return {
    scoped: [...new Set(needs.flatMap(({ scoped }) => scoped))],
    classic: [...new Set(needs.flatMap(({ classic }) => classic))],
  }
}

/**
 * Splits the arguments of a guard into names and options, which may come last. Anything else is rejected: ignoring it would open
 * the route.
 *
 * @throws {ConfigurationError}
 */
export function splitArguments<Options extends object>(
  args: readonly (string | Options)[],
  overlooked?: readonly string[],
): { names: readonly string[]; options: Partial<Options> } {
  const last = args.at(-1)
  const hasOptions = typeof last === 'object' && last !== null && !Array.isArray(last)
  const names = hasOptions ? args.slice(0, -1) : args
  if (!names.every((name) => typeof name === 'string' && name !== '')) throw notNames()
  if (hasOptions) requireOptions(last, overlooked)
  return { names: names as string[], options: hasOptions ? last : {} }
}

/**
 * Rejects scopes where the guard would ignore them, and so open the route.
 *
 * @throws {ConfigurationError}
 */
export function requireOptions(options: unknown, overlooked: readonly string[] = ['scope', 'scopes']): void {
  const hint = "Name the scopes as arguments of another guard: requireScopes('incidents.read')."
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new ConfigurationError('options', 'of a guard must be an object', hint)
  for (const [member, value] of Object.entries(options)) {
    if (value !== undefined && overlooked.includes(member))
      throw new ConfigurationError(member, 'is no option of this guard', hint)
  }
  requireKnown('a guard', options, Object.keys(guardOptions))
  requireTypes(options, guardOptions)
  const { loginPath } = options as GuardOptions
  if (loginPath !== undefined && sameOriginPath(loginPath) === undefined)
    throw new ConfigurationError('loginPath', 'must be a path of the app, such as "/auth/pagerduty"')
}

/** @throws {ConfigurationError} there is none, or one that no scope can be */
export function requireScopeNames(names: readonly string[]): void {
  if (names.length === 0 || !names.every(isScopeToken)) throw notNames()
}

function notNames(): ConfigurationError {
  return new ConfigurationError('scopes', 'of a guard must be one or more scopes, such as "incidents.read"')
}
