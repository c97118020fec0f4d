import type { Client } from '../oauth/client'

const byName = new Map<string, Set<string>>()
const byInstance = new WeakMap<Client, Set<string>>()

/**
 * Notes the scopes that a guard names, as it is made.
 *
 * @param owner the instance that made the guard, or for a guard that was made without one, the instance's name
 */
export function registerGuardScopes(owner: Client | string, scopes: readonly string[]): void {
  const known = registeredBy(owner) ?? new Set()
  for (const scope of scopes) known.add(scope)
  if (typeof owner === 'string') byName.set(owner, known)
  else byInstance.set(owner, known)
}

/** All scopes that the guards of an instance name: what its users may be asked for step by step. */
export function guardScopes(instance: Client): ReadonlySet<string> {
  return new Set([...(registeredBy(instance) ?? []), ...(registeredBy(instance.name) ?? [])])
}

function registeredBy(owner: Client | string): Set<string> | undefined {
  return typeof owner === 'string' ? byName.get(owner) : byInstance.get(owner)
}
