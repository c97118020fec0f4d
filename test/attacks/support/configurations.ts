import { type Simulator, type SimulatorOptions, startPagerDuty } from '../../../src/testing'
import { programs } from '../../support/programs'
import { type RedisServer, startRedis } from '../../support/redis'
import { Victim, type VictimStart } from './start-victim'

/** One of the ways in which users run the package. */
export interface Configuration {
  express: 4 | 5
  style: 'drop-in' | 'parts'
  store: 'memory' | 'redis'
}

const all: Configuration[] = ([4, 5] as const).flatMap((express) =>
  (['parts', 'drop-in'] as const).flatMap((style) =>
    (['memory', 'redis'] as const).map((store) => ({ express, style, store })),
  ),
)

/** The eight ways. Without redis-server four are left; the global set-up has said so loudly. */
export const configurations = all.filter(
  ({ store }) => store === 'memory' || programs['redis-server'] !== undefined,
)

/** Those with `pd.auth()`, for attacks on what the individual middleware leaves to the app. */
export const dropIns = configurations.filter(({ style }) => style === 'drop-in')

/** Those whose grants are in Redis: none without redis-server. */
export const overRedis = configurations.filter(({ store }) => store === 'redis')

/** What a test in one of them has. */
export interface InConfiguration {
  readonly simulator: Simulator
  readonly victim: Victim
  /** Where Redis listens, if it is kept there. */
  readonly redis: RedisServer | undefined
  /** Another process of the same app, over the same Redis; or one that is particular in some way. */
  another(more?: Partial<VictimStart>): Promise<Victim>
}

const secret = 'a session secret of thirty-two characters and more'

/**
 * Runs the tests in each of these, with a simulator and one victim for all of them. At the end, none of it may have crashed.
 * Without CONFIGURATIONS=all, only the last one is used: where it is among them, Express 5 with `pd.auth()` over Redis.
 */
export function forEachConfiguration(
  which: readonly Configuration[],
  define: (app: InConfiguration & Configuration) => void,
  settings: { victim?: Partial<VictimStart>; simulator?: SimulatorOptions } = {},
): void {
  if (which.length === 0) return // Without redis-server there may be none.
  const tried = process.env['CONFIGURATIONS'] === 'all' ? which : which.slice(-1)
  describe.each(tried)('Express $express, $style, $store', (app) => {
    const running: { simulator?: Simulator; redis?: RedisServer; victims: Victim[] } = { victims: [] }
    const start = async (more: Partial<VictimStart> = {}) => {
      const { simulator, redis } = running
      const { options, ...rest } = { ...settings.victim, ...more }
      const victim = await Victim.start(simulator, {
        express: app.express,
        style: app.style,
        ...(redis && { redis: redis.url }),
        ...rest,
        options: {
          secret,
          ...(redis && { redis: redis.url }),
          ...settings.victim?.options,
          ...options,
        },
      })
      running.victims.push(victim)
      return victim
    }
    beforeAll(async () => {
      running.simulator = await startPagerDuty(settings.simulator)
      if (app.store === 'redis') running.redis = await startRedis()
      await start()
    })
    afterAll(async () => {
      const problems = running.victims.flatMap((victim) => victim.problems)
      await Promise.all(running.victims.map((victim) => victim.stop()))
      await running.redis?.stop()
      await running.simulator?.close()
      expect(problems).toEqual([])
    })
    beforeEach(() => {
      running.simulator?.clearFaults()
      running.simulator?.resetCalls()
    })
    define({
      ...app,
      get simulator() {
        return running.simulator as Simulator
      },
      get victim() {
        return running.victims[0] as Victim
      },
      get redis() {
        return running.redis
      },
      another: start,
    })
  })
}
