import fc from 'fast-check'
import { runs } from '../fuzz/runs'
import { type History, histories } from '../support/interleavings/histories'
import { type SharedBackend, memoryBackend, redisBackend } from '../support/interleavings/shared-stores'
import { Stage } from '../support/interleavings/stage'
import { describeWithRedis, useRedis } from '../support/redis'

/** Both are printed with a failure: the first one runs and shrinks again, the second one replays what was shrunk. */
const { INTERLEAVINGS_SEED, INTERLEAVINGS_HISTORY } = process.env

/** Milliseconds spent on shrinking. */
const shrinksFor = 60_000
const realTime = performance.now.bind(performance)

let stage: Stage

beforeAll(async () => {
  stage = await Stage.start()
})
afterAll(() => stage.close())

describe('two processes over one store in memory', () => {
  test('list all that is live, and end all that was ended, however operations overlap', async () => {
    await expect(check(memoryBackend(), 60)).resolves.toBeUndefined()
  })
})

describeWithRedis('two processes over one Redis', () => {
  const redis = useRedis()

  test('list all that is live, and end all that was ended, however operations overlap', async () => {
    await expect(check(redisBackend(redis.client), 20)).resolves.toBeUndefined()
  })
})

/** Plays random histories, or the one given. Rejects with what the shortest failing one breaks, and how to replay it. */
async function check(backend: SharedBackend, usual: number): Promise<void> {
  if (INTERLEAVINGS_HISTORY !== undefined)
    return replay(backend, JSON.parse(INTERLEAVINGS_HISTORY) as History)
  let failedAt = Infinity
  const property = fc.asyncProperty(histories, async (history) => {
    if (realTime() - failedAt > shrinksFor) return
    await stage.run(backend, history).catch((error: Error) => {
      failedAt = Math.min(failedAt, realTime())
      throw error
    })
  })
  const seed = INTERLEAVINGS_SEED === undefined ? {} : { seed: Number(INTERLEAVINGS_SEED) }
  const details = await fc.check(property, { ...runs(usual), ...seed })
  const [history] = details.counterexample ?? []
  if (history === undefined) return
  const failure = await replay(backend, history).catch((error: Error) => error.message)
  throw new Error(
    `INTERLEAVINGS_SEED=${details.seed} (run ${details.numRuns}, shrunk ${details.numShrinks} times)\n` +
      `INTERLEAVINGS_HISTORY='${JSON.stringify(history)}'\n${failure ?? 'The replay does not fail.'}`,
  )
}

/** Plays a history. Rejects with what it breaks, and all that happened in it. */
async function replay(backend: SharedBackend, history: History): Promise<void> {
  await stage.run(backend, history).catch((error: Error) => {
    throw new Error(`${error.message}\n\n${stage.log}`)
  })
}
