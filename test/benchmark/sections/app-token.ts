import { AppProcess } from '../app-process'
import { type Bench, type Finding, type Rows, count, exactly, ratio } from '../bench'
import { median, ratioOf, showRatio, spreadOf } from '../figures'
import { startProvider } from '../log-in'
import { RedisWatch } from '../redis-watch'
import { bars } from '../svg'

const processes = 4
const ours = 'passport-pagerduty'
const google = 'google-auth-library'
const coldOnes = [ours, 'simple-oauth2', 'a bare cached promise']

/** Tokens of the app itself. */
export async function appToken({ isQuick, progress }: Bench): Promise<Finding> {
  const [rounds, milliseconds, callers] = isQuick ? [7, 30, 1000] : [15, 100, 1000]
  const provider = await startProvider()
  const redis = await RedisWatch.start()
  const { simulator } = provider
  const workers: AppProcess[] = []
  const requests: Record<string, { calls: number; failed: number }> = {}
  try {
    const env = provider.environment('app-token', redis.url)
    while (workers.length < processes) workers.push(await AppProcess.start('app-token', env))
    simulator.settings.tokenLatency = 100
    for (const name of coldOnes) {
      progress(`app token: ${name}, cold`)
      simulator.resetCalls()
      const asked = await Promise.all(
        workers.map((worker) => worker.ask<{ failed: number }>('cold', { name, callers })),
      )
      const failed = asked.reduce((sum, one) => sum + one.failed, 0)
      requests[name] = { calls: simulator.calls.token.client_credentials, failed }
    }
    simulator.settings.tokenLatency = 0
    progress('app token: cached')
    const [worker] = workers as [AppProcess]
    const { values, missing } = await worker.ask<{
      values: Record<string, number[]>
      missing: Record<string, string>
    }>('cached', { rounds, milliseconds })
    const mine = values[ours] ?? []
    const rows: Rows = [
      ['', 'cached, ns of CPU', 'against passport-pagerduty', 'calls, cold', 'failed, cold'],
    ]
    for (const [name, times] of Object.entries(values)) {
      rows.push([
        name,
        Math.round(median(times)),
        showRatio(ratioOf(times, mine)),
        requests[name]?.calls ?? '–',
        requests[name]?.failed ?? '–',
      ])
    }
    const goals = [
      exactly(
        `token requests for ${processes} processes × ${callers} callers`,
        requests[ours]?.calls ?? NaN,
        1,
      ),
      count('callers without a token', requests[ours]?.failed ?? NaN, 0),
    ]
    if (values[google]) {
      const spread = ratioOf(mine, values[google])
      goals.push(ratio('cached app token against google-auth-library', spread.median, 1, showRatio(spread)))
    }
    return {
      title: 'App token',
      how:
        `Cached: one caller after the other, each candidate ${milliseconds} ms in each of ${rounds} interleaved rounds of one process. ` +
        `Cold: ${processes} processes × ${callers.toLocaleString('en-US')} callers at once, none of them with a token; a request takes 100 ms. ` +
        'The caches of google-auth-library and @octokit/auth-app belong to other providers and were not measured cold.',
      rows,
      notes: Object.entries(missing).map(
        ([name, why]) => `**NOT MEASURED: ${name} did not run here** (${why}).`,
      ),
      goals,
      plots: {
        'app-token': bars(
          'Cached app token, ns',
          Object.entries(values).map(([name, times]) => ({ label: name, ...spreadOf(times) })),
        ),
      },
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()))
    await redis.close()
    await provider.close()
  }
}
