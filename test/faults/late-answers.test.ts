import { setTimeout as pause } from 'node:timers/promises'
import { describeWithRedis } from '../support/redis'
import { busyMachine } from './scale'
import { Score, nothingWrong } from './score'
import type { User } from './user'
import { type World, inWorld, lifetime, until } from './world'

const patience = 10_000
const each = 4

describeWithRedis('a response of PagerDuty that is late', () => {
  test.concurrent.each([12, 30, 55])('by %s s logs no user out', (seconds) =>
    inWorld({}, async (world) => {
      const score = new Score(`the answer comes after ${seconds} s`)
      const early = await world.logIn(each)
      await world.pass(100)
      const late = await world.logIn(each)
      // Those who came early have a token that has ended, the others one that lives 80 seconds more.
      await world.pass(lifetime - 80)

      world.simulator.settings.tokenLatency = seconds * 1000

      let isOver = false
      const locks = watchLocks(world, () => isOver)
      const startedAt = performance.now()
      await Promise.all([
        ...early.map((user) => waitFor(world, user, score, startedAt + seconds * 1000)),
        ...late.map((user) => goOnUntilRenewed(world, user, score)),
      ])
      isOver = true
      expect(await locks).toBeGreaterThan(5_000)
      expect(score.finish(world, 2 * each)).toEqual(nothingWrong)
      expect(world.tokenCalls).toBe(2 * each)
      expect(world.simulator.reuses).toBe(0)
    }),
  )
})

/** Gets a 503 every ten seconds, from each process, and is served when the response is there. */
async function waitFor(world: World, user: User, score: Score, answeredAt: number): Promise<void> {
  let answer
  let asked = 0
  do {
    asked += 1
    answer = await user.ask(world.anyWorker)
    score.judge(user, answer, 200, 503)
    if (answer.status === 503 && Math.abs(answer.after - patience) > busyMachine) {
      score.object(`${user.id} was asked for patience after ${answer.after.toFixed()} ms`)
    }
  } while (answer.status === 503)
  score.recovered(performance.now() - answeredAt)
  if (asked === 1) score.object(`${user.id} was not asked for patience`)
  if (answer.token !== user.newestToken) score.object(`${user.id} has an old token`)
}

async function goOnUntilRenewed(world: World, user: User, score: Score): Promise<void> {
  const before = user.token
  const isRenewed = async () => {
    const answer = await user.ask(world.anyWorker)
    score.judge(user, answer, 200)
    if (answer.after > busyMachine) score.object(`${user.id} waited for ${answer.after.toFixed()} ms`)
    return user.token !== before
  }
  await until(`a new token for ${user.id}`, isRenewed, { within: 70_000, every: 250 })
}

/** The shortest life in milliseconds that a lock was seen to have left. */
async function watchLocks(world: World, isOver: () => boolean): Promise<number> {
  let shortest = Infinity
  while (!isOver()) {
    const left = await Promise.all((await world.keys('lock')).map((key) => world.store.pttl(key)))
    shortest = Math.min(shortest, ...left.filter((milliseconds) => milliseconds >= 0))
    await pause(500)
  }
  return shortest
}
