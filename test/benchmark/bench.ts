import type { Packed } from './peers'

/** What a section has to work with. */
export interface Bench {
  isQuick: boolean
  /** Also what takes minutes. */
  isLong: boolean
  packed: Packed
  versions: Readonly<Record<string, string | undefined>>
  /** Writes over the progress line. */
  progress: (what: string) => void
}

export type Rows = (string | number)[][]

/** Something that this package promises. */
export interface Goal {
  what: string
  value: number
  /** The value may be this much. */
  limit: number
  /** It must not be less either. */
  isExact?: boolean
  /** Counts are exact, and fail the run. Times are ratios of this very run, and only shown. */
  isCount: boolean
  /** How the value is shown. */
  shown?: string
}

/** What a section found out. */
export interface Finding {
  title: string
  /** One sentence or two on how it was measured. */
  how: string
  rows: Rows
  /** The same in more detail, for the terminal. */
  everyRow?: Rows
  /** What could not be measured, or is not to be overlooked. */
  notes: string[]
  goals: Goal[]
  /** The page shows the goals with the section, as it is not run with the others. */
  hasOwnGoals?: boolean
  /** Drawings as SVG, by the name of their file. */
  plots: Record<string, string>
}

export function count(what: string, value: number, limit: number): Goal {
  return { what, value, limit, isCount: true }
}

export function exactly(what: string, value: number, wanted: number): Goal {
  return { what, value, limit: wanted, isExact: true, isCount: true }
}

export function ratio(what: string, value: number, limit: number, shown: string): Goal {
  return { what, value, limit, isCount: false, shown }
}

export function isMet({ value, limit, isExact }: Goal): boolean {
  return isExact ? value === limit : value <= limit
}

export function wantedOf({ limit, isExact }: Goal): string {
  return isExact ? `exactly ${limit}` : `at most ${limit}`
}

/** Does something with each candidate. One that cannot be had or does not run here is left out, loudly. */
export async function whereItRuns<Candidate extends string, Result>(
  candidates: readonly Candidate[],
  notes: string[],
  work: (candidate: Candidate) => Promise<Result>,
): Promise<Map<Candidate, Result>> {
  const results = new Map<Candidate, Result>()
  for (const candidate of candidates) {
    try {
      results.set(candidate, await work(candidate))
    } catch (error) {
      const [reason] = String((error as Error).message).split('\n')
      notes.push(
        `**NOT MEASURED: ${candidate} did not run here** (${reason?.replaceAll(process.cwd(), '.').slice(0, 200)}).`,
      )
    }
  }
  return results
}
