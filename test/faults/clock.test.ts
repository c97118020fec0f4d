import { describeWithRedis } from '../support/redis'
import { Score, nothingWrong } from './score'
import { inWorld, lifetime } from './world'

const hour = 60 * 60_000

describeWithRedis('a clock that steps', () => {
  test.each([
    ['an hour ahead', hour, lifetime / 2],
    ['an hour back', -hour, lifetime + 60],
  ])('%s costs one refresh more at the most, and no user notices', (what, step, age) =>
    inWorld({ workers: 3 }, async (world) => {
      const score = new Score(`the clock of one process steps ${what}`)
      const users = await world.logIn(20)
      await world.pass(age)
      const stepped = world.workers[0]
      await stepped?.order({ kind: 'clock', offset: world.now() - Date.now() + step })
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
      expect(world.standIn.reuses).toBe(0)
    }),
  )
})

describeWithRedis('a PagerDuty that ends the old access token at a refresh', () => {
  test('makes two processes that hold the old one take the new one, not refresh in turns', () =>
    inWorld({ revokeOldAccessToken: true }, async (world) => {
      const score = new Score('old access token revoked at refresh, held by 2 processes')
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
      expect(world.standIn.reuses).toBe(0)
    }))
})
