import { setTimeout as pause } from 'node:timers/promises'
import { describeOnEachStore } from './backing'
import type { Worker } from './fleet'
import { outages } from './outages'
import { recover } from './recovery'
import { busyMachine } from './scale'
import { Score, nothingWrong } from './score'
import type { User } from './user'
import { inWorld, lifetime, until } from './world'

const outageLasts = 5_000
const wellWithin = 3_000 + busyMachine

describeOnEachStore('a store that fails', (store) => {
  const cases = Object.entries(outages[store])

  test.concurrent.each(cases)('and %s right after the POST costs no pair', (what, outage) =>
    inWorld({ store, tapped: true, grace: 0, reuse: 'revoke-family' }, async (world) => {
      const score = new Score(`${store} ${what} for 5 s right after the POST`)
      const users = await world.logIn(10)
      await world.pass(lifetime)
      world.simulator.settings.tokenLatency = 1_000
      const waiting = users.map((user) => user.ask(world.anyWorker))
      await until('all refreshes are sent', () => world.tokenCalls === users.length)
      await outage.begin(world)
      const over = pause(outageLasts).then(() => outage.end(world))
      // Those who wait get the token that is in memory only.
      for (const [i, answer] of (await Promise.all(waiting)).entries()) {
        score.judge(users[i] as User, answer, 200)
      }
      for (const user of users) score.judge(user, await user.ask(world.anyWorker), 200, 503)
      await over
      await Promise.all(users.map((user) => recover(user, score, () => world.anyWorker)))
      await world.noLocks()
      for (const user of users) {
        for (const worker of world.workers) await expectNewest(user, worker, score)
      }
      expect(score.finish(world, users.length)).toEqual(nothingWrong)
      expect(world.tokenCalls).toBe(users.length)
      expect(world.simulator.reuses).toBe(0)
    }),
  )

  test.concurrent.each(cases)('and %s keeps every refresh from being sent', (what, outage) =>
    inWorld({ store, tapped: true }, async (world) => {
      const score = new Score(`${store} ${what} for 5 s before a refresh`)
      const ended = await world.logIn(10)
      await world.pass(100)
      const alive = await world.logIn(10)
      await world.pass(lifetime - 60)
      await outage.begin(world)
      let isOver = false
      const over = pause(outageLasts).then(() => {
        isOver = true
        return outage.end(world)
      })
      const ask = async (user: User, right: number) => {
        const answer = await user.ask(world.anyWorker)
        score.judge(user, answer, ...(isOver ? [200, 503] : [right]))
      }
      while (!isOver) {
        if (world.tokenCalls > 0) score.object('a refresh was sent')
        await Promise.all([
          ...ended.map((user) => ask(user, 503)),
          ...alive.map((user) => ask(user, outage.isReadable ? 200 : 503)),
        ])
        await pause(200)
      }
      await over
      await Promise.all([...ended, ...alive].map((user) => recover(user, score, () => world.anyWorker)))
      expect(score.finish(world, ended.length + alive.length)).toEqual(nothingWrong)
      expect(score.slowestRecovery).toBeLessThan(wellWithin)
      expect(world.simulator.reuses).toBe(0)
    }),
  )
})

/** On a machine that is busy with many worlds a store may miss its deadline. */
async function expectNewest(user: User, worker: Worker, score: Score): Promise<void> {
  await recover(user, score, () => worker)
  if (user.token !== user.newestToken) score.object(`${user.id} has an old token`)
}
