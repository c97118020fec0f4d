import { touchInterval } from '../../src/sessions/extension'
import { type Figures, figuresOf } from './figures'
import { type Habits, People, day } from './people'
import { type Policy, policies } from './policy'
import { askRedis, commandRows, loadRows, memoryRows } from './redis-report'
import type { Provider } from './run'
import { amount, table } from './table'

// npm run scale -- [--markdown] [--grants=1000000] [--seed=1] [--processes=20]
//   [--users=10000]  logins that memory is measured with
//   [--hour=9]       at which the outage begins; at nine it does most harm: most users come to work then
const option = (name: string) => {
  const given = process.argv.find((argument) => argument.startsWith(`--${name}=`))
  return given === undefined ? undefined : Number(given.split('=')[1])
}
const [grants, seed, processes] = [
  option('grants') ?? 1_000_000,
  option('seed') ?? 1,
  option('processes') ?? 20,
]
const [users, hour] = [option('users') ?? 10_000, option('hour') ?? 9]
const isMarkdown = process.argv.includes('--markdown')

const habits = { seed, grants, roundTheClock: 0.2, period: 60 }
const provider = { latency: 0.3 }
const threeDays = 3 * day
const defaultIdle = day / 3

const head = [
  ...['logins', 'refreshed', 'refreshes', 'average/s', 'peak/s', 'peak/min', 'waits'],
  ...['calls in the outage', 'peak/s after', 'peak/min after', 'caught up'],
  ...['failed user-minutes', 'locks at once'],
]

function rowOf(logins: string, name: string, figures: Figures): (string | number)[] {
  const { refreshes, perSecond, peakSecond, peakMinute, waits, ...rest } = figures
  return [
    ...[logins, name, refreshes, perSecond, peakSecond, peakMinute, waits],
    ...[rest.callsInOutage, rest.catchUpSecond, rest.catchUpMinute],
    ...[`${rest.catchUp} min`, rest.failedMinutes, rest.locks],
  ]
}

async function main(): Promise<void> {
  const startedAt = performance.now()
  print(
    `${grants.toLocaleString('en-US')} grants, ${processes} processes, seed ${seed}. One time zone: 80 % of the users come at ` +
      'nine (give or take an hour) for eight hours, 20 % of the grants are used round the clock; a guarded request a ' +
      'minute each. A refresh takes 0.3 s. The outage lasts one hour, on the last day, from ' +
      `${hour}:00.`,
  )
  const play = async (
    logins: Habits['logins'],
    policy: Policy,
    changes: { provider?: Partial<Provider>; idle?: number; days?: number } = {},
  ) => {
    progress(`${policy.name}, logins ${logins}`)
    const people = new People({ ...habits, logins })
    const { days = 2, idle = threeDays } = changes
    const scenario = { people, policy, processes, days, idle }
    return { people, ...(await figuresOf(scenario, { ...provider, ...changes.provider }, hour, days > 2)) }
  }

  const scoped = policies(day, grants)
  const rows: (string | number)[][] = [head]
  let calm: { people: People; figures: Figures } | undefined
  for (const logins of ['morning', 'at once'] as const) {
    for (const policy of [scoped.ours, scoped.fixed, scoped.atEnd]) {
      const played = await play(logins, policy)
      calm ??= played
      rows.push(rowOf(logins, policy.name, played.figures))
    }
  }
  section('Scoped: access tokens of a day; session.idle of three days', table(rows, isMarkdown))

  const limit = Math.ceil(grants / 2000)
  const others = [
    ['the outage is silence instead of 503', { provider: { isSilent: true } }],
    [`PagerDuty takes ${limit} calls a second, then 429`, { provider: { limit } }],
    ['session.idle of eight hours, the default', { idle: defaultIdle }],
  ] as const
  const otherRows: (string | number)[][] = [head]
  for (const [what, changes] of others) {
    const { figures } = await play('morning', scoped.ours, changes)
    otherRows.push(rowOf('morning', what, figures))
  }
  section('Scoped, this package, otherwise', table(otherRows, isMarkdown))

  const classic = policies(30 * day, grants)
  const classicRows: (string | number)[][] = [head]
  for (const policy of [classic.ours, classic.fixed, classic.atEnd]) {
    const { figures } = await play('at once', policy, { days: 30 })
    classicRows.push(rowOf('at once', policy.name, figures))
  }
  section(
    'Classic: access tokens of thirty days; the last two days of the thirty',
    table(classicRows, isMarkdown),
  )

  progress('Redis')
  const measured = await askRedis(users)
  if (measured === undefined || calm === undefined) {
    print(
      '\nNO redis-server HERE: memory and commands were NOT measured. REDIS_SERVER_BIN names one elsewhere.',
    )
  } else {
    section(`Memory, measured with ${amount(users)} users`, table(memoryRows(measured, grants), isMarkdown))
    section('Commands, counted', table(commandRows(measured), isMarkdown))
    const { people, figures } = calm
    section(
      `Load, logins in the morning; a grant is touched every ${touchInterval(defaultIdle * 1000) / 60_000} minutes at most`,
      table(loadRows(measured, people, figures, processes, defaultIdle * 1000), isMarkdown),
    )
  }
  progress('')
  process.stderr.write(`${((performance.now() - startedAt) / 1000).toFixed(0)} s\n`)
}

function section(title: string, text: string): void {
  progress('')
  print(`\n${isMarkdown ? `### ${title}\n` : title}\n${text}`)
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** One line that is written over, on a terminal only. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
}

void main()
