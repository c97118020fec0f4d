import { setTimeout as pause } from 'node:timers/promises'
import { describeOnEachStore } from './backing'
import { rounds } from './scale'
import { Score, nothingWrong } from './score'
import type { User } from './user'
import { type World, inWorld, lifetime, until } from './world'

const latency = 200

describeOnEachStore('a logout', (store) => {
  // On two busy cores PostgreSQL takes longer than a second for more.
  const atOnce = store === 'PostgreSQL' ? 10 : 25

  test('at any moment of a refresh ends the grant, and revokes what the refresh got', () =>
    inWorld({ store, workers: 3, tokenLatency: latency }, async (world) => {
      const score = new Score(`logout while a refresh runs, on ${store}`)
      for (let done = 0; done < rounds(500); done += atOnce) {
        const users = await world.logIn(atOnce)
        await world.pass(lifetime)
        await Promise.all(users.map((user) => logOutDuring(world, user, '/token', score)))
        await Promise.all(users.map((user) => expectGone(world, user, score)))
      }
      expect(score.finish(world, rounds(500))).toEqual(nothingWrong)
      for (const kind of ['sess', 'grant', 'lock']) expect(await world.keys(kind)).toEqual([])
    }))

  test('is not undone by requests that write their session late', () =>
    inWorld({ store, workers: 3 }, async (world) => {
      const score = new Score(`logout while a request writes its session, on ${store}`)
      for (let done = 0; done < rounds(500); done += atOnce) {
        const users = await world.logIn(atOnce)
        const path = `/note?wait=${latency / 2}`
        await Promise.all(users.map((user) => logOutDuring(world, user, path, score)))
        await Promise.all(users.map((user) => expectGone(world, user, score)))
      }
      expect(score.finish(world, rounds(500))).toEqual(nothingWrong)
      for (const kind of ['sess', 'grant', 'lock']) expect(await world.keys(kind)).toEqual([])
    }))
})

/** Logs out at a random moment of another request of the same browser, at the same worker or another one. */
async function logOutDuring(world: World, user: User, path: string, score: Score): Promise<void> {
  const request = user.copy().ask(world.anyWorker, path)
  await pause(Math.random() * latency)
  score.judge(user, await user.copy().logOut(world.anyWorker), 204)
  score.judge(user, await request, 200, 401)
}

/** The old cookie is worth nothing anywhere, and neither are the tokens. */
async function expectGone(world: World, user: User, score: Score): Promise<void> {
  for (const worker of world.workers) score.judge(user, await user.copy().ask(worker), 401)
  const grants = await world.keys('grant')
  if (grants.some((key) => key.includes(user.grantID))) score.object(`${user.id} has a grant`)
  await until(`no token of ${user.id} is good`, () => user.newestToken === undefined)
}
