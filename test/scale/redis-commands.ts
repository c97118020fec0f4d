import { Redis } from 'ioredis'
import { approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { startDropIn } from '../support/drop-in'
import { watchCommands } from '../support/redis'

const path = '/incidents'
const hour = 3_600_000

/** The names of the commands that each thing costs, in the order in which they are sent. */
export type Commands = Record<
  'login' | 'first request' | 'request' | 'refresh' | 'failed refresh' | 'refresh in backoff' | 'logout',
  readonly string[]
>

/** What a real login leaves in Redis, to be multiplied. */
export interface Sample {
  value: string
  grantID: string
}

/** Counts what two processes of an app with `pd.auth()` send during one login. */
export async function measureCommands(url: string): Promise<{ commands: Commands; session: Sample }> {
  const simulator = await startPagerDuty()
  const [redis, inspector] = [new Redis(url), new Redis(url)]
  const secret = 'a secret of thirty-two characters or more, for a simulation'
  let sent: string[] = []
  watchCommands(redis, (name = '') => sent.push(name))
  await inspector.flushall()
  const app = await startDropIn(simulator, { redis, secret })
  const other = await startDropIn(simulator, { redis, secret })
  const [now, monotonic] = [Date.now, performance.now.bind(performance)]
  const during = async (work: () => Promise<unknown>) => {
    sent = []
    await work()
    return [...sent]
  }
  try {
    const browser = new Browser()
    const callback = await approve(await app.begin(browser))
    // A login that takes long looks once more whether another one has replaced it.
    const instant = performance.now()
    performance.now = () => instant
    const login = await during(() => browser.visit(callback))
    performance.now = monotonic
    const [sessionKey = ''] = await inspector.keys('pagerduty:sess:*')
    const grantID = /\{(.+)\}/.exec(sessionKey)?.[1] ?? ''
    const value = (await inspector.get(sessionKey)) ?? ''
    const first = await during(() => app.get(browser, path))
    const request = await during(() => app.get(browser, path))
    await browser.fetch(other.url + path)

    // The last minutes of the day that a Scoped access token lives.
    Date.now = () => now() + 23.95 * hour
    const refresh = await during(async () => {
      const refreshed = new Promise<void>((resolve) => void app.pd.on('refresh', () => resolve()))
      await app.get(browser, path)
      await refreshed
      while (await inspector.exists(`pagerduty:lock:{${grantID}}`)) continue
    })
    Date.now = () => now() + 47.9 * hour
    simulator.failNext('token', { status: 503, retryAfter: 60 })
    const failed = await during(async () => {
      const told = new Promise<void>((resolve) => void app.pd.on('refreshFailed', () => resolve()))
      await app.get(browser, path)
      await told
    })
    const leftAlone = await during(async () => {
      const told = new Promise<void>((resolve) => void other.pd.on('refreshFailed', () => resolve()))
      await browser.fetch(other.url + path)
      await told
    })
    const logout = await during(() => app.logOut(browser))
    const without = (commands: readonly string[]) => commands.slice(request.length)
    return {
      commands: {
        login,
        'first request': first,
        request,
        refresh: without(refresh),
        'failed refresh': without(failed),
        'refresh in backoff': without(leftAlone),
        logout,
      },
      session: { value, grantID },
    }
  } finally {
    Date.now = now
    performance.now = monotonic
    for (const running of [app, other]) await running.close()
    for (const client of [redis, inspector]) client.disconnect()
    await simulator.close()
  }
}
