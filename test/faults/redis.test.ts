import { setTimeout as pause } from 'node:timers/promises'
import { describeWithRedis, startRedis } from '../support/redis'
import { follow, isInStep } from './outages'
import { recover } from './recovery'
import { busyMachine, duration, rounds } from './scale'
import { Score, nothingWrong } from './score'
import { shuffled } from './shuffled'
import type { User } from './user'
import { inWorld, lifetime, until } from './world'

const wellWithin = 3_000 + busyMachine
const lockLife = 15_000

describeWithRedis('a Redis that fails', () => {
  test.concurrent('and is replaced by its replica and back again logs no user out', () =>
    inWorld({ tapped: true }, async (world) => {
      const score = new Score('Redis demoted under its own replica, and promoted again')
      const users = await world.logIn(20)
      const peer = await startRedis()
      const replica = await follow(world, peer.port)
      await until('the replica has everything', () => isInStep(replica))
      await world.pass(lifetime)
      await replica.replicaof('NO', 'ONE')
      await world.store.replicaof('127.0.0.1', peer.port)
      for (const user of users) score.judge(user, await user.ask(world.anyWorker), 503)
      expect(world.tokenCalls).toBe(0)
      await until('the old master has everything', () => isInStep(world.store))
      await world.store.replicaof('NO', 'ONE')
      await Promise.all(users.map((user) => recover(user, score, () => world.anyWorker)))
      replica.disconnect()
      await peer.stop()
      expect(score.finish(world, users.length)).toEqual(nothingWrong)
      expect(score.slowestRecovery).toBeLessThan(wellWithin)
      expect(world.tokenCalls).toBe(users.length)
    }))

  test.concurrent('and loses a tenth of its replies blocks no user for longer than a lock lives', () =>
    inWorld({ tapped: true, grace: 0, reuse: 'revoke-family' }, async (world) => {
      const score = new Score('a tenth of the replies of Redis lost, with the connection')
      const users = await world.logIn(20)
      for (const { toStore } of world.workers) {
        toStore?.listen((_, direction) => {
          if (direction === 'back' && Math.random() < 0.1) toStore.relay.cut()
        })
      }
      for (let round = 0; round < rounds(50); round++) {
        await world.pass(lifetime)
        await Promise.all(users.map((user) => recover(user, score, () => world.anyWorker)))
      }
      for (const { toStore } of world.workers) toStore?.ignore()
      await world.noLocks(lockLife + busyMachine)
      expect(score.finish(world, users.length * rounds(50))).toEqual(nothingWrong)
      expect(score.slowestRecovery).toBeLessThan(lockLife + busyMachine)
      expect(world.simulator.reuses).toBe(0)
    }))

  test.concurrent('and takes two seconds for everything delays no response, and causes no refresh', () =>
    inWorld({ tapped: true }, async (world) => {
      const score = new Score('Redis takes 2 s for each command')
      const users = await world.logIn(20)
      await world.pass(lifetime)
      for (const { toStore } of world.workers) if (toStore) toStore.relay.delay = 1_000
      for (let i = 0; i < 3; i++) {
        await Promise.all(
          users.map(async (user) => {
            const answer = await user.ask(world.anyWorker)
            score.judge(user, answer, 503)
            if (answer.after > 2_500 + busyMachine)
              score.object(`${user.id} waited for ${answer.after.toFixed()} ms`)
          }),
        )
      }
      expect(world.tokenCalls).toBe(0)
      for (const { toStore } of world.workers) if (toStore) toStore.relay.delay = 0
      await Promise.all(users.map((user) => recover(user, score, () => world.anyWorker)))
      expect(score.finish(world, users.length)).toEqual(nothingWrong)
      expect(world.tokenCalls).toBe(users.length)
      expect(score.slowestRecovery).toBeLessThan(wellWithin)
    }))

  test.concurrent('and forgets keys at random logs out the users of those keys, and no one else', () =>
    inWorld({ workers: 3 }, async (world) => {
      const score = new Score('random keys of Redis deleted under load')
      const users = await world.logIn(40)
      const forgotten = new Set<string>()
      let isOver = false
      const over = pause(duration(60_000)).then(() => (isOver = true))
      const deleting = async () => {
        while (!isOver) {
          await world.pass(lifetime / 4)
          for (const kind of ['sess', 'grant', 'lock']) {
            const [key] = shuffled(await world.keys(kind))
            const [, grantID = ''] = /\{([^}]+)\}/.exec(key ?? '') ?? []
            forgotten.add(grantID) // Without its lock a refresh may be sent twice.
            if (key !== undefined) await world.store.del(key)
          }
          await pause(100)
        }
      }
      const asking = async (user: User) => {
        while (!isOver) {
          const { grantID } = user
          const answer = await user.ask(world.anyWorker)
          score.judge(user, answer, 200, 503, ...(grantID === '' || forgotten.has(grantID) ? [401] : []))
          // A login may be forgotten before it is finished.
          if (answer.status === 401) await user.logIn(world.anyWorker).catch(() => {})
          await pause(20)
        }
      }
      await Promise.all([over, deleting(), ...users.map(asking)])
      expect(score.finish(world, forgotten.size)).toEqual(nothingWrong)
    }))

  test.concurrent('and forgets everything lets all users log in again', () =>
    inWorld({}, async (world) => {
      const score = new Score('FLUSHALL')
      const users = await world.logIn(20)
      await world.store.flushall()
      for (const user of users) {
        score.judge(user, await user.ask(world.anyWorker), 401)
        await user.logIn(world.anyWorker)
        score.judge(user, await user.ask(world.anyWorker), 200)
      }
      expect(score.finish(world, users.length)).toEqual(nothingWrong)
    }))
})
