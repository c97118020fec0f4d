import { setTimeout as pause } from 'node:timers/promises'
import type { Fault } from '../../src/testing'
import { describeWithRedis } from '../support/redis'
import { busyMachine, duration, isFull } from './scale'
import { Score, nothingWrong } from './score'
import type { User } from './user'
import { type World, inWorld, lifetime, until } from './world'

const minute = duration(60_000)
const longestClientPause = 30_000

describeWithRedis('a PagerDuty that rejects', () => {
  test('the client logs no user out, however many sessions there are', () =>
    inWorld({ workers: 4 }, async (world) => {
      const score = new Score(`invalid_client for ${minute / 1000} s, ${isFull ? 1000 : 100} sessions`)
      const ended = await world.logIn(isFull ? 500 : 50)
      await world.pass(200)
      const alive = await world.logIn(isFull ? 500 : 50)
      // The second half has 90 to 100 seconds left, within which its tokens are renewed ahead.
      await world.pass(lifetime - 100)

      world.simulator.settings.tokenFault = () => 'invalid_client'
      const isOver = after(minute)
      await Promise.all([
        ...ended.map((user) => keepAsking(world, user, score, isOver, [503], 1000)),
        ...alive.map((user) => keepAsking(world, user, score, isOver, [200], 1000)),
      ])
      const calls = world.tokenCalls
      world.simulator.settings.tokenFault = undefined
      await Promise.all([
        ...ended.map((user) => recover(world, user, score, [503])),
        ...alive.map((user) => recover(world, user, score, [])),
      ])
      expect(score.finish(world, 1, calls)).toEqual(nothingWrong)
      // The refreshes that had begun before the first rejection was stored, and then one try after each pause.
      expect(calls).toBeLessThanOrEqual(40)
      // A second until the pause is looked up again, and one until the first try has succeeded.
      expect(score.slowestRecovery).toBeLessThan(Math.min(longestClientPause, minute) + 2_000 + busyMachine)
    }))

  test.each<[string, Fault]>([
    ['with 429', { status: 429, retryAfter: 2, body: {} }],
    ['with 503', '503'],
  ])('everything %s is left alone for ever longer, by all processes together', (what, fault) =>
    inWorld({ workers: 4 }, async (world) => {
      const score = new Score(`${what.slice(5)} for ${minute / 1000} s, 4 x 100 requests/s on one grant`)
      const [user] = (await world.logIn(1)) as [User]
      await world.pass(lifetime)
      world.simulator.settings.tokenFault = () => fault
      const isOver = after(minute)
      await Promise.all(world.workers.map((worker) => hammer(user, worker.url, isOver)))
      const calls = world.tokenCalls
      world.simulator.settings.tokenFault = undefined
      await recover(world, user, score, [503])
      expect(score.finish(world, 1, calls)).toEqual(nothingWrong)
      expect(calls).toBeLessThanOrEqual(isFull ? 12 : 6)
      // Pauses double, so that the last of them is no longer than all before it, and a second.
      expect(score.slowestRecovery).toBeLessThan(minute + 1_000 + busyMachine)

      async function hammer(someone: User, url: string, isEnough: () => boolean): Promise<void> {
        const pending = new Set<Promise<void>>()
        while (!isEnough()) {
          const worker = world.workers.find((candidate) => candidate.url === url)
          if (worker === undefined) throw new Error('No such worker')
          const request = someone
            .copy()
            .ask(worker)
            .then((answer) => score.judge(someone, answer, 503))
          pending.add(request)
          void request.finally(() => pending.delete(request))
          await pause(10)
        }
        await Promise.all(pending)
      }
    }),
  )

  test('one process, which has a wrong secret, logs no user out', () =>
    inWorld({ workers: 3 }, async (world) => {
      const score = new Score('a wrong client secret at one of 4 processes')
      const env = { PAGERDUTY_CLIENT_SECRET: 'not the secret' }
      const wrong = await world.startWorker({ env })
      const users = await world.logIn(20)
      await world.pass(lifetime)
      await Promise.all(users.map(async (user) => score.judge(user, await user.ask(wrong), 503)))
      await wrong.terminate()
      await Promise.all(users.map((user) => recover(world, user, score, [503])))
      expect(score.finish(world, 1)).toEqual(nothingWrong)
      expect(score.slowestRecovery).toBeLessThan(longestClientPause + busyMachine)
    }))
})

function after(milliseconds: number): () => boolean {
  const end = performance.now() + milliseconds
  return () => performance.now() >= end
}

async function keepAsking(
  world: World,
  user: User,
  score: Score,
  isOver: () => boolean,
  right: number[],
  every: number,
): Promise<void> {
  await pause(Math.random() * every)
  while (!isOver()) {
    score.judge(user, await user.ask(world.anyWorker), ...right)
    await pause(every)
  }
}

/** Asks until there is a new token, and takes the time. */
async function recover(world: World, user: User, score: Score, meanwhile: number[]): Promise<void> {
  const healedAt = performance.now()
  const before = user.token
  const isRenewed = async () => {
    score.judge(user, await user.ask(world.anyWorker), 200, ...meanwhile)
    return user.token !== before
  }
  await until(`a new token for ${user.id}`, isRenewed, { within: 70_000, every: 200 })
  score.recovered(performance.now() - healedAt)
}
