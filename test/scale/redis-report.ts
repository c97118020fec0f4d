import { Redis } from 'ioredis'
import { programs } from '../support/programs'
import { startRedis } from '../support/redis'
import { type Figures, most, sum } from './figures'
import type { People } from './people'
import { type Commands, measureCommands } from './redis-commands'
import { type Footprint, measureFootprint } from './redis-memory'
import { allScopes, tenScopes } from './scopes'
import { amount } from './table'
import { touchesPerRequest } from './touches'

/** Everything that a Redis of this machine said. */
export interface Measured {
  commands: Commands
  ten: Footprint
  all: Footprint
}

/** Asks a real Redis, with the logins of so many users in it; undefined where there is none. */
export async function askRedis(users: number): Promise<Measured | undefined> {
  if (programs['redis-server'] === undefined) return undefined
  const server = await startRedis()
  const redis = new Redis(server.url)
  try {
    const { commands, session } = await measureCommands(server.url)
    const ten = await measureFootprint(redis, users, tenScopes, session)
    const all = await measureFootprint(redis, users, allScopes, session)
    return { commands, ten, all }
  } finally {
    redis.disconnect()
    await server.stop()
  }
}

type Rows = (string | number)[][]

export function memoryRows({ ten, all }: Measured, grants: number): Rows {
  const row = (what: string, of: (footprint: Footprint) => number): (string | number)[] => [
    what,
    Math.round(of(ten)),
    amount((of(ten) * grants) / 1e9),
    Math.round(of(all)),
    amount((of(all) * grants) / 1e9),
  ]
  return [
    ['in Redis', 'bytes, 10 scopes', 'GB', `bytes, ${allScopes.length} scopes`, 'GB'],
    row('session', ({ keys }) => keys.session),
    row('grant', ({ keys }) => keys.grant),
    row('entry in the index of users', ({ keys }) => keys.index),
    row(
      'tables of keys and of their ends',
      ({ keys, total }) => total - keys.session - keys.grant - keys.index,
    ),
    row('all', ({ total }) => total),
  ]
}

export function commandRows({ commands }: Measured): Rows {
  return [
    ['', 'commands', 'which'],
    ...Object.entries(commands).map(([what, names]) => [what, names.length, names.join(' ')]),
  ]
}

/** Commands a second over a calm day, and in the minute after an outage. */
export function loadRows(
  { commands }: Measured,
  people: People,
  figures: Figures,
  processes: number,
  idle: number,
): Rows {
  const { period, seed } = people.habits
  const active = people.activeByMinute()
  const [mean, peak] = [sum(active) / active.length, most(active, 1)]
  // A command for the grant, and one for its session.
  const touch = 2 * touchesPerRequest(period, idle, seed)
  const refresh = commands.refresh.length
  const peakRefresh = figures.peakMinute / 60
  const catchUp = figures.catchUpMinute / 60
  const rows: [string, number, number, number][] = [
    ['guarded requests', mean / period, peak / period, peak / period],
    ['touches', (mean / period) * touch, (peak / period) * touch, (peak / period) * touch],
    ['refreshes', figures.perSecond * refresh, peakRefresh * refresh, catchUp * refresh],
  ]
  const all = [1, 2, 3].map((column) => rows.reduce((total, row) => total + (row[column] as number), 0))
  return [
    ['commands a second', 'average', 'peak', 'after an outage'],
    ...rows.map(([what, ...values]) => [what, ...values.map(Math.round)]),
    ['all', ...all.map(Math.round)],
    [`for each of ${processes} processes`, ...all.map((value) => Math.round(value / processes))],
  ]
}
