import { isKnownScope, nearestScope, scopes } from '../scopes/operations'
import { isScopeToken, quoted } from '../scopes/scope'
import type { Configuration } from './configuration'
import { type Finding, error, note, ok, warning } from './finding'

/** The kind of app against the scopes, and each scope against what PagerDuty has. */
export function checkScopes({ client, has, given }: Configuration): Finding[] {
  const { appType, scope } = client
  if (!has('scope')) return appType === 'classic' ? [] : otherScopes(String(given.scope ?? ''))
  const findings = [...misplacedAccount(appType, has('account'))]
  if (appType === 'classic') findings.push(...classicNotes(scope))
  else findings.push(...scope.flatMap(unknownScope), ...scope.flatMap(oddScope))
  const isFine = findings.every(({ level }) => level === 'note')
  return isFine ? [...findings, ok('scopes', `A ${appType} app can have ${scope.join(' ')}`)] : findings
}

/** What is rejected for one scope may have others. */
function otherScopes(scope: string): Finding[] {
  const named = scope
    .split(/\s+/)
    .filter((one) => isScopeToken(one) && !/^(read$|write$|as_account-)/.test(one))
  return named.flatMap(unknownScope)
}

function misplacedAccount(appType: string, hasAccount: boolean): Finding[] {
  if (appType === 'scoped' || !hasAccount) return []
  return [
    warning(
      'account',
      'PAGERDUTY_ACCOUNT is set, but PagerDuty gives app tokens to Scoped apps only',
      'Remove it, or register an app with Scoped OAuth for server-to-server work.',
    ),
  ]
}

function classicNotes(scope: readonly string[]): Finding[] {
  if (!scope.includes('read') || !scope.includes('write')) return []
  return [note('scopes', 'A Classic grant never shows both: "write" covers "read"', 'Request "write" alone.')]
}

function unknownScope(scope: string): Finding[] {
  if (scope === 'openid' || isKnownScope(scope)) return []
  if (scope.includes(',')) {
    return [
      error(
        'scopes',
        'PAGERDUTY_SCOPE has scopes joined by a comma, which PagerDuty takes for one scope',
        'Separate scopes by spaces, not by commas.',
      ),
    ]
  }
  const near = nearestScope(scope)
  return [
    warning(
      'scopes',
      `PAGERDUTY_SCOPE has ${quoted(scope)}, which is no scope that this package knows; PagerDuty would leave it out without an error`,
      `${near === undefined ? 'Check its spelling.' : `Did you mean "${near}"?`} If PagerDuty has added it, name it in the option extraScopes.`,
    ),
  ]
}

function oddScope(scope: string): Finding[] {
  const text = isKnownScope(scope) ? scopes[scope].note : undefined
  return text === undefined ? [] : [note('scopes', `${scope}: ${text}`)]
}
