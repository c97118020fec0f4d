import { setTimeout as pause } from 'node:timers/promises'
import { describeWithRedis } from '../support/redis'
import type { Worker } from './fleet'
import { rounds } from './scale'
import { Score, nothingWrong } from './score'
import { type Held, type Which, grantRead, lockCommand, refreshRequest } from './tap'
import type { User } from './user'
import { type World, inWorld, lifetime } from './world'

const atOnce = 10
const lockLife = 15_000

describeWithRedis('a process that is frozen', () => {
  test.concurrent.each([
    ['the lock', [lockCommand]],
    ['the look at the grant under the lock', [lockCommand, grantRead]],
  ])('after %s, before the POST, presents no token that another one has presented', (what, commands) =>
    inWorld({ grace: 0, reuse: 'revoke-family' }, async (world) => {
      const score = new Score(`frozen after ${what}, until another process has refreshed`)
      for (let done = 0; done < rounds(20); done += atOnce) {
        const [users, frozen] = await comeTogether(world, Math.min(atOnce, rounds(20) - done))
        const held = await Promise.all(
          users.map((user, i) => freezeAfter(commands, user, frozen[i] as Worker)),
        )
        await pause(lockLife)
        await Promise.all(users.map((user) => expectNewest(user, world.anyWorker, score)))
        for (const reply of held) reply.release()
        await pause(200) // The reply has arrived by now: a process that wakes finds it.
        for (const worker of frozen) worker.thaw()
        await Promise.all(users.map((user, i) => expectNewest(user, frozen[i] as Worker, score)))
        await world.noLocks()
        await Promise.all(users.map((user) => expectNewest(user, world.anyWorker, score)))
        await Promise.all(frozen.map((worker) => worker.kill()))
      }
      expect(score.finish(world, rounds(20))).toEqual(nothingWrong)
      expect(world.tokenCalls).toBe(rounds(20))
      expect(world.simulator.reuses).toBe(0)
    }),
  )

  test.concurrent('after the POST adopts what another one has stored meanwhile', () =>
    inWorld({ grace: 60 }, async (world) => {
      const score = new Score('frozen for 30 s after the POST, grace 60 s')
      for (let done = 0; done < rounds(20); done += atOnce) {
        const [users, frozen] = await comeTogether(world, Math.min(atOnce, rounds(20) - done))
        await Promise.all(users.map((user, i) => freezeAtPost(user, frozen[i] as Worker)))
        const thawed = pause(30_000).then(() => frozen.map((worker) => worker.thaw()))
        await pause(lockLife)
        await Promise.all(users.map((user) => expectNewest(user, world.anyWorker, score)))
        await thawed
        await Promise.all(users.map((user, i) => expectNewest(user, frozen[i] as Worker, score)))
        await world.noLocks()
        await Promise.all(users.map((user) => expectNewest(user, world.anyWorker, score)))
        await Promise.all(frozen.map((worker) => worker.kill()))
      }
      expect(score.finish(world, rounds(20))).toEqual(nothingWrong)
      expect(world.tokenCalls).toBe(2 * rounds(20))
    }))
})

/** Users with ended tokens, and a worker for each of them to freeze. */
async function comeTogether(world: World, count: number): Promise<[User[], Worker[]]> {
  const workers = await Promise.all(Array.from({ length: count }, () => world.startWorker({ tapped: true })))
  const users = await world.logIn(count, workers)
  await world.pass(lifetime)
  return [users, workers]
}

/** Redis has done the commands; the worker has not read the last reply. */
async function freezeAfter(commands: readonly Which[], user: User, worker: Worker): Promise<Held> {
  const { toStore } = worker
  if (toStore === undefined) throw new Error('This needs a relay')
  const answer = commands.reduce<Promise<unknown> | undefined>(
    (before, command) => (before ? before.then(() => toStore.passing(command)) : toStore.passing(command)),
    undefined,
  )
  void user.ask(worker)
  await answer
  const held = await toStore.holding((_, direction) => direction === 'back')
  worker.freeze()
  return held
}

async function freezeAtPost(user: User, worker: Worker): Promise<void> {
  const sent = worker.toPagerDuty?.passing(refreshRequest)
  void user.ask(worker)
  await sent
  worker.freeze()
}

async function expectNewest(user: User, worker: Worker, score: Score): Promise<void> {
  const answer = await user.ask(worker)
  score.judge(user, answer, 200)
  score.recovered(answer.after)
  if (answer.token !== user.newestToken) score.object(`${user.id} has an old token`)
}
