import type { RequestHandler } from 'express'
import { requireStepUpScope } from '../login/strategy-options'
import type { Client } from '../oauth/client'
import type { Operation } from '../scopes/catalogue'
import { requireScope } from '../scopes/scope'
import type { GuardOptions, OperationGuardOptions, ScopeName } from './guard-options'
import { sameOriginGuard } from './require-same-origin'
import { requireLogin, operationGuard, scopeGuard } from './require-scopes'
import { requireOptions, scopesOfOperations, splitArguments } from './scope-requirement'

/**
 * The guards of one instance.
 *
 * @param defaults what its guards take where a call leaves it out
 * @param warnOfUnknown warns of scopes that PagerDuty does not know, by the name of the option they come from
 */
export function createGuards(
  client: Client,
  defaults: GuardOptions,
  warnOfUnknown: (option: string, scopes: readonly string[]) => void,
) {
  const { home, onError, events } = defaults
  const withDefaults = <Options extends GuardOptions>(own: Options): Options => {
    const given = Object.entries(own).filter(([, value]) => value !== undefined)
    // A guard may be for the login of another instance, which has another path and may request other scopes.
    const isOwn = own.name === undefined || own.name === client.name
    const base = isOwn ? defaults : { home, onError, events }
    return { ...base, ...Object.fromEntries(given) } as Options
  }
  const checked = <Options extends GuardOptions>(own: Options, scopes: readonly string[]): Options => {
    requireScope(scopes, client.appType, 'scopes')
    requireStepUpScope(own.stepUpScope, client.appType)
    warnOfUnknown('requireScopes', scopes)
    warnOfUnknown('stepUpScope', own.stepUpScope ?? [])
    return withDefaults(own)
  }
  const scopes =
    (mode?: { isAny: boolean }) =>
    (...args: readonly (ScopeName | GuardOptions)[]): RequestHandler => {
      const { names, options } = splitArguments<GuardOptions>(args)
      return scopeGuard(names, checked(options, names), mode, client)
    }
  return {
    requireSameOrigin: (): RequestHandler => sameOriginGuard(client.origins, { home, onError }),
    requireLogin(own: GuardOptions = {}): RequestHandler {
      requireOptions(own)
      return requireLogin(withDefaults(own))
    },
    requireScopes: scopes(),
    requireAnyScope: scopes({ isAny: true }),
    requireScopesFor(...args: readonly (Operation | OperationGuardOptions)[]): RequestHandler {
      const { names, options } = splitArguments<OperationGuardOptions>(args, ['scope'])
      const needed = scopesOfOperations(names, options.scopes)[client.appType]
      return operationGuard(names, checked(options, needed), client)
    },
  }
}
