import { describeOnEachStore } from './backing'
import { Score, nothingWrong } from './score'
import { inWorld, lifetime } from './world'

const hour = 60 * 60_000

describeOnEachStore('a clock that steps', (store) => {
  // The processes on one file are on one machine, and have one clock.
  const stepped = store === 'SQLite' ? 3 : 1

  test.each([
    ['an hour ahead', hour, lifetime / 2],
    ['an hour back', -hour, lifetime + 60],
  ])('%s costs one refresh more at the most, and no user notices', (what, step, age) =>
    inWorld({ store, workers: 3 }, async (world) => {
      const score = new Score(`the clock of ${stepped} of 3 processes steps ${what}, on ${store}`)
      const users = await world.logIn(20)
      await world.pass(age)
      const order = { kind: 'clock', offset: world.now() - Date.now() + step } as const
      await Promise.all(world.workers.slice(0, stepped).map((worker) => worker.order(order)))
      for (let i = 0; i < 10; i++) {
        await Promise.all(
          users.flatMap((user) =>
            world.workers.map(async (worker) =>
              score.judge(user, await user.copy().ask(worker, '/api'), 200),
            ),
          ),
        )
      }
      expect(score.finish(world, users.length)).toEqual(nothingWrong)
      // What a process that is behind received is over for the others: it stamped an end that is past for them.
      expect(world.tokenCalls).toBeLessThanOrEqual(2 * users.length)
      expect(world.simulator.reuses).toBe(0)
    }),
  )
})

describeOnEachStore('a PagerDuty that ends the old access token at a refresh', (store) => {
  test('makes two processes that hold the old one take the new one, not refresh in turns', () =>
    inWorld({ store, revokeOldAccessToken: true }, async (world) => {
      const score = new Score(`old access token revoked at refresh, held by 2 processes, on ${store}`)
      const users = await world.logIn(20)
      await world.pass(lifetime - 60)
      await Promise.all(
        users.flatMap((user) =>
          [0, 500, 1000, 1500].flatMap((wait) =>
            world.workers.map(async (worker) =>
              score.judge(user, await user.copy().ask(worker, `/api?wait=${wait}`), 200),
            ),
          ),
        ),
      )
      expect(score.finish(world, users.length)).toEqual(nothingWrong)
      expect(world.tokenCalls).toBe(users.length)
      expect(world.simulator.reuses).toBe(0)
    }))
})
