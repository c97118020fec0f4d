const named = new Map<string, Set<string>>()

/** Notes the scopes that a guard of an instance names, as it is made. */
export function nameScopes(instance: string, scopes: readonly string[]): void {
  const known = named.get(instance) ?? new Set()
  for (const scope of scopes) known.add(scope)
  named.set(instance, known)
}

/** All scopes that the guards of an instance name: what its users may be asked for step by step. */
export function namedScopes(instance: string): ReadonlySet<string> {
  return named.get(instance) ?? new Set()
}
