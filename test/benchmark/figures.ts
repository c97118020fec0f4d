/** The value that this share of the values does not exceed, between two of them in proportion. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) return NaN
  const sorted = [...values].sort((a, b) => a - b)
  const place = share * (sorted.length - 1)
  const [below = NaN, above = below] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]]
  return below + (above - below) * (place - Math.floor(place))
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The middle of many rounds, and the middle half of them. */
export interface Spread {
  median: number
  low: number
  high: number
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), low: quantile(values, 0.25), high: quantile(values, 0.75) }
}

/**
 * One candidate against another. Each round is compared with itself: what else the machine was doing then, it was doing
 * to both.
 */
export function ratioOf(ours: readonly number[], theirs: readonly number[]): Spread {
  return spreadOf(ours.map((value, round) => value / (theirs[round] ?? NaN)))
}

export function showRatio({ median: middle, low, high }: Spread): string {
  return `${middle.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`
}

/**
 * Measures candidates in turns, beginning with another one in each round.
 *
 * @returns for each candidate one value a round
 */
export async function interleave(
  rounds: number,
  candidates: readonly string[],
  measure: (candidate: string) => Promise<number> | number,
): Promise<Record<string, number[]>> {
  const values: Record<string, number[]> = Object.fromEntries(candidates.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (let place = 0; place < candidates.length; place++) {
      const name = candidates[(round + place) % candidates.length] as string
      values[name]?.push(await measure(name))
    }
  }
  return values
}
