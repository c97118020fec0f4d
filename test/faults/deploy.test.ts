import { setTimeout as pause } from 'node:timers/promises'
import { describeWithRedis } from '../support/redis'
import { Score, nothingWrong } from './score'
import type { User } from './user'
import { type World, inWorld, lifetime } from './world'

const [old, next] = [
  'the secret that is on its way out of use',
  'the secret that takes its place from now on',
]

describeWithRedis('a rolling deployment', () => {
  test('of a new session secret, under load, logs no user out', () =>
    inWorld({ workers: 0 }, async (world) => {
      const score = new Score('session secret rotated, process by process, under load')
      for (let i = 0; i < 3; i++)
        world.workers.push(await world.startWorker({ env: { SESSION_SECRET: old } }))
      const users = await world.logIn(20)
      let isOver = false
      const load = Promise.all(users.map((user) => keepAsking(world, user, score, () => isOver)))
      // First all processes learn to read what the new secret seals, then they use it.
      await deploy(world, { SESSION_SECRET: `${old},${next}` })
      await deploy(world, { SESSION_SECRET: `${next},${old}` })
      isOver = true
      await load
      const newcomers = await world.logIn(5)
      await world.pass(lifetime)
      for (const user of [...users, ...newcomers]) {
        for (const worker of world.workers) score.judge(user, await user.ask(worker), 200)
      }
      expect(score.finish(world, 6)).toEqual(nothingWrong)
      expect(world.simulator.reuses).toBe(0)
    }))
})

/** Replaces the workers one by one. Tokens end meanwhile. */
async function deploy(world: World, env: Record<string, string>): Promise<void> {
  for (let i = 0; i < world.workers.length; i++) {
    const [replaced] = world.workers.splice(i, 1, await world.startWorker({ env }))
    await world.pass(lifetime / 3)
    await pause(500)
    await replaced?.terminate()
  }
}

async function keepAsking(world: World, user: User, score: Score, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    score.judge(user, await user.ask(world.anyWorker), 200)
    await pause(50)
  }
}
