import { setTimeout as pause } from 'node:timers/promises'
import type { Fault } from '../../src/testing'
import type { Worker } from './fleet'
import { outages } from './outages'
import type { World } from './world'

/** A fault that comes and goes. Resolves when it is over. */
export type Trouble = (world: World) => Promise<unknown>

/** Short ones of all kinds, to draw from. The first worker of the world is never ended. */
export const troubles: readonly Trouble[] = [
  ...(['reset', 'reset-after', 'half', 'html', '503'] as const).map(
    (fault): Trouble =>
      async ({ standIn }) =>
        standIn.failNext('token', fault, 3),
  ),
  refusing('invalid_client'),
  refusing('429'),
  refusing('500'),
  slow(3_000),
  slow(12_000),
  ...Object.values(outages).map((outage): Trouble => async (world) => {
    await outage.begin(world)
    await pause(2_000)
    await outage.end(world)
  }),
  slowRedis,
  freezeOne,
  (world) => replaceOne(world, (worker) => worker.kill()),
  (world) => replaceOne(world, (worker) => worker.terminate()),
  (world) => replaceOne(world, (worker) => worker.terminate()),
]

function refusing(fault: Fault): Trouble {
  return async ({ standIn }) => {
    standIn.settings.tokenFault = () => fault
    await pause(2_000)
    standIn.settings.tokenFault = undefined
  }
}

function slow(latency: number): Trouble {
  return async ({ standIn }) => {
    standIn.settings.tokenLatency = latency
    await pause(2_000)
    standIn.settings.tokenLatency = 50
  }
}

async function slowRedis({ workers }: World): Promise<void> {
  for (const { toRedis } of workers) if (toRedis) toRedis.relay.delay = 200
  await pause(2_000)
  for (const { toRedis } of workers) if (toRedis) toRedis.relay.delay = 0
}

async function freezeOne({ workers }: World): Promise<void> {
  const worker = workers[anyButTheFirst(workers)] as Worker
  worker.freeze()
  await pause(3_000)
  worker.thaw()
}

/** Takes a worker out of service, as a load balancer does, and ends it. */
async function replaceOne(world: World, end: (worker: Worker) => Promise<unknown>): Promise<void> {
  const replacement = await world.startWorker({ tapped: true })
  const [replaced] = world.workers.splice(anyButTheFirst(world.workers), 1, replacement)
  if (replaced !== undefined) await end(replaced)
}

function anyButTheFirst(workers: readonly Worker[]): number {
  return 1 + Math.floor(Math.random() * (workers.length - 1))
}
