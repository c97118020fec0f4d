import type { Client } from '../oauth/client'

const byName = new Map<string, Set<string>>()
const byInstance = new WeakMap<Client, Set<string>>()

/**
 * Registers the scopes of a guard when it is created.
 *
 * @param owner the instance that created the guard, or the instance's name where it was created without one
 */
export function registerGuardScopes(owner: Client | string, scopes: readonly string[]): void {
  const known = registeredBy(owner) ?? new Set()
  for (const scope of scopes) known.add(scope)
  if (typeof owner === 'string') byName.set(owner, known)
  else byInstance.set(owner, known)
}

/** All scopes that the guards of an instance name, and that a step-up may request. */
export function guardScopes(instance: Client): ReadonlySet<string> {
  return new Set([...(registeredBy(instance) ?? []), ...(registeredBy(instance.name) ?? [])])
}

function registeredBy(owner: Client | string): Set<string> | undefined {
  return typeof owner === 'string' ? byName.get(owner) : byInstance.get(owner)
}
