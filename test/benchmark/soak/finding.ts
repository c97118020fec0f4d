import { type Finding, type Goal, type Rows, count, isMet } from '../bench'
import { median, quantile } from '../figures'
import { excess, growth, lastTwoThirds } from './trend'
import type { Tally } from './visitors'

/** What one process holds. */
export interface Holdings {
  /** Bytes. */
  heap: number
  /** How many of each kind. */
  handles: Record<string, number>
  /** That it logged since the sample before. */
  warnings: string[]
}

/** A snapshot of all of it, taken while no work is running. */
export interface Sample extends Tally {
  /** Minutes since the start. */
  at: number
  rotations: number
  processes: Holdings[]
  keys: Keys | undefined
}

/** Keys of the store by kind, and the most that there may be. */
interface Keys {
  /** Sessions and grants. */
  logins: number
  mostLogins: number
  /** That a callback was taken. */
  callbacks: number
  mostCallbacks: number
  /** Which logins a user has. */
  users: number
  mostUsers: number
  others: number
  mostOthers: number
}

/** Bytes: V8 goes on compiling for a long time. */
const compiled = 1_000_000
/** Bytes for each login: a process remembers up to 5,000 cookies that it verified, and most of an hour goes by until that is full. */
const perLogin = 300
/** A refresh ahead that the user's logout overtook: PagerDuty has revoked its token. */
const overtaken = /ERR_PAGERDUTY_LOGIN_REQUIRED/
/** Of the page; the terminal gets one for each sample. */
const mostRows = 12

export function findingOf(samples: readonly Sample[], how: string): Finding {
  const counted = lastTwoThirds(samples)
  if (counted.every(({ rotations }) => rotations === 0))
    throw new Error('No token was refreshed: nothing was soaked')
  const notes = [...new Set([...failuresIn(samples), ...warningsIn(samples)])]
    .slice(0, 5)
    .map((failure) => `**${failure}**`)
  const last = samples.at(-1) as Sample
  const handles = last.processes.map((one) =>
    Object.entries(one.handles)
      .map(([kind, number]) => `${number} ${kind}`)
      .join(', '),
  )
  const goals = goalsOf(samples)
  notes.push(
    `**${goals.every(isMet) ? 'Flat' : 'NOT FLAT'}**, by the goals below. ${pace(samples)} These times are the machine’s too, and no goal.`,
    `${allWarnings(samples).length - warningsIn(samples).length} refreshes ahead were overtaken by a logout, and failed as they should.`,
    `Handles at the end: ${handles.join('; ')}.`,
  )
  return {
    title: 'Soak',
    how:
      `${how} Now and then all requests stop and garbage is collected; then heap, handles (\`process.getActiveResourcesInfo()\`) and ` +
      'keys are read. It is flat if no goal is missed. The growth of a heap is the median slope of all pairs of samples of the last two ' +
      `thirds. Allowed are ${compiled / 1e6} MB, as V8 goes on compiling, and ${perLogin} bytes a login, as a process remembers up ` +
      'to 5,000 cookies that it verified. So ten minutes find large leaks only. Handles: their most in the last two thirds against their most ' +
      'in the first. Keys: against the logins and users that there can be.',
    rows: rowsOf(samples, Math.ceil(samples.length / mostRows)),
    everyRow: rowsOf(samples, 1),
    notes,
    goals,
    hasOwnGoals: true,
    plots: {},
  }
}

/** How the last third compares with the middle one. */
function pace(samples: readonly Sample[]): string {
  const counted = lastTwoThirds(samples)
  const half = Math.ceil(counted.length / 2)
  const ratios = [0.5, 0.99].map((share) => {
    const [before, after] = [counted.slice(0, half), counted.slice(half)].map((third) =>
      median(third.map(({ latencies }) => quantile(latencies, share))),
    ) as [number, number]
    return (after / before).toFixed(2)
  })
  return `In the last third p50 is ${ratios[0]} times and p99 ${ratios[1]} times that of the middle one.`
}

function goalsOf(samples: readonly Sample[]): Goal[] {
  const heaps = (samples[0] as Sample).processes.map((_, process) =>
    samples.map(({ processes }) => (processes[process] as Holdings).heap),
  )
  const logins = lastTwoThirds(samples).reduce((sum, one) => sum + one.logins, 0)
  const handles = (samples[0] as Sample).processes.map((_, process) =>
    excess(samples.map(({ processes }) => handleCount(processes[process] as Holdings))),
  )
  const keys = samples.flatMap((sample) => sample.keys ?? [])
  return [
    count('failed requests of the soak', failuresIn(samples).length, 0),
    count('warnings of the soak', warningsIn(samples).length, 0),
    ...heaps.map((heap, process) =>
      count(
        `growth of heap ${process + 1} in the last two thirds, kB`,
        Math.round(growth(heap) / 1000),
        Math.round((compiled + perLogin * logins) / 1000),
      ),
    ),
    count('handles more than in the first third', Math.max(...handles), 0),
    ...(keys.length === 0
      ? []
      : [
          count('sessions and grants of no login', most(keys.map((one) => one.logins - one.mostLogins)), 0),
          count('lists of no user', most(keys.map((one) => one.users - one.mostUsers)), 0),
          count('redeemed logins too many', most(keys.map((one) => one.callbacks - one.mostCallbacks)), 0),
          count('keys of other kinds too many', most(keys.map((one) => one.others - one.mostOthers)), 0),
        ]),
  ]
}

/** One row for so many samples. */
function rowsOf(samples: readonly Sample[], size: number): Rows {
  const [first] = samples as [Sample]
  const groups = Array.from({ length: Math.ceil(samples.length / size) }, (_, at) =>
    samples.slice(at * size, (at + 1) * size),
  )
  const heads = first.processes.map((_, process) => `heap ${process + 1}, MB`)
  const head = ['until minute', 'requests', 'p50, ms', 'p99, ms', 'logins', 'logouts', 'rotations', ...heads]
  const rows = groups.map((group) => {
    const sum = (value: (one: Sample) => number) => group.reduce((total, one) => total + value(one), 0)
    const last = group.at(-1) as Sample
    const latencies = (share: number) => median(group.map((one) => quantile(one.latencies, share))).toFixed(1)
    return [
      Math.round(last.at * 10) / 10,
      sum((one) => one.latencies.length),
      latencies(0.5),
      latencies(0.99),
      sum((one) => one.logins),
      sum((one) => one.logouts),
      sum((one) => one.rotations),
      ...last.processes.map((one) => (one.heap / 1e6).toFixed(2)),
      last.processes.map(handleCount).join(' + '),
      ...(last.keys ? [last.keys.logins, last.keys.users, last.keys.callbacks, last.keys.others] : []),
    ]
  })
  const keys = first.keys ? ['sessions, grants', 'lists of logins', 'redeemed logins', 'other keys'] : []
  return [[...head, 'handles', ...keys], ...rows]
}

function handleCount({ handles }: Holdings): number {
  return Object.values(handles).reduce((sum, number) => sum + number, 0)
}

function failuresIn(samples: readonly Sample[]): string[] {
  return samples.flatMap(({ failures }) => failures)
}

function allWarnings(samples: readonly Sample[]): string[] {
  return samples.flatMap(({ processes }) => processes.flatMap(({ warnings }) => warnings))
}

function warningsIn(samples: readonly Sample[]): string[] {
  return allWarnings(samples).filter((warning) => !overtaken.test(warning))
}

function most(values: readonly number[]): number {
  return Math.max(0, ...values)
}
