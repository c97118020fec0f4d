import { ConfigurationError } from '../errors'
import { type AppType, quoted } from './scope'
import { isKnownScope, nearestScope } from './operations'

/**
 * Says of each scope that PagerDuty is not known to have what is likely meant. PagerDuty answers such a scope with a quietly
 * smaller grant. Each is told once.
 *
 * @param allowed scopes that PagerDuty may have added since
 * @throws {ConfigurationError} `extraScopes` is no list
 */
export function unknownScopeWarner(
  appType: AppType,
  allowed: readonly string[],
  warn: (message: string) => void,
): (option: string, scopes: readonly string[]) => void {
  if (!Array.isArray(allowed)) throw new ConfigurationError('extraScopes', 'must be a list of scopes')
  const told = new Set<string>(['openid', ...allowed])
  return (option, scopes) => {
    if (appType === 'classic') return
    for (const scope of scopes.filter((one) => !isKnownScope(one) && !told.has(one))) {
      told.add(scope)
      const nearest = nearestScope(scope)
      warn(
        `"${option}" names ${quoted(scope)}, which is no scope of PagerDuty’s that this package knows` +
          `${nearest === undefined ? '.' : `; did you mean "${nearest}"?`} PagerDuty would leave it out without an error. ` +
          `If PagerDuty has added it, name it in "extraScopes".`,
      )
    }
  }
}
