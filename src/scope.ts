/** The two kinds of OAuth functionality a PagerDuty app can have. */
export type AppType = 'scoped' | 'classic'

const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/**
 * Splits the `scope` of a token response. Only the space separates (RFC 6749 section 3.3): a value joined by
 * anything else stays one odd token, which matches nothing.
 */
export function parseGrantedScope(scope: string): readonly string[] {
  return [...new Set(scope.split(' ').filter((token) => token !== ''))]
}

/** Splits what a developer wrote: a list, or a text in which any white space separates. Duplicates go. */
export function parseScopeOption(scope: string | readonly string[]): readonly string[] {
  const tokens = typeof scope === 'string' ? scope.split(/\s+/) : scope
  return [...new Set(tokens.filter((token) => token !== ''))]
}

/** Whether the text is one scope token by the grammar of RFC 6749 section 3.3. */
export function isScopeToken(token: unknown): token is string {
  return typeof token === 'string' && scopeToken.test(token)
}

/** A scope for a message. What does not look like the name of one may be a secret in the wrong place. */
export function quoted(scope: string): string {
  return /^[a-z_.:-]{1,64}$/i.test(scope) ? `"${scope}"` : 'something that does not look like a scope'
}

/** Whether a kind of app can be granted a scope: `read` and `write` belong to Classic User OAuth, all others to Scoped OAuth. */
export function belongsTo(appType: AppType, scope: string): boolean {
  return scope === 'openid' || (scope === 'read' || scope === 'write') === (appType === 'classic')
}

/**
 * The required scopes that the granted ones do not cover, exactly and case-sensitively.
 *
 * In a Classic app `write` reads too (PagerDuty grants `write` without a `read` beside it). In a Scoped app nothing
 * covers anything else: `incidents.write` does not read incidents.
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
