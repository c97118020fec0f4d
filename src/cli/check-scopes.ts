import { otherScopes, scopes } from '../scopes/catalogue'
import { isKnownScope, nearestScope } from '../scopes/operations'
import type { Configuration } from './configuration'
import { type Finding, error, note, ok, warning } from './finding'

/** The kind of app against the scopes, and each scope against what PagerDuty has. */
export function checkScopes({ client, has }: Configuration): Finding[] {
  const { appType, scope } = client
  if (!has('scope')) return []
  const findings = [...misplacedAccount(appType, has('account'))]
  if (appType === 'classic') findings.push(...classicNotes(scope))
  else findings.push(...scope.flatMap(unknownScope), ...scope.flatMap(oddScope))
  const isFine = findings.every(({ level }) => level === 'note')
  return isFine ? [...findings, ok('scopes', `A ${appType} app can have ${scope.join(' ')}`)] : findings
}

function misplacedAccount(appType: string, hasAccount: boolean): Finding[] {
  if (appType === 'scoped' || !hasAccount) return []
  return [
    warning(
      'account',
      'PAGERDUTY_ACCOUNT is set, but PagerDuty gives app tokens to Scoped apps only',
      'Take it away, or register an app with Scoped OAuth for server-to-server work.',
    ),
  ]
}

function classicNotes(scope: readonly string[]): Finding[] {
  if (!scope.includes('read') || !scope.includes('write')) return []
  return [note('scopes', 'A Classic grant never shows both: "write" covers "read"', 'Ask for "write" alone.')]
}

function unknownScope(scope: string): Finding[] {
  if (scope === 'openid' || isKnownScope(scope)) return []
  if (scope.includes(',')) {
    return [
      error(
        'scopes',
        `PAGERDUTY_SCOPE has "${scope}", which PagerDuty takes for one scope`,
        'Separate scopes by spaces, not by commas.',
      ),
    ]
  }
  const near = nearestScope(scope)
  return [
    warning(
      'scopes',
      `PAGERDUTY_SCOPE has "${scope}", which is no scope that this package knows; PagerDuty would leave it out without an error`,
      `${near === undefined ? 'Check its spelling.' : `Did you mean "${near}"?`} If PagerDuty has added it, name it in the option extraScopes.`,
    ),
  ]
}

function oddScope(scope: string): Finding[] {
  const all: Readonly<Record<string, { access: string; note?: string }>> = { ...scopes, ...otherScopes }
  const text = all[scope]?.note
  return text === undefined ? [] : [note('scopes', `${scope}: ${text}`)]
}
