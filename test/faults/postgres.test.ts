import { setTimeout as pause } from 'node:timers/promises'
import { type PostgresServer, describeWithPostgres } from '../support/postgres'
import type { PostgresBacking } from './backing'
import { recover } from './recovery'
import { busyMachine, rounds } from './scale'
import { Score, nothingWrong } from './score'
import { inWorld, lifetime, until } from './world'

const wellWithin = 3_000 + busyMachine

describeWithPostgres('a PostgreSQL that is killed', () => {
  test('and replaced by its synchronous standby logs no user out, and none back in', () =>
    inWorld({ store: 'PostgreSQL', tapped: true, workers: 3 }, async (world) => {
      const score = new Score('PostgreSQL killed (SIGKILL) under load, its synchronous standby promoted')
      const backing = world.backing as PostgresBacking
      const primary = backing.server
      const standby = await followed(primary)
      const staying = await world.logIn(20)
      const leaving = await world.logIn(10 * rounds(20))
      const copies = leaving.map((user) => user.copy())

      let isOver = false
      const load = Promise.all(
        staying.map(async (user) => {
          while (!isOver) {
            score.judge(user, await user.ask(world.anyWorker), 200, 503)
            await pause(50)
          }
        }),
      )
      // The server dies in the middle of logouts.
      const outcomes: number[] = []
      const loggingOut = leaving.map(async (user, i) => {
        await pause(i * 10)
        const answer = await user.logOut(world.anyWorker)
        outcomes[i] = answer.status
        score.judge(user, answer, 204, 503)
      })
      await until('half of them are gone', () => outcomes.filter(Boolean).length > leaving.length / 2)
      await primary.kill()
      await Promise.all(loggingOut)
      expect(outcomes.filter((status) => status === 204).length).toBeGreaterThan(leaving.length / 2)
      expect(outcomes).toContain(503)

      // First no server responds; then the address leads to a standby, which may be behind.
      for (const user of staying) score.judge(user, await user.ask(world.anyWorker), 503)
      for (const { toStore } of world.workers) if (toStore) toStore.relay.target = standby.port
      await pause(1_500)
      for (const user of staying) score.judge(user, await user.ask(world.anyWorker), 503)
      await standby.admin.query('SELECT pg_promote()')
      backing.server = standby
      await Promise.all(staying.map((user) => recover(user, score, () => world.anyWorker)))
      isOver = true
      await load

      for (const [i, copy] of copies.entries()) {
        const right = outcomes[i] === 204 ? [401] : [200, 401]
        score.judge(copy, await copy.ask(world.anyWorker), ...right)
      }
      await world.pass(lifetime)
      for (const user of staying) {
        score.judge(user, await user.ask(world.anyWorker), 200)
        if (user.token !== user.newestToken) score.object(`${user.id} has an old token`)
      }
      await primary.stop()
      expect(score.finish(world, 1)).toEqual(nothingWrong)
      expect(score.slowestRecovery).toBeLessThan(wellWithin)
      expect(world.tokenCalls).toBe(staying.length)
    }))
})

/** A standby without which no write is confirmed. */
async function followed(primary: PostgresServer): Promise<PostgresServer> {
  const standby = await primary.follow()
  await primary.admin.query(`ALTER SYSTEM SET synchronous_standby_names = '*'`)
  await primary.admin.query('SELECT pg_reload_conf()')
  const query = `SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'`
  await until('the standby has everything', async () => (await primary.admin.query(query)).rows.length > 0)
  return standby
}
