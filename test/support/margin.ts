/** What each promised deadline has on top here, as other tests keep the machine busy: milliseconds. */
export const margin = 2_000
