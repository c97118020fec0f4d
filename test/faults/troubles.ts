import { setTimeout as pause } from 'node:timers/promises'
import type { Fault } from '../../src/testing'
import type { Worker } from './fleet'
import { outages } from './outages'
import type { World } from './world'

/** A fault that comes and goes. Resolves when it is over. */
export type Trouble = (world: World) => Promise<unknown>

/** Short ones of all kinds, to draw from. The first worker of the world is never ended. */
export const troubles: Readonly<Record<string, Trouble>> = {
  ...Object.fromEntries(
    (['reset', 'reset-after', 'half', 'html', '503'] as const).map((fault) => [
      `the next three token calls: ${fault}`,
      async ({ simulator }: World) => {
        simulator.failNext('token', fault, 3)
        await pause(2_000)
        // While everything is paused there are no calls, and faults that wait for calls would pile up and outlast the soak.
        simulator.clearFaults()
      },
    ]),
  ),
  'every token call: invalid_client': refusing('invalid_client'),
  'every token call: 429': refusing('429'),
  'every token call: 500': refusing('500'),
  'token calls take 3 s': slow(3_000),
  'token calls take 12 s': slow(12_000),
  ...Object.fromEntries(
    Object.entries(outages.Redis).map(([name, outage]) => [
      `Redis ${name}`,
      async (world: World) => {
        await outage.begin(world)
        await pause(2_000)
        await outage.end(world)
      },
    ]),
  ),
  'Redis takes 0.2 s for each command': slowRedis,
  'a process is frozen for 3 s': freezeOne,
  'kill -9': (world) => replaceOne(world, (worker) => worker.kill()),
  'a rolling restart': async (world) => {
    await replaceOne(world, (worker) => worker.terminate())
    await replaceOne(world, (worker) => worker.terminate())
  },
}

function refusing(fault: Fault): Trouble {
  return async ({ simulator }) => {
    simulator.settings.tokenFault = () => fault
    await pause(2_000)
    simulator.settings.tokenFault = undefined
  }
}

function slow(latency: number): Trouble {
  return async ({ simulator }) => {
    simulator.settings.tokenLatency = latency
    await pause(2_000)
    simulator.settings.tokenLatency = 50
  }
}

async function slowRedis({ workers }: World): Promise<void> {
  for (const { toStore } of workers) if (toStore) toStore.relay.delay = 200
  await pause(2_000)
  for (const { toStore } of workers) if (toStore) toStore.relay.delay = 0
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
