/** A number from 0 to 1 that is always the same for the same three integers (the mixing steps of MurmurHash3). */
export function random(seed: number, a: number, b: number): number {
  let h = seed ^ Math.imul(a, 0xcc9e2d51) ^ Math.imul(b + 1, 0x1b873593)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32
}

/** Roughly normal, by three uniform numbers: mean 0, standard deviation 1, never beyond 3. */
export function bell(seed: number, a: number, b: number): number {
  return (random(seed, a, 3 * b) + random(seed, a, 3 * b + 1) + random(seed, a, 3 * b + 2) - 1.5) * 2
}
