import { median } from '../figures'

/** What the values of a soak grow by, from one sample to the next: the median of the slopes of all pairs (Theil–Sen). */
export function slope(values: readonly number[]): number {
  const slopes = values.flatMap((value, at) =>
    values.slice(at + 1).map((later, distance) => (later - value) / (distance + 1)),
  )
  return slopes.length === 0 ? 0 : median(slopes)
}

/** The samples that count: in the first third, code is compiled, caches fill, and what expires does not expire yet. */
export function lastTwoThirds<Sample>(samples: readonly Sample[]): readonly Sample[] {
  return samples.slice(Math.floor(samples.length / 3))
}

/** By how much the values of the last two thirds grow, from the first of them to the last. */
export function growth(values: readonly number[]): number {
  const counted = lastTwoThirds(values)
  return slope(counted) * (counted.length - 1)
}

/** By how much a count of the last two thirds is ever above the most of the first third. */
export function excess(counts: readonly number[]): number {
  const counted = lastTwoThirds(counts)
  const before = counts.slice(0, counts.length - counted.length)
  return Math.max(...counted) - Math.max(...before)
}
