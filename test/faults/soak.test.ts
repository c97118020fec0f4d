import { setTimeout as pause } from 'node:timers/promises'
import { describeWithRedis } from '../support/redis'
import type { Worker } from './fleet'
import { duration } from './scale'
import { Score, nothingWrong } from './score'
import { shuffled } from './shuffled'
import { troubles } from './troubles'
import type { User } from './user'
import { type World, inWorld, until } from './world'

const lasts = duration(600_000)
/** A minute passes for the tokens in a quarter of a second, so that each is renewed every fifteen seconds. */
const [tick, virtual] = [250, 60]
/** A lost response can be requested again for a minute of real time. */
const grace = (60_000 / tick) * virtual

describeWithRedis('users, processes that come and go, and one fault after the other', () => {
  test(
    'see no logout, and a process that lives through all of it does not grow',
    () =>
      inWorld({ workers: 4, tapped: true, grace }, async (world) => {
        const score = new Score(`soak of ${lasts / 60_000} min, with faults drawn at random`)
        const users = await world.logIn(60)
        const [survivor] = world.workers as [Worker]
        const end = performance.now() + lasts
        const isOver = () => performance.now() > end
        const [{ sizes }, faults] = await Promise.all([
          measure(survivor, isOver),
          makeTrouble(world, isOver),
          letTimePass(world, isOver),
          ...users.map((user) => keepAsking(world, user, score, isOver)),
        ])
        await Promise.all(users.map((user) => recover(user, survivor, score)))
        expect(score.finish(world, faults)).toEqual(nothingWrong)

        const third = Math.floor(sizes.length / 3)
        const [first, last] = [sizes.slice(0, third), sizes.slice(-third)]
        expect(median(last, 'heap')).toBeLessThan(
          Math.max(median(first, 'heap') * 1.1, median(first, 'heap') + 2e6),
        )
        expect(median(last, 'handles')).toBeLessThan(median(first, 'handles') * 1.1 + 20)
      }),
    lasts + 180_000,
  )
})

interface Size {
  heap: number
  handles: number
}

async function measure(worker: Worker, isOver: () => boolean): Promise<{ sizes: Size[] }> {
  const sizes: Size[] = []
  while (!isOver()) {
    await pause(lasts / 60)
    sizes.push(await worker.order({ kind: 'size' }))
  }
  return { sizes }
}

/** Returns how many faults there were. */
async function makeTrouble(world: World, isOver: () => boolean): Promise<number> {
  let faults = 0
  while (!isOver()) {
    for (const [name, trouble] of shuffled(Object.entries(troubles))) {
      if (isOver()) break
      world.note(name)
      await trouble(world)
      world.note(`over: ${name}`)
      faults += 1
      await pause(500)
    }
  }
  return faults
}

async function letTimePass(world: World, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await Promise.all([world.pass(virtual), pause(tick)])
  }
}

async function keepAsking(world: World, user: User, score: Score, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const answer = await user.ask(world.anyWorker)
    // The connection to a worker that is killed breaks; a load balancer asks another one.
    score.judge(user, answer, 200, 503, 0)
    if (answer.status === 401) return tell(world, user)
    await pause(300 + Math.random() * 400)
  }
}

/** How it came about that a user was lost. */
function tell(world: World, user: User): void {
  process.stderr.write(`\n${user.id} has been lost:\n${world.storyOf(user.grantID)}\n`)
}

/** The last fault may have begun a pause of a minute. */
async function recover(user: User, worker: Worker, score: Score): Promise<void> {
  const startedAt = performance.now()
  const statuses: number[] = []
  const isWell = async () => {
    const answer = await user.ask(worker)
    statuses.push(answer.status)
    score.judge(user, answer, 200, 503)
    return answer.status === 200
  }
  try {
    await until(`an answer for ${user.id}`, isWell, { within: 75_000, every: 500 })
  } catch (error) {
    throw new Error(`It saw ${[...new Set(statuses)].join(', ')}`, { cause: error })
  }
  score.recovered(performance.now() - startedAt)
}

function median(sizes: readonly Size[], what: keyof Size): number {
  const sorted = sizes.map((size) => size[what]).toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
