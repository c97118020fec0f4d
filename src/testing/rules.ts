import { inspect } from 'node:util'

/** @internal Whether a value can work, and what to give where it cannot; or that alone, such as `a string or undefined`. */
export type Rule = string | readonly [fits: (value: unknown) => boolean, give: string]

/** @internal */
export type Rules<T> = { readonly [Name in keyof Required<T>]: Rule }

/**
 * @internal
 * @throws {TypeError} lists the names that `by` takes
 */
export function requireOneOf(known: readonly string[], given: string, by: string, within = ''): void {
  if (known.includes(given)) return
  throw new TypeError(`${by} does not know "${within}${given}": use ${known.join(', ')}`)
}

/**
 * @internal
 * @throws {TypeError} says what the value is, but not what an object has in it, which may be a secret
 */
export function requireValue(name: string, value: unknown, rule: Rule): void {
  const [fits, give] = typeof rule === 'string' ? [isOneOf, rule] : rule
  if (fits(value, give)) return
  const shown = inspect(value, { depth: Array.isArray(value) ? 0 : -1 })
  throw new TypeError(
    `"${name}" is ${/^(''|\[\])$/.test(shown) ? 'empty' : shown.slice(0, 99)}: give ${give}`,
  )
}

function isOneOf(value: unknown, kinds: string): boolean {
  return kinds.split(' or ').some((kind) => {
    const [least, most] = kind.match(/\d+/g) ?? []
    if (most === undefined) return kind === `a ${typeof value}` || kind === inspect(value)
    const isInside = typeof value === 'number' && value >= Number(least) && value <= Number(most)
    return isInside && (Number.isInteger(value) || !kind.includes('whole'))
  })
}

/**
 * @internal An unknown member that is undefined counts as left out.
 * @param name of the object, in front of those of its members; empty for options
 * @throws {TypeError} names what is not known, or cannot work
 */
export function requireMembers(by: string, given: object, rules: Record<string, Rule>, name = ''): void {
  const names = Object.keys(rules)
  const within = name && `${name}.`
  requireValue(name || 'options', given, [isObject, `{ ${names.join(', ')} }`])
  const members = given as Record<string, unknown>
  for (const [member, value] of Object.entries(members)) {
    if (value !== undefined) requireOneOf(names, member, by, within)
  }
  for (const member of names) requireValue(within + member, members[member], rules[member] as Rule)
}

/**
 * @internal
 * @param least how many there have to be
 */
export function requireEach(
  name: string,
  list: readonly object[],
  rules: Record<string, Rule>,
  least = 1,
): void {
  requireValue(name, list, [(value) => Array.isArray(value) && value.length >= least, 'a list of objects'])
  for (const [index, one] of list.entries())
    requireMembers('startPagerDuty()', one, rules, `${name}[${index}]`)
}

/** @internal */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** @internal */
export function isString(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/** @internal A string that no other object of the list has there. */
export function unique(list: readonly object[], name: string): Rule {
  const count = (value: unknown) =>
    list.filter((one) => (one as Record<string, unknown> | null)?.[name] === value).length
  return [(value) => isString(value) && count(value) < 2, 'a string that no other has']
}

/** @internal */
export const anything: Rule = [() => true, '']

/** @internal */
export function isURL(value: unknown): boolean {
  return URL.canParse(String(value))
}
