import { approve } from '../../../src/testing'
import { Browser } from '../../support/browser'
import { AppProcess } from '../app-process'
import { type Bench, type Finding, type Rows, count, exactly, whereItRuns } from '../bench'
import { interleave, median, ratioOf, showRatio } from '../figures'
import { begin, startProvider } from '../log-in'
import { RedisWatch, showCommands } from '../redis-watch'

const ours = 'passport-pagerduty, Redis'
const handWired = 'hand-wired (express-session, connect-redis, Passport)'
const programs: Record<string, string> = {
  [ours]: 'ours',
  [handWired]: 'hand-wired',
  'express-openid-connect (cookie)': 'express-openid-connect',
  '@auth/express (cookie)': 'auth-express',
}

/** From the redirect to PagerDuty to the end of the callback. */
export async function login({ isQuick, progress }: Bench): Promise<Finding> {
  const [rounds, logins] = isQuick ? [3, 10] : [9, 30]
  const notes: string[] = []
  const provider = await startProvider()
  const { standIn } = provider
  const running: RedisWatch[] = []
  const apps: AppProcess[] = []
  try {
    const ready = await whereItRuns(Object.keys(programs), notes, async (name) => {
      progress(`login: ${name}`)
      const program = programs[name] as string
      const redis = await RedisWatch.start()
      running.push(redis)
      const app = await AppProcess.start(program, provider.environment(program, await redis.counted()))
      apps.push(app)
      const finish = async () => {
        const browser = new Browser()
        const callback = await approve(await begin(program, app.url, browser))
        return () => browser.visit(callback)
      }
      await (
        await finish()
      )()
      // The whole way is counted: what begins a login may write as well.
      standIn.resetCalls()
      const traffic = await redis.during(async () => (await finish())())
      const { token, userinfo, api } = standIn.calls
      return { app, finish, traffic, tokenCalls: token.authorization_code, profileCalls: userinfo + api }
    })
    const cpu = await interleave(rounds, [...ready.keys()], async (name) => {
      progress(`login: ${name}`)
      const { app, finish } = ready.get(name) as NonNullable<ReturnType<typeof ready.get>>
      const before = await app.cpu()
      for (let number = 0; number < logins; number++) await (await finish())()
      return ((await app.cpu()) - before) / logins
    })
    const rows: Rows = [
      ['', 'token calls', 'profile calls', 'Redis commands', 'which', 'CPU, µs', 'CPU against hand-wired'],
    ]
    for (const [name, { traffic, tokenCalls, profileCalls }] of ready) {
      rows.push([
        name,
        tokenCalls,
        profileCalls,
        traffic.sent,
        showCommands(traffic.names),
        Math.round(median(cpu[name] ?? [])),
        cpu[handWired] ? showRatio(ratioOf(cpu[name] ?? [], cpu[handWired])) : '',
      ])
    }
    const mine = ready.get(ours)
    const spread = cpu[ours] && cpu[handWired] && ratioOf(cpu[ours], cpu[handWired])
    if (spread) {
      notes.push(
        `The drop-in checks the id_token’s signature and seals what it stores; the hand-wired route reads the id_token unchecked. Its CPU is ${showRatio(spread)} of that.`,
      )
    }
    return {
      title: 'Login',
      how:
        'One login from its start to the end of the callback, without the pages of PagerDuty; counted at the second ' +
        `login of a process. CPU: ${rounds} interleaved rounds of ${logins} logins.`,
      rows,
      notes,
      goals: mine
        ? [
            exactly('token calls of a login', mine.tokenCalls, 1),
            count('profile calls of a login', mine.profileCalls, 0),
            count('Redis commands of a login', mine.traffic.sent, 6),
          ]
        : [],
      plots: {},
    }
  } finally {
    await Promise.all(apps.map((app) => app.stop()))
    await Promise.all(running.map((redis) => redis.close()))
    await provider.close()
  }
}
