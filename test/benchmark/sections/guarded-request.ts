import { AppProcess } from '../app-process'
import { type Bench, type Finding, type Rows, count, ratio, whereItRuns } from '../bench'
import { interleave, median, ratioOf, showRatio, spreadOf } from '../figures'
import { Load } from '../load'
import { logIn, startProvider } from '../log-in'
import { RedisWatch, type Traffic, showCommands } from '../redis-watch'
import { bars } from '../svg'

const handWired = 'hand-written (express-session, connect-redis, Passport)'
const oursRedis = 'passport-pagerduty, Redis'

const apps: Record<string, { program: string; hasRedis?: boolean }> = {
  'bare Express, no guard': { program: 'bare' },
  [handWired]: { program: 'hand-wired', hasRedis: true },
  'express-openid-connect (cookie)': { program: 'express-openid-connect' },
  '@auth/express (cookie)': { program: 'auth-express' },
  'passport-pagerduty, memory': { program: 'ours' },
  [oursRedis]: { program: 'ours', hasRedis: true },
}
const connections = 8
const users = 10

export async function guardedRequest({ isQuick, progress }: Bench): Promise<Finding> {
  const notes: string[] = []
  const provider = await startProvider()
  const redis = await RedisWatch.start()
  const running: AppProcess[] = []
  const start = async (program: string, redisURL = '') => {
    const app = await AppProcess.start(program, provider.environment(program, redisURL))
    running.push(app)
    return app
  }
  const cookiesOf = async (program: string, app: AppProcess) => {
    const cookies: string[] = []
    while (program !== 'bare' && cookies.length < users) cookies.push(await logIn(program, app))
    return cookies
  }
  const shots = (cookies: readonly string[]) => (number: number) => {
    const cookie = cookies[number % cookies.length]
    return { path: '/incidents', ...(cookie !== undefined && { headers: { cookie } }) }
  }
  try {
    const requests = isQuick ? 400 : 1500
    /** CPU a request and requests a second of programs that take turns, each in a process of its own. */
    const measure = async (names: readonly string[], rounds: number) => {
      const ready = await whereItRuns(names, notes, async (name) => {
        progress(`guarded request: ${name}`)
        const { program = '', hasRedis } = apps[name] ?? {}
        const app = await start(program, hasRedis ? redis.url : '')
        const cookies = await cookiesOf(program, app)
        const load = await Load.open(app.url, connections)
        await load.send(isQuick ? 4_000 : 12_000, shots(cookies)) // Until all of it is compiled.
        return { app, load, shot: shots(cookies) }
      })
      const perSecond: Record<string, number[]> = {}
      const cpu = await interleave(rounds, [...ready.keys()], async (name) => {
        const { app, load, shot } = ready.get(name) as { app: AppProcess; load: Load; shot: typeof noShot }
        progress(`guarded request: ${name}, round ${(perSecond[name]?.length ?? 0) + 1} of ${rounds}`)
        const before = await app.cpu()
        const took = await load.send(requests, shot)
        ;(perSecond[name] ??= []).push(requests / (took / 1000))
        return ((await app.cpu()) - before) / requests
      })
      for (const { app, load } of ready.values()) {
        load.close()
        await app.stop()
      }
      return { cpu, perSecond }
    }
    const { cpu, perSecond } = await measure(Object.keys(apps), isQuick ? 4 : 8)
    const measured = Object.keys(cpu)
    // Two processes of the same code differ by a tenth, and one that idles while others run is slower afterwards: the two that
    // are compared run as pairs of fresh processes, and nothing else beside them.
    const ratios: number[] = []
    for (let pair = 0; pair < (isQuick ? 2 : 5) && cpu[handWired] && cpu[oursRedis]; pair++) {
      const names = [handWired, oursRedis]
      const ofPair = (await measure(pair % 2 === 0 ? names : names.reverse(), isQuick ? 2 : 4)).cpu
      ratios.push(median(ofPair[oursRedis] ?? []) / median(ofPair[handWired] ?? []))
    }

    const counted = new Map<string, Traffic>()
    const manyProcesses = new Map<string, number>()
    for (const name of [handWired, oursRedis].filter((one) => measured.includes(one))) {
      progress(`guarded request: ${name}, counting what Redis gets`)
      const { program = '' } = apps[name] ?? {}
      const processes: AppProcess[] = []
      for (let number = 0; number < 4; number++) processes.push(await start(program, await redis.counted()))
      const [app] = processes as [AppProcess]
      const cookies = await cookiesOf(program, app)
      const load = await Load.open(app.url, connections)
      counted.set(name, await redis.during(() => load.send(1000, shots(cookies))))
      load.close()
      // Now the same users come to all processes in turns, ten times each.
      const others = await Promise.all(processes.map(({ url }) => Load.open(url, 1)))
      const fresh = await cookiesOf(program, app)
      const { sent } = await redis.during(async () => {
        for (let turn = 0; turn < 10; turn++) {
          const other = others[turn % others.length] as Load
          await other.send(users, shots(fresh))
        }
      })
      manyProcesses.set(name, sent / (10 * users))
      for (const other of others) other.close()
    }

    const rows: Rows = [
      [
        '',
        'CPU per request, µs',
        'CPU against hand-written',
        'requests/s',
        'Redis commands',
        'executed',
        'bytes',
        'commands, 4 processes',
      ],
    ]
    for (const name of measured) {
      const traffic = counted.get(name)
      const inCookie = name.includes('cookie') || name.includes('memory') || name.startsWith('bare') ? 0 : '?'
      rows.push([
        name,
        Math.round(median(cpu[name] ?? [])),
        cpu[handWired] ? showRatio(ratioOf(cpu[name] ?? [], cpu[handWired])) : '',
        Math.round(median(perSecond[name] ?? [])),
        traffic ? (traffic.sent / 1000).toFixed(2) : inCookie,
        traffic ? (traffic.executed / 1000).toFixed(2) : inCookie,
        traffic ? Math.round(traffic.bytes / 1000) : inCookie,
        manyProcesses.get(name)?.toFixed(2) ?? inCookie,
      ])
    }
    const goals = []
    const ours = counted.get(oursRedis)
    if (ours !== undefined) {
      notes.push(`1,000 requests of ${users} users sent to Redis: ${showCommands(ours.names)}.`)
      goals.push(
        count('Redis commands per guarded request, one process', ours.sent / 1000, 1.1),
        count(
          'Redis commands per guarded request, 4 processes in turns',
          manyProcesses.get(oursRedis) ?? NaN,
          1.1,
        ),
      )
    }
    const [inMemory, byHand] = [cpu['passport-pagerduty, memory'], cpu[handWired]]
    if (inMemory !== undefined && byHand !== undefined) {
      const spread = ratioOf(inMemory, byHand)
      goals.push(
        ratio(
          'CPU per guarded request in memory, against hand-written',
          spread.median,
          0.62,
          showRatio(spread),
        ),
      )
    }
    if (ratios.length > 0) {
      const spread = spreadOf(ratios)
      goals.push(ratio('CPU per guarded request against hand-written', spread.median, 0.8, showRatio(spread)))
    }
    return {
      title: 'Guarded request',
      how:
        `A route behind login and scope check, ${users} users, ${connections} connections kept open; interleaved rounds of ` +
        `${requests} requests. What is compared at the end was measured in ${ratios.length} pairs of fresh processes. CPU is that of the app's process alone. Commands and bytes are counted between ` +
        'app and Redis over 1,000 requests, the first one of each user after the login included. In the last column ' +
        'each user comes ten times, to four processes in turns.',
      rows,
      notes,
      goals,
      plots: {
        'guarded-request': bars(
          'CPU per guarded request, µs',
          measured.map((name) => ({ label: name, ...spreadOf(cpu[name] ?? []) })),
        ),
      },
    }
  } finally {
    await Promise.all(running.map((app) => app.stop()))
    await redis.close()
    await provider.close()
  }
}

const noShot = (_number: number) => ({ path: '/' })
