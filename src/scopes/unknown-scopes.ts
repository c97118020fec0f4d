import { ConfigurationError } from '../errors/errors'
import { type AppType, quoted } from './scope'
import { isKnownScope, nearestScope } from './operations'

/**
 * Warns once of each unknown scope, and suggests the closest name. PagerDuty leaves out such a scope without an error.
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
  const warned = new Set<string>(['openid', ...allowed])
  return (option, scopes) => {
    if (appType === 'classic') return
    for (const scope of scopes.filter((one) => !isKnownScope(one) && !warned.has(one))) {
      warned.add(scope)
      const nearest = nearestScope(scope)
      warn(
        `"${option}" names ${quoted(scope)}, which is no scope of PagerDuty’s that this package knows` +
          `${nearest === undefined ? '.' : `; did you mean "${nearest}"?`} PagerDuty would leave it out without an error. ` +
          `If PagerDuty has added it, name it in "extraScopes".`,
      )
    }
  }
}
