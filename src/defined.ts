/** Options that are given: one that is there and undefined counts as left out, and hides no default. */
export function definedOf<Options extends object>(options: Options | undefined): Partial<Options> {
  const given = Object.entries(options ?? {}).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as Partial<Options>
}
