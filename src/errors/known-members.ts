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

const words = {
  boolean: 'true or false',
  function: 'a function',
  string: 'a string',
  list: 'a list of strings',
  object: 'an object',
}

/** The types that an option may have; `true` where something else checks it. */
export type OptionType = true | keyof typeof words | readonly (keyof typeof words)[]

/** @throws {ConfigurationError} it is given, and of another type */
export function requireType(option: string, value: unknown, type: OptionType): void {
  if (value === undefined || type === true) return
  const types = typeof type === 'string' ? [type] : type
  if (types.some((each) => isOf(each, value))) return
  throw new ConfigurationError(option, `must be ${types.map((each) => words[each]).join(', or ')}`)
}

/**
 * Checks each option of a table.
 *
 * @param within what an error puts in front of the name, such as `session.`
 * @throws {ConfigurationError} names the first that is of another type
 */
export function requireTypes(given: object, table: Readonly<Record<string, OptionType>>, within = ''): void {
  for (const [name, type] of Object.entries(table))
    requireType(within + name, (given as Record<string, unknown>)[name], type)
}

function isOf(type: keyof typeof words, value: unknown): boolean {
  if (type === 'list') return Array.isArray(value) && value.every((item) => typeof item === 'string')
  // Of a list, a Map, Headers or a URL no member would count.
  if (type === 'object') return Object.prototype.toString.call(value) === '[object Object]'
  return typeof value === type
}
