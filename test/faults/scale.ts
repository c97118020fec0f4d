/** Whether all rounds are wanted: `FAULTS=full`. */
export const isFull = process.env['FAULTS'] === 'full'

/** A tenth of the rounds unless all are wanted. */
export function rounds(full: number): number {
  return isFull ? full : Math.ceil(full / 10)
}

/** A tenth of a time in milliseconds unless all of it is wanted. */
export function duration(full: number): number {
  return isFull ? full : full / 10
}

/** What each promised deadline has on top here, as a dozen worlds may share two cores: milliseconds. */
export const busyMachine = 5_000
