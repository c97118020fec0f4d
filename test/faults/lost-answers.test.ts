import type { Fault } from '../../src/testing'
import { describeWithRedis } from '../support/redis'
import { startBrokenFront } from './broken-front'
import type { Worker } from './fleet'
import { rounds } from './scale'
import { Score, nothingWrong } from './score'
import type { User } from './user'
import { type World, inWorld, lifetime, until } from './world'

const noGrace = { grace: 0, reuse: 'revoke-family' } as const
const faults = ['reset', 'reset-after', 'half'] as const satisfies Fault[]
const meanings = {
  reset: 'the connection breaks before the request took effect',
  'reset-after': 'the connection breaks after the request took effect',
  half: 'the answer breaks off in its middle',
}

describeWithRedis('a response of PagerDuty that gets lost', () => {
  test.concurrent.each(faults)('by %s is requested again and found, within a grace period', (fault) =>
    inWorld({ grace: 10 }, async (world) => {
      const score = new Score(`${meanings[fault]}, grace 10 s`)
      const users = await expireFor(world, rounds(100), lifetime)
      for (const user of users) {
        world.simulator.failNext('token', fault)
        await expectNewToken(user, world.anyWorker, score)
        world.simulator.clearFaults()
      }
      expect(score.finish(world, users.length)).toEqual(nothingWrong)
      expect(world.tokenCalls).toBe(2 * users.length)
    }),
  )

  test.concurrent.each(['reset-after', 'half'] as const)(
    'by %s costs one login without a grace period, at the end of the old token',
    (fault) =>
      inWorld(noGrace, async (world) => {
        const score = new Score(`${meanings[fault]}, no grace`)
        const users = await expireFor(world, rounds(100), lifetime - 60)
        for (const user of users) {
          world.simulator.failNext('token', fault)
          const before = world.simulator.reuses
          score.judge(user, await user.ask(world.anyWorker), 200)
          await until('the retry was refused', () => world.simulator.reuses > before)
          await world.noLocks()
          for (const worker of world.workers) score.judge(user, await user.ask(worker), 200)
        }
        const calls = world.tokenCalls
        await world.pass(60)
        for (const user of users) await logInOnce(world, user, score)
        expect(score.finish(world, users.length)).toEqual(nothingWrong)
        expect(calls).toBe(2 * users.length)
      }),
  )

  test('at any of its bytes is requested again and found, within a grace period', () =>
    inWorld({ grace: 10 }, async (world) => {
      const score = new Score('the answer breaks off at byte k, grace 10 s')
      const users = await world.logIn(rounds(200))
      let round = 0
      const front = await startBrokenFront(world.simulator.url, (length) =>
        Math.floor((length * round) / users.length),
      )
      const worker = await world.startWorker({ env: { PAGERDUTY_IDENTITY_URL: front.url } })
      await world.pass(lifetime)
      for (const user of users) {
        await expectNewToken(user, worker, score)
        round += 1
      }
      await front.close()
      expect(score.finish(world, users.length)).toEqual(nothingWrong)
      expect(world.tokenCalls).toBe(2 * users.length)
    }))
})

async function expireFor(world: World, count: number, age: number): Promise<User[]> {
  const users = await world.logIn(count)
  await world.pass(age)
  return users
}

async function expectNewToken(user: User, worker: Worker, score: Score): Promise<void> {
  const answer = await user.ask(worker)
  score.judge(user, answer, 200)
  score.recovered(answer.after)
  if (answer.token !== user.newestToken) score.object(`${user.id} has an old token`)
}

async function logInOnce(world: World, user: User, score: Score): Promise<void> {
  score.judge(user, await user.ask(world.anyWorker), 401)
  await user.logIn(world.anyWorker)
  for (const worker of world.workers) score.judge(user, await user.ask(worker), 200)
}
