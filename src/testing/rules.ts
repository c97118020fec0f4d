import { inspect } from 'node:util'

/** @internal Whether a value can work, and what to give where it cannot. */
export type Rule = readonly [fits: (value: unknown) => boolean, give: string]

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
export function requireValue(name: string, value: unknown, [fits, give]: Rule): void {
  if (fits(value)) return
  const shown = inspect(value, { depth: Array.isArray(value) ? 0 : -1 })
  throw new TypeError(
    `"${name}" is ${/^(''|\[\])$/.test(shown) ? 'empty' : shown.slice(0, 99)}: give ${give}`,
  )
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

/** @internal */
export function optional([fits, give]: Rule): Rule {
  return [(value) => value === undefined || fits(value), give]
}

/** @internal */
export function listOf(fits: Rule[0], give: string): Rule {
  return [(value) => Array.isArray(value) && value.every(fits), give]
}

/** @internal */
export function oneOf(...values: string[]): Rule {
  return [(value) => values.includes(value as string), `'${values.join("' or '")}'`]
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number'
}

/** @internal */
export function between(least: number, most: number, what: string, type: Rule[0] = isNumber): Rule {
  const fits: Rule[0] = (value) => type(value) && (value as number) >= least && (value as number) <= most
  return [fits, `${what} from ${least} to ${most}`]
}

/** @internal */
export function whole(least: number, most: number): Rule {
  return between(least, most, 'a whole number', Number.isInteger)
}

/** @internal A string that no other object of the list has there. */
export function unique(list: readonly object[], name: string): Rule {
  const count = (value: unknown) =>
    list.filter((one) => (one as Record<string, unknown> | null)?.[name] === value).length
  return [(value) => isString(value) && count(value) < 2, 'a string that is not empty, and no other has']
}

/** @internal */
export const anything: Rule = [() => true, '']

/** @internal */
export const string: Rule = [isString, 'a string that is not empty']

/** @internal */
export const flag: Rule = [(value) => typeof value === 'boolean', 'true or false']

/** @internal */
export const callable: Rule = [(value) => typeof value === 'function', 'a function']

/** @internal */
export const url: Rule = [(value) => URL.canParse(String(value)), 'a whole URL']

/** @internal */
export const headers: Rule = optional([areHeaders, 'names and values of HTTP headers'])

function areHeaders(value: unknown): boolean {
  try {
    return isObject(value) && new Headers(value as Record<string, string>) !== undefined
  } catch {
    return false
  }
}
