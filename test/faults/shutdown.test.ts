import { describeOnEachStore } from './backing'
import type { Worker } from './fleet'
import { busyMachine, rounds } from './scale'
import { Score, nothingWrong } from './score'
import { refreshRequest } from './tap'
import type { User } from './user'
import { type World, inWorld, lifetime } from './world'

const latency = 2_000
const atOnce = 10

describeOnEachStore('SIGTERM', (store) => {
  test('during a refresh lets it finish, stores the pair and ends the process', () =>
    inWorld({ store, tokenLatency: latency, grace: 0, reuse: 'revoke-family' }, async (world) => {
      const score = new Score(`SIGTERM during a refresh, on ${store}`)
      for (let done = 0; done < rounds(100); done += atOnce) {
        world.simulator.settings.tokenLatency = 0
        const ending = await Promise.all(
          Array.from({ length: atOnce }, () => world.startWorker({ tapped: true })),
        )
        const users = await world.logIn(atOnce, ending)
        await world.pass(lifetime)
        world.simulator.settings.tokenLatency = latency
        await Promise.all(users.map((user, i) => endDuring(user, ending[i] as Worker, score)))
        expect(await world.keys('lock')).toEqual([])
        await Promise.all(users.map((user) => expectNewest(world, user, score)))
      }
      expect(score.finish(world, rounds(100))).toEqual(nothingWrong)
      expect(world.tokenCalls).toBe(rounds(100))
    }))
})

async function endDuring(user: User, worker: Worker, score: Score): Promise<void> {
  const sent = worker.toPagerDuty?.passing(refreshRequest)
  const request = user.ask(worker)
  await sent
  const { code, after } = await worker.terminate()
  if (code !== 0) score.object(`a worker ended with ${code}`)
  if (after > latency + 1_000 + busyMachine) score.object(`a worker ended after ${after.toFixed()} ms`)
  score.recovered(after)
  score.judge(user, await request, 200)
}

async function expectNewest(world: World, user: User, score: Score): Promise<void> {
  const answer = await user.ask(world.anyWorker)
  score.judge(user, answer, 200)
  if (answer.token !== user.newestToken) score.object(`${user.id} has an old token`)
}
