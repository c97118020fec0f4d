/** The most similar name, if one is similar enough to be meant: for a hint about a misspelt one. */
export function nearest<Name extends string>(text: string, names: readonly Name[]): Name | undefined {
  const distances = names.map((name) => ({ name, distance: distanceOf(text, name) }))
  const [first] = distances.toSorted((one, other) => one.distance - other.distance)
  return first !== undefined && first.distance <= Math.max(2, text.length / 4) ? first.name : undefined
}

/** The Damerau–Levenshtein distance: how many letters to add, remove, change or swap with their neighbour. */
function distanceOf(one: string, other: string): number {
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_, column) => column)]
  for (let row = 1; row <= one.length; row++) {
    const current = [row]
    for (let column = 1; column <= other.length; column++) {
      const isSame = one[row - 1] === other[column - 1]
      const swapped =
        one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1]
          ? (rows[row - 2]?.[column - 2] ?? Infinity) + 1
          : Infinity
      current[column] = Math.min(
        (rows[row - 1]?.[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (rows[row - 1]?.[column - 1] ?? 0) + (isSame ? 0 : 1),
        swapped,
      )
    }
    rows.push(current)
  }
  return rows.at(-1)?.at(-1) ?? 0
}
