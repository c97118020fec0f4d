/** Members of a package.json. */
export interface Ranges {
  dependencies: Readonly<Record<string, string>>
  peerDependencies: Readonly<Record<string, string>>
}

export type End = 'lowest' | 'newest'

/**
 * What to install to have each range at its end, for each major that a range has: `^4.18.0 || ^5.0.0` makes two. npm itself takes
 * the newest version of a range.
 */
export function pinsOf({ dependencies, peerDependencies }: Ranges, end: End): Record<string, string>[] {
  const ranges = Object.entries({ ...dependencies, ...peerDependencies }).map(
    ([name, range]) => [name, range.split('||').map((one) => one.trim())] as const,
  )
  const count = Math.max(...ranges.map(([, alternatives]) => alternatives.length))
  return Array.from({ length: count }, (_, at) =>
    Object.fromEntries(
      ranges.map(([name, alternatives]) => {
        const range = alternatives[Math.min(at, alternatives.length - 1)] as string
        return [name, end === 'lowest' ? lowestOf(range) : range]
      }),
    ),
  )
}

function lowestOf(range: string): string {
  const [, version] = /^\^(\d+\.\d+\.\d+)$/.exec(range) ?? []
  if (version === undefined) throw new Error(`"${range}" is no caret range`)
  return version
}
