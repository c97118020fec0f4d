import { ConfigurationError } from '../errors/errors'

/** The two kinds of OAuth functionality a PagerDuty app can have. */
export type AppType = 'scoped' | 'classic'

const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/**
 * Splits the `scope` of a token response. Only the space separates (RFC 6749 section 3.3): a value joined by
 * anything else stays one odd token, which matches nothing.
 * @internal
 */
export function parseGrantedScope(scope: string): readonly string[] {
  return [...new Set(scope.split(' ').filter((token) => token !== ''))]
}

/** Splits an option: a list, or a string separated by any whitespace. Duplicates are removed. @internal */
export function parseScopeOption(scope: string | readonly string[]): readonly string[] {
  const tokens = typeof scope === 'string' ? scope.split(/\s+/) : scope
  return [...new Set(tokens.filter((token) => token !== ''))]
}

/** Whether this is one scope token by the grammar of RFC 6749 section 3.3. @internal */
export function isScopeToken(token: unknown): token is string {
  return typeof token === 'string' && scopeToken.test(token)
}

/** A scope for a message. Anything that does not look like one may be a secret in the wrong place. @internal */
export function quoted(scope: string): string {
  return scope.split(/[.:]/).every(isWord) ? `"${scope}"` : 'something that does not look like a scope'
}

/** A secret without digits has letters of both cases, or is longer than any word of a scope. */
function isWord(part: string): boolean {
  return part.length <= 30 && /^([A-Z]?[a-z_]+|[A-Z]+)$/.test(part)
}

/** Whether a kind of app can be granted a scope: `read` and `write` belong to Classic User OAuth, all others to Scoped OAuth. @internal */
export function belongsTo(appType: AppType, scope: string): boolean {
  return scope === 'openid' || (scope === 'read' || scope === 'write') === (appType === 'classic')
}

/**
 * The required scopes that the granted ones do not cover, exactly and case-sensitively.
 *
 * In a Classic app `write` reads too (PagerDuty grants `write` without a `read` beside it). In a Scoped app nothing
 * covers anything else: `incidents.write` does not read incidents.
 * @internal
 */
export function missingScopes(
  granted: readonly string[],
  required: readonly string[],
  appType: AppType,
): readonly string[] {
  return required.filter(
    (scope) =>
      !granted.includes(scope) && !(appType === 'classic' && scope === 'read' && granted.includes('write')),
  )
}

/**
 * Checks a scope list against what the kind of app can be granted. PagerDuty leaves out an unknown scope without an error, so a
 * mix-up would show only as a 403 later.
 *
 * @param option the option's name, for the message
 * @internal
 */
export function requireScope(value: unknown, appType: AppType, option = 'scope'): readonly string[] {
  const isList = Array.isArray(value) && value.every((item) => typeof item === 'string')
  const scope = typeof value === 'string' || isList ? parseScopeOption(value as string | string[]) : []
  if (scope.length === 0) {
    throw new ConfigurationError(
      option,
      'is required: name the PagerDuty scopes to request, such as "incidents.read"',
    )
  }
  for (const token of scope) {
    if (!isScopeToken(token)) throw new ConfigurationError(option, 'has a character that no scope can have')
    if (token.startsWith('as_account-')) {
      throw new ConfigurationError(
        option,
        'has a scope that begins with as_account-, which belongs to app tokens; use the option "account"',
      )
    }
    if (!belongsTo(appType, token)) {
      throw new ConfigurationError(
        option,
        appType === 'scoped'
          ? `has ${quoted(token)}, which only Classic User OAuth knows; a Scoped app requests scopes such as "incidents.read"`
          : `has ${quoted(token)}, which only Scoped OAuth knows; a Classic app requests "read" or "write"`,
        'Check appType against the kind of OAuth functionality that the app has at PagerDuty.',
      )
    }
  }
  return scope
}
