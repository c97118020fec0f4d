import { describeOnEachStore } from './backing'
import { isFull, rounds } from './scale'
import { Score, nothingWrong } from './score'
import type { User } from './user'
import { inWorld, lifetime, until } from './world'

const strict = { workers: 4, reuse: 'revoke-family', grace: 0 } as const

// What takes a process of a small machine longer than a second is an outage of Redis to it.
const requests = isFull ? 1000 : 250

describeOnEachStore('four processes', (store) => {
  test(`send one refresh for ${requests} requests each on one expired grant`, () =>
    inWorld({ store, ...strict, tokenLatency: 300 }, async (world) => {
      const score = new Score(`storm of 4 x ${requests} requests on an expired grant, on ${store}`)
      const storm = (user: User | undefined) =>
        Promise.all(
          world.workers.map((worker) =>
            worker.order({ kind: 'storm', cookie: user?.cookie ?? '', requests }),
          ),
        )
      // Opens the connections, as browsers and proxies have them open before a token ends.
      await storm(undefined)
      for (let round = 0; round < rounds(50); round++) {
        // A new login each time, since the clock runs away from the old one.
        const [user] = await world.logIn(1)
        await world.pass(lifetime)
        for (const { statuses, tokens, slowest } of await storm(user)) {
          if (statuses['200'] !== requests) score.object(`a round ended in ${JSON.stringify(statuses)}`)
          if (tokens.join() !== user?.newestToken) score.object(`a round ended with ${tokens.length} tokens`)
          score.recovered(slowest)
        }
      }
      expect(score.finish(world, rounds(50))).toEqual(nothingWrong)
      expect(world.tokenCalls).toBe(rounds(50))
      expect(world.simulator.reuses).toBe(0)
    }))

  // On two busy cores PostgreSQL's writes of two hundred refreshes take longer than the second that each has.
  const grants = store === 'PostgreSQL' ? 50 : 200

  test(`send one refresh each for ${grants} grants that expire together`, () =>
    inWorld({ store, ...strict, tokenLatency: 300 }, async (world) => {
      const score = new Score(`${grants} grants expire together, at 4 processes, on ${store}`)
      const users = await world.logIn(grants)
      await world.pass(lifetime)
      await Promise.all(
        users.flatMap((user) =>
          world.workers.map(async (worker) => {
            const answer = await user.copy().ask(worker)
            score.judge(user, answer, 200)
            score.recovered(answer.after)
            if (answer.token !== user.newestToken) score.object(`${user.id} has an old token`)
          }),
        ),
      )
      expect(score.finish(world, 1)).toEqual(nothingWrong)
      expect(world.tokenCalls).toBe(grants)
    }))

  test('send one refresh where all callers hang up', () =>
    inWorld({ store, ...strict, tokenLatency: 500 }, async (world) => {
      const score = new Score(`all callers hang up while the answer takes 500 ms, on ${store}`)
      const users = await world.logIn(rounds(100))
      await world.pass(lifetime)
      // Ten at a time, and only once all refreshes are sent: a request that a process has not begun to read sends none.
      for (let done = 0; done < users.length; done += 10) {
        const callers = users.slice(done, done + 10)
        const hangUps = callers.flatMap((user) => world.workers.map((worker) => user.begin(worker)))
        await until('the refreshes are sent', () => world.tokenCalls >= done + callers.length)
        for (const hangUp of hangUps) hangUp()
      }
      await world.noLocks()
      for (const user of users) {
        const answer = await user.ask(world.anyWorker)
        score.judge(user, answer, 200)
        if (answer.token !== user.newestToken) score.object(`${user.id} has an old token`)
      }
      expect(score.finish(world, users.length)).toEqual(nothingWrong)
      expect(world.tokenCalls).toBe(users.length)
    }))

  test('ask once where PagerDuty has ended the grant that a thousand requests wait for', () =>
    inWorld({ store, ...strict, tokenLatency: 300 }, async (world) => {
      const score = new Score(`1000 requests on a grant that PagerDuty has ended, on ${store}`)
      const [user] = await world.logIn(1)
      if (user === undefined) throw new Error('Nobody is there')
      await world.pass(lifetime)
      world.simulator.revokeAll()
      const order = { kind: 'storm', cookie: user.cookie, requests: 250 } as const
      const outcomes = await Promise.all(world.workers.map((worker) => worker.order(order)))
      for (const { statuses } of outcomes) {
        if (Object.keys(statuses).some((seen) => !seen.startsWith('401')))
          score.object(`a process answered ${JSON.stringify(statuses)}`)
      }
      for (let i = 0; i < 100; i++) score.judge(user, await user.ask(world.anyWorker), 401)
      expect(score.finish(world, 1)).toEqual(nothingWrong)
      expect(world.tokenCalls).toBe(1)
    }))
})
