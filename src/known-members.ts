import { nearest } from './closest-match'
import { ConfigurationError } from './errors'

/**
 * Rejects members that would be ignored.
 *
 * @param owner what takes the object, such as `pagerduty()`
 * @param known the names of its members
 * @param instead what to use instead of names that are not known, but likely to be given
 * @throws {ConfigurationError} names the first unknown member, and what may be meant
 */
export function requireKnown(
  owner: string,
  given: object,
  known: readonly string[],
  instead: Readonly<Record<string, string>> = {},
): void {
  const unknown = Object.keys(given).find((name) => !known.includes(name))
  if (unknown === undefined) return
  const meant = Object.hasOwn(instead, unknown) ? undefined : nearest(unknown, known)
  throw new ConfigurationError(
    unknown,
    `is not an option of ${owner}${meant === undefined ? '' : `: did you mean "${meant}"?`}`,
    instead[unknown],
  )
}
