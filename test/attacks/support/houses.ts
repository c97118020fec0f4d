import { type StandIn, type StandInOptions, startPagerDuty } from '../../../src/testing'
import { programs } from '../../support/programs'
import { type RedisServer, startRedis } from '../../support/redis'
import { Victim, type VictimStart } from './start-victim'

/** One of the ways in which users run the package. */
export interface House {
  express: 4 | 5
  style: 'drop-in' | 'parts'
  store: 'memory' | 'redis'
}

const all: House[] = ([4, 5] as const).flatMap((express) =>
  (['drop-in', 'parts'] as const).flatMap((style) =>
    (['memory', 'redis'] as const).map((store) => ({ express, style, store })),
  ),
)

/** The eight ways. Without redis-server four are left; the global set-up has said so loudly. */
export const houses = all.filter(({ store }) => store === 'memory' || programs['redis-server'] !== undefined)

/** One of each kind, for attacks on what does not depend on the rest. */
export const dropIns = houses.filter(({ style }) => style === 'drop-in')

/** Four of them, with each Express, style and store among them, for attacks that take their time. HOUSES=all tries all. */
export const halfOfThem =
  process.env['HOUSES'] === 'all'
    ? houses
    : houses.filter(({ express, store }) => (express === 5) === (store === 'redis'))

/** Those whose grants are in Redis: none without redis-server. */
export const overRedis = houses.filter(({ store }) => store === 'redis')

/** What a test in a house has. */
export interface InHouse {
  readonly standIn: StandIn
  readonly victim: Victim
  /** Where Redis listens, if there is one in this house. */
  readonly redis: RedisServer | undefined
  /** Another process of the same app, over the same Redis; or one that is particular in some way. */
  another(more?: Partial<VictimStart>): Promise<Victim>
}

const secret = 'a session secret of thirty-two characters and more'

/** Runs the tests in each house, with a stand-in and one victim for all of them. At the end, none of it may have crashed. */
export function inEachHouse(
  which: readonly House[],
  define: (house: InHouse & House) => void,
  settings: { victim?: Partial<VictimStart>; standIn?: StandInOptions } = {},
): void {
  if (which.length === 0) return // Without redis-server some kinds have no house.
  describe.each(which)('Express $express, $style, $store', (house) => {
    const running: { standIn?: StandIn; redis?: RedisServer; victims: Victim[] } = { victims: [] }
    const start = async (more: Partial<VictimStart> = {}) => {
      const { standIn, redis } = running
      const { options, ...rest } = { ...settings.victim, ...more }
      const victim = await Victim.start(standIn, {
        express: house.express,
        style: house.style,
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
      running.standIn = await startPagerDuty(settings.standIn)
      if (house.store === 'redis') running.redis = await startRedis()
      await start()
    }, 30_000)
    afterAll(async () => {
      const problems = running.victims.flatMap((victim) => victim.problems)
      await Promise.all(running.victims.map((victim) => victim.stop()))
      await running.redis?.stop()
      await running.standIn?.close()
      expect(problems).toEqual([])
    }, 30_000)
    beforeEach(() => {
      running.standIn?.clearFaults()
      running.standIn?.resetCalls()
    })
    define({
      ...house,
      get standIn() {
        return running.standIn as StandIn
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
