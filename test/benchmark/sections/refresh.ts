import { setTimeout as pause } from 'node:timers/promises'
import { AppProcess, type Stormed } from '../app-process'
import { type Bench, type Finding, type Rows, count, exactly, ratio, whereItRuns } from '../bench'
import { quantile } from '../figures'
import { logIn, startProvider } from '../log-in'
import { RedisWatch } from '../redis-watch'
import { lines } from '../svg'

const processes = 4
const hour = 3_600_000
/** Milliseconds that the token call of a refresh ahead takes. */
const behind = 3_000
const ours = 'passport-pagerduty'
const programs = {
  [ours]: 'ours',
  'hand-written (passport-oauth2-refresh)': 'hand-wired',
  'express-openid-connect (refresh())': 'express-openid-connect',
}

interface Storms {
  before: Storm
  during: Storm
  after: Storm
  ahead: Storm
  /** Requests that took as long as the token call that ran meanwhile. */
  waited: number
}

interface Storm {
  good: number
  failed: number
  latencies: number[]
  calls: number
  /** Whether PagerDuty still takes a token of the login. */
  isAlive: boolean
}

/** Thousands of requests on one grant, at the end of its access token and shortly before. */
export async function refresh({ isQuick, progress }: Bench): Promise<Finding> {
  const [requests, latency] = isQuick ? [200, 300] : [1000, 300]
  const notes = [
    'oauth2-proxy, which is no library for Express, was not run. It serializes refreshes by a lock in Redis, for two seconds and without renewal, so a slower token call is made twice.',
  ]
  const results = await whereItRuns(
    Object.keys(programs) as (keyof typeof programs)[],
    notes,
    async (name) => {
      progress(`refresh: ${name}`)
      return storms(programs[name], requests, latency)
    },
  )
  const rows: Rows = [
    [
      '',
      'storm',
      'token calls',
      'with a response',
      'failed',
      'median, ms',
      '99 %, ms',
      'slowest, ms',
      'login at PagerDuty',
    ],
  ]
  for (const [name, { before, during, after, ahead }] of results) {
    for (const [when, storm] of Object.entries({ before, 'refresh ahead': ahead, during, after })) {
      const at = (share: number) => Math.round(quantile(storm.latencies, share))
      rows.push([
        name,
        when,
        storm.calls,
        storm.good,
        storm.failed,
        at(0.5),
        at(0.99),
        at(1),
        storm.isAlive ? 'lives' : 'ENDED',
      ])
    }
  }
  const goals = []
  const mine = results.get(ours)
  if (mine !== undefined) {
    const { before, during, ahead } = mine
    const excess = quantile(during.latencies, 1) - quantile(before.latencies, 1) - latency
    goals.push(
      exactly('token calls of a storm on an expired grant', during.calls, 1),
      count('failed requests of that storm', during.failed, 0),
      exactly('token calls of a refresh ahead', ahead.calls, 1),
      count('requests that waited for a refresh ahead', mine.waited, 0),
      ratio(
        'slowest of the storm, beyond that of a fresh grant and the token call, ms',
        excess,
        250,
        excess.toFixed(0),
      ),
    )
  }
  return {
    title: 'Refresh',
    how:
      `${processes} processes, ${requests.toLocaleString('en-US')} requests at once to each, all with one login; the token ` +
      `call takes ${latency} ms. Before: the token is fresh. Refresh ahead: 25 requests to each process in the last minutes of its ` +
      'life, with a token call of 3 s. During: it has ended. After: once more. Refresh tokens work once, and the return of a used one ends the login, as RFC 9700 ' +
      'recommends. Each process sends its requests to itself, so latencies contain the queue of the storm.',
    rows,
    notes,
    goals,
    plots: {
      refresh: lines(
        'Storm on an expired grant: share of requests with a response',
        [...results].flatMap(([name, { before, during }]) => [
          ...(name === ours ? [distribution(`${name}, fresh grant`, before)] : []),
          distribution(name, during),
        ]),
        { x: 'ms', y: '%' },
      ),
    },
  }
}

/** Only successful responses count as responses. */
function distribution(label: string, { good, failed, latencies }: Storm) {
  const shares = Array.from({ length: 51 }, (_, step) => step / 50)
  const all = good + failed
  const title = failed === 0 ? label : `${label}: ${Math.round((100 * failed) / all)} % failed`
  return {
    label: title,
    points: shares.map(
      (share) => [Math.max(quantile(latencies, share), 1), (100 * share * good) / all] as const,
    ),
  }
}

/**
 * @param store variables that name another store than Redis
 */
export async function storms(
  program: string,
  requests: number,
  latency: number,
  store?: Record<string, string>,
): Promise<Storms> {
  const provider = await startProvider()
  const redis = await RedisWatch.start()
  const { simulator } = provider
  const workers: AppProcess[] = []
  try {
    const env = { ...provider.environment(program, store ? '' : redis.url), ...store }
    while (workers.length < processes) workers.push(await AppProcess.start(program, env))
    const cookie = await logIn(program, workers[0] as AppProcess)
    let offset = 0
    simulator.settings.now = () => Date.now() + offset
    const step = async (milliseconds: number) => {
      offset += milliseconds
      await Promise.all(workers.map((worker) => worker.ask('step', milliseconds)))
    }
    const storm = async (size = requests): Promise<Storm> => {
      simulator.resetCalls()
      const order = { path: '/token', cookie, requests: size }
      const ended = await Promise.all(workers.map((worker) => worker.ask<Stormed>('storm', order)))
      const good = ended.reduce((sum, { statuses }) => sum + (statuses['200'] ?? 0), 0)
      return {
        good,
        failed: size * processes - good,
        latencies: ended.flatMap(({ latencies }) => latencies),
        calls: simulator.calls.token.refresh_token,
        isAlive:
          simulator.newestAccessToken('PACME01') !== undefined ||
          simulator.newestRefreshToken('PACME01') !== undefined,
      }
    }
    await storm() // The first one compiles, and opens the connections.
    const before = await storm()
    await step(23.95 * hour)
    simulator.settings.tokenLatency = behind
    const answered = await storm(25)
    await pause(behind + 500) // Until what runs behind is stored.
    const ahead = { ...answered, calls: simulator.calls.token.refresh_token }
    await step(25 * hour)
    simulator.settings.tokenLatency = latency
    const during = await storm()
    const after = await storm()
    const waited = ahead.latencies.filter((one) => one >= behind).length
    return { before, ahead, during, after, waited }
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()))
    await redis.close()
    await provider.close()
  }
}
