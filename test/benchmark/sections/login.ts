import { approve } from '../../../src/testing'
import { Browser } from '../../support/browser'
import { AppProcess } from '../app-process'
import { type Bench, type Finding, type Rows, count, exactly, ratio, whereItRuns } from '../bench'
import { interleave, median, ratioOf, showRatio } from '../figures'
import { begin, crowd, startProvider } from '../log-in'
import { RedisWatch, showCommands } from '../redis-watch'

const ours = 'passport-pagerduty, Redis'
const handWired = 'hand-written (express-session, connect-redis, Passport)'
const openID = 'express-openid-connect (cookie)'
const programs: Record<string, string> = {
  [ours]: 'ours',
  [handWired]: 'hand-wired',
  [openID]: 'express-openid-connect',
  '@auth/express (cookie)': 'auth-express',
}

/** From the redirect to PagerDuty to the end of the callback. */
export async function login({ isQuick, progress }: Bench): Promise<Finding> {
  const [rounds, logins] = isQuick ? [3, 10] : [9, 30]
  const notes: string[] = []
  const provider = await startProvider()
  const { simulator } = provider
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
      const finish = async (user?: string) => {
        const browser = new Browser()
        const callback = await approve(await begin(program, app.url, browser), { user })
        return () => browser.visit(callback)
      }
      await (
        await finish()
      )()
      // The whole way is counted: what begins a login may write as well.
      simulator.resetCalls()
      const traffic = await redis.during(async () => (await finish())())
      const { token, userinfo, api } = simulator.calls
      const users = crowd.values()
      return {
        app,
        finish,
        users,
        traffic,
        tokenCalls: token.authorization_code,
        profileCalls: userinfo + api,
      }
    })
    const measure = async (name: string) => {
      progress(`login: ${name}`)
      const { app, finish, users } = ready.get(name) as NonNullable<ReturnType<typeof ready.get>>
      const before = await app.cpu()
      for (let number = 0; number < logins; number++) {
        // One user who logs in hundreds of times a minute would have a list of as many logins.
        await (
          await finish(users.next().value)
        )()
      }
      return ((await app.cpu()) - before) / logins
    }
    for (const name of ready.keys()) for (let round = 0; round < 3; round++) await measure(name) // Until it is compiled.
    const cpu = await interleave(rounds, [...ready.keys()], measure)
    const rows: Rows = [
      ['', 'token calls', 'profile calls', 'Redis commands', 'which', 'CPU, µs', 'CPU against hand-written'],
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
    const against = cpu[ours] && cpu[openID] && ratioOf(cpu[ours], cpu[openID])
    if (spread) {
      notes.push(
        `pd.auth() checks the id_token’s signature and encrypts what it stores; the hand-written route reads the id_token unchecked. Its CPU is ${showRatio(spread)} of that.`,
      )
    }
    return {
      title: 'Login',
      how:
        'One login from its start to the end of the callback, without the pages of PagerDuty; counted at the second ' +
        `login of a process. CPU: ${rounds} interleaved rounds of ${logins} logins, each of another user.`,
      rows,
      notes,
      goals: mine
        ? [
            ...(against
              ? [
                  ratio(
                    'CPU of a login against express-openid-connect',
                    against.median,
                    1,
                    showRatio(against),
                  ),
                ]
              : []),
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
