import { setTimeout as pause } from 'node:timers/promises'
import { describeOnEachStore } from './backing'
import type { Worker } from './fleet'
import { busyMachine, rounds } from './scale'
import { Score, nothingWrong } from './score'
import { refreshAnswer, refreshRequest } from './tap'
import type { User } from './user'
import { type World, inWorld, lifetime, until } from './world'

/** Resolves when the worker has come to a point of its refresh; it stays there. */
type Point = (worker: Worker) => Promise<unknown>

const harmless: Record<string, Point> = {
  'after the lock, before the POST': (worker) => worker.atLock(),
  'after the POST, before PagerDuty saw it': async ({ toPagerDuty }) => toPagerDuty?.holding(refreshRequest),
}
const harmful: Record<string, Point> = {
  'after PagerDuty did it, before its answer': async ({ toPagerDuty }) => toPagerDuty?.holding(refreshAnswer),
  'after the answer, before it is stored': (worker) => worker.atGrantWrite(),
}
const noGrace = { grace: 0, reuse: 'revoke-family' } as const

const atOnce = 10
/** The lock of a dead process lasts for 15 s, and a second later another process has taken over. */
const takenOverWithin = 16_000 + busyMachine

describeOnEachStore('kill -9 of the process that refreshes', (store) => {
  const points = Object.entries({ ...harmless, ...harmful })

  test.concurrent.each(points)('%s: users do not notice while the token lives', (name, point) =>
    inWorld({ store, grace: 60 }, async (world) => {
      const score = new Score(`kill -9 ${name}: token alive, grace 60 s, on ${store}`)
      await inBatches(rounds(70), async (count) => {
        const users = await strike(world, point, count, lifetime - 60)
        await Promise.all(users.map((user) => takeOver(world, user, score, 200)))
      })
      expect(score.finish(world, rounds(70))).toEqual(nothingWrong)
      expect(score.slowestRecovery).toBeLessThan(takenOverWithin)
    }),
  )

  test.concurrent.each(points)('%s: another takes over where the token has ended', (name, point) =>
    inWorld({ store, grace: 60 }, async (world) => {
      const score = new Score(`kill -9 ${name}: token ended, grace 60 s, on ${store}`)
      await inBatches(rounds(30), async (count) => {
        const users = await strike(world, point, count, lifetime)
        await Promise.all(users.map((user) => takeOver(world, user, score, 200, 503)))
      })
      expect(score.finish(world, rounds(30))).toEqual(nothingWrong)
      expect(score.slowestRecovery).toBeLessThan(takenOverWithin)
    }),
  )

  test.concurrent.each(Object.entries(harmful))(
    '%s: without grace it costs one login, at the end of the old token',
    (name, point) =>
      inWorld({ ...noGrace, store }, async (world) => {
        const score = new Score(`kill -9 ${name}: token alive, no grace, on ${store}`)
        await inBatches(rounds(100), async (count) => {
          const before = world.simulator.reuses
          const users = await strike(world, point, count, lifetime - 60)
          const isPresentedAgain = () => world.simulator.reuses - before >= count
          await Promise.all(users.map((user) => goOn(world, user, score, isPresentedAgain)))
          await world.pass(lifetime)
          await Promise.all(users.map((user) => logInAgain(world, user, score)))
        })
        expect(score.finish(world, rounds(100))).toEqual(nothingWrong)
      }),
  )

  test.concurrent.each(Object.entries(harmful))(
    '%s: without grace and with an ended token it costs one login, when the lock has ended',
    (name, point) =>
      inWorld({ ...noGrace, store }, async (world) => {
        const score = new Score(`kill -9 ${name}: token ended, no grace, on ${store}`)
        await inBatches(rounds(30), async (count) => {
          const users = await strike(world, point, count, lifetime)
          await Promise.all(users.map((user) => logInAgain(world, user, score)))
        })
        expect(score.finish(world, rounds(30))).toEqual(nothingWrong)
        expect(score.slowestRecovery).toBeLessThan(takenOverWithin)
      }),
  )
})

async function inBatches(total: number, run: (count: number) => Promise<void>): Promise<void> {
  for (let done = 0; done < total; done += atOnce) await run(Math.min(atOnce, total - done))
}

/** Has as many workers as users refresh, each user's at their own, and kills each worker at the point. */
async function strike(world: World, point: Point, count: number, age: number): Promise<User[]> {
  const victims = await Promise.all(Array.from({ length: count }, () => world.startWorker({ tapped: true })))
  const users = await world.logIn(count, victims)
  await world.pass(age)
  await Promise.all(
    users.map(async (user, index) => {
      const victim = victims[index] as Worker
      const reached = point(victim).then(() => true)
      const requests = [user.ask(victim)]
      // On a machine that is too busy Redis may miss its deadline, and the refresh waits for the next request.
      while (!(await Promise.race([reached, pause(3_000, false)]))) requests.push(user.ask(victim))
      await victim.kill()
      await Promise.all(requests)
    }),
  )
  return users
}

/** Asks at the other workers until there is a new token. */
async function takeOver(world: World, user: User, score: Score, ...right: number[]): Promise<void> {
  const killedAt = performance.now()
  const before = user.token
  await until(
    `a new token for ${user.id}`,
    async () => {
      score.judge(user, await user.ask(world.anyWorker), ...right)
      return user.token !== before
    },
    { within: 30_000, every: 100 },
  )
  score.recovered(performance.now() - killedAt)
}

/** Asks at the other workers, which serve the old token. */
async function goOn(world: World, user: User, score: Score, isEnough: () => boolean): Promise<void> {
  await until(
    'the refresh tokens are presented again',
    async () => {
      score.judge(user, await user.ask(world.anyWorker), 200)
      return isEnough()
    },
    { within: 30_000, every: 100 },
  )
  score.judge(user, await user.ask(world.anyWorker), 200)
}

/** Has to log in, once, and is then served. */
async function logInAgain(world: World, user: User, score: Score): Promise<void> {
  const startedAt = performance.now()
  let status: number
  do {
    const answer = await user.ask(world.anyWorker)
    score.judge(user, answer, 401, 503)
    status = answer.status
  } while (status === 503)
  score.recovered(performance.now() - startedAt)
  await user.logIn(world.anyWorker)
  score.judge(user, await user.ask(world.anyWorker), 200)
}
