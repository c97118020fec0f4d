import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool } from 'pg'
import { PostgresTokenStore, SQLiteTokenStore } from '../../../src'
import { approve } from '../../../src/testing'
import { Browser } from '../../support/browser'
import { startPostgres } from '../../support/postgres'
import { rawConnection } from '../../support/sqlite'
import { AppProcess } from '../app-process'
import { type Bench, type Finding, type Rows, count, exactly, ratio, whereItRuns } from '../bench'
import { interleave, median, quantile } from '../figures'
import { Load } from '../load'
import { begin, logIn, startProvider } from '../log-in'
import { RedisWatch } from '../redis-watch'
import { storms } from './refresh'

/** A new store, and how an app is configured to use it. */
interface Place {
  env: Record<string, string>
  close(): Promise<unknown>
  /** Bytes a user takes among so many. */
  bytesPerUser?(users: number): Promise<number>
}

interface Candidate {
  program: 'ours' | 'hand-wired'
  open(): Promise<Place>
  /** Whether several processes share it. */
  isShared: boolean
}

const candidates: Record<string, Candidate> = {
  memory: { program: 'ours', isShared: false, open: async () => ({ env: {}, close: async () => {} }) },
  SQLite: { program: 'ours', isShared: true, open: openSQLite },
  PostgreSQL: { program: 'ours', isShared: true, open: () => openPostgres('PAGERDUTY_TOKEN_STORE') },
  Redis: { program: 'ours', isShared: true, open: openRedis },
  'hand-written, connect-pg-simple': {
    program: 'hand-wired',
    isShared: true,
    open: () => openPostgres('POSTGRES_URL'),
  },
}
const stormed = ['SQLite', 'PostgreSQL']
const latency = 300

/** `pd.auth()` over each store, each alone on the machine. */
export async function stores({ isQuick, isLong, progress }: Bench): Promise<Finding> {
  const notes = [
    'Session stores over better-sqlite3 were not run: its binary is downloaded from elsewhere than the registry.',
  ]
  const provider = await startProvider()
  const running: AppProcess[] = []
  const places: Place[] = []
  try {
    const ready = await whereItRuns(Object.keys(candidates), notes, async (name) => {
      progress(`stores: ${name}`)
      const candidate = candidates[name] as Candidate
      const { program } = candidate
      const place = await candidate.open()
      places.push(place)
      const env = { ...provider.environment(program), ...place.env }
      const app = await AppProcess.start(program, env)
      running.push(app)
      const cookie = await logIn(program, app)
      const load = await Load.open(app.url, 8)
      const shot = () => ({ path: '/incidents', headers: { cookie } })
      await load.send(isQuick ? 2_000 : 8_000, shot) // Until all of it is compiled.
      return { app, load, shot, place, program }
    })
    const perSecond: Record<string, number[]> = {}
    const logins: Record<string, number[]> = {}
    const cpu = await interleave(isQuick ? 2 : 6, [...ready.keys()], async (name) => {
      const { app, load, shot, program } = ready.get(name) as NonNullable<ReturnType<typeof ready.get>>
      progress(`stores: requests and logins, ${name}`)
      const requests = isQuick ? 400 : 1500
      const before = await app.cpu()
      ;(perSecond[name] ??= []).push(requests / ((await load.send(requests, shot)) / 1000))
      const used = ((await app.cpu()) - before) / requests
      for (let number = 0; number < 10; number++) {
        const browser = new Browser()
        const callback = await approve(await begin(program, app.url, browser))
        const startedAt = performance.now()
        await browser.visit(callback)
        ;(logins[name] ??= []).push(performance.now() - startedAt)
      }
      return used
    })
    for (const app of running) await app.stop()
    const sizes = isLong ? [1_000, 10_000, 100_000, 1_000_000] : [1_000, 10_000, 100_000]
    const rows: Rows = [
      [
        '',
        'CPU per request, µs',
        'requests/s',
        'callback of a login, ms',
        ...sizes.map((rowCount) => `bytes a user, ${rowCount.toLocaleString('en-US')} rows`),
      ],
    ]
    for (const [name, { place }] of ready) {
      const bytes: (string | number)[] = []
      for (const rowCount of sizes) {
        progress(`stores: ${rowCount} rows, ${name}`)
        bytes.push(Math.round((await place.bytesPerUser?.(Math.round(rowCount / rowsPerUser))) ?? NaN) || '')
      }
      const [used, speed] = [median(cpu[name] ?? []), median(perSecond[name] ?? [])].map(Math.round)
      rows.push([name, used as number, speed as number, median(logins[name] ?? []).toFixed(1), ...bytes])
    }
    const goals = []
    for (const name of stormed) {
      if (!ready.has(name)) continue
      progress(`stores: storm, ${name}`)
      const place = await (candidates[name] as Candidate).open()
      places.push(place)
      const { before, during } = await storms('ours', isQuick ? 200 : 1000, latency, place.env)
      const excess = quantile(during.latencies, 1) - quantile(before.latencies, 1) - latency
      const slowest = `slowest of the storm on ${name}, beyond that of a fresh grant and the token call, ms`
      goals.push(
        exactly(`token calls of a storm on ${name}`, during.calls, 1),
        count(`failed requests of a storm on ${name}`, during.failed, 0),
        ratio(slowest, excess, 250, excess.toFixed(0)),
      )
    }
    return {
      title: 'Stores',
      how: 'One process of `pd.auth()` over each store, all on this machine: a guarded request with eight connections, and the callback of a login, with the token call. A user has three rows: session, grant, index. The storm is that of the section on refreshes.',
      rows,
      notes,
      goals,
      plots: {},
    }
  } finally {
    await Promise.all(running.map((app) => app.stop()))
    for (const place of places) await place.close()
    await provider.close()
  }
}

/** Session, grant, index of users; the lengths are those of real values with one scope. */
const values = { sess: 300, grant: 620, user: 140 }
const rowsPerUser = Object.keys(values).length

async function openRedis(): Promise<Place> {
  const redis = await RedisWatch.start()
  return { env: { REDIS_URL: redis.url }, close: () => redis.close() }
}

async function openPostgres(variable: string): Promise<Place> {
  const server = await startPostgres()
  return {
    env: { [variable]: server.url },
    close: () => server.stop(),
    ...(variable === 'PAGERDUTY_TOKEN_STORE' && {
      async bytesPerUser(users) {
        const pool = new Pool({ connectionString: server.url })
        await new PostgresTokenStore(pool, { table: 'sized' }).get('any')
        await pool.query('TRUNCATE sized')
        for (const [kind, length] of Object.entries(values)) {
          await pool.query(
            `INSERT INTO sized SELECT '${kind}:' || md5(n::text), left(repeat(md5(n::text), 20), ${length}), now() + interval '8 hours' FROM generate_series(1, ${users}) AS n`,
          )
        }
        await pool.query('VACUUM ANALYZE sized')
        const { rows } = await pool.query<{ size: string }>("SELECT pg_total_relation_size('sized') AS size")
        await pool.end()
        return Number(rows[0]?.size) / users
      },
    }),
  }
}

async function openSQLite(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const file = join(folder, 'pagerduty.db')
  return {
    // Rows expire by the processes' clock, which a storm steps by two days.
    env: { PAGERDUTY_TOKEN_STORE: `sqlite:${file}`, IDLE: String(7 * 86_400_000) },
    close: async () => rmSync(folder, { recursive: true, force: true }),
    async bytesPerUser(users) {
      const sized = join(folder, `sized-${users}.db`)
      new SQLiteTokenStore(sized).close()
      const database = rawConnection(sized)
      for (const [kind, length] of Object.entries(values)) {
        database.exec(
          `WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${users})
          INSERT INTO pagerduty_tokens SELECT '${kind}:' || hex(randomblob(16)), substr(hex(randomblob(${length})), 1, ${length}), 9e12 FROM numbers`,
        )
      }
      const [pages, pageSize] = ['page_count', 'page_size'].map(
        (name) => database.prepare(`PRAGMA ${name}`).get({})?.[name] as number,
      )
      database.close()
      return ((pages as number) * (pageSize as number)) / users
    },
  }
}
