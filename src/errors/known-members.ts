import { nearest } from './closest-match'
import { ConfigurationError } from './errors'

/**
 * Rejects members that would be ignored. One that is undefined counts as left out.
 *
 * @param owner what takes the object, such as `pagerduty()`
 * @param known the names of its members
 * @param instead what to use instead of names that are not known, but likely to be given
 * @param within what an error puts in front of the name, such as `session.`
 * @throws {ConfigurationError} names the first unknown member, and what may be meant
 */
export function requireKnown(
  owner: string,
  given: object,
  known: readonly string[],
  instead: Readonly<Record<string, string>> = {},
  within = '',
): void {
  const [unknown] =
    Object.entries(Object(given) as object).find(
      ([name, value]) => value !== undefined && !known.includes(name),
    ) ?? []
  if (unknown === undefined) return
  throw new ConfigurationError(
    within + unknown,
    `is not an option of ${owner}${Object.hasOwn(instead, unknown) ? '' : suggestion(unknown, known)}`,
    instead[unknown],
  )
}

/** For the end of a sentence about a name that is not known; empty where none is similar. */
export function suggestion(unknown: string, known: readonly string[]): string {
  const meant = nearest(unknown, known)
  return meant === undefined ? '' : `: did you mean "${meant}"?`
}

/**
 * Rejects members that look like misspelt ones. Others pass: apps give one object to the strategy and to what works with it.
 *
 * @throws {ConfigurationError} names the first such member, and what may be meant
 */
export function requireSpelling(owner: string, given: object, known: readonly string[]): void {
  const misspelt = Object.keys(given).filter((name) => nearest(name, known) !== undefined)
  requireKnown(owner, Object.fromEntries(misspelt.map((name) => [name, true])), known)
}

/** @throws {ConfigurationError} it is given, and of another type */
export function requireType(option: string, value: unknown, type: 'boolean' | 'function'): void {
  if (value === undefined || typeof value === type) return
  throw new ConfigurationError(option, type === 'boolean' ? 'must be true or false' : 'must be a function')
}
