/**
 * @internal
 * @throws {TypeError} lists the names that `by` takes
 */
export function requireOneOf(known: readonly string[], given: string, by: string): void {
  if (known.includes(given)) return
  throw new TypeError(`${by} does not know "${given}": use ${known.join(', ')}`)
}
