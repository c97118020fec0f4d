import { setTimeout as pause } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { type Account, type Simulator, type SimulatorOptions, startPagerDuty } from '../../src/testing'
import type { RedisServer } from '../support/redis'
import { type Backing, RedisBacking, type StoreName, startBacking } from './backing'
import { Worker } from './fleet'
import { User } from './user'
import { Tap } from './tap'

/** How to set one up: settings of the simulator, and how many workers there are from the beginning. */
export interface WorldOptions extends SimulatorOptions {
  workers?: number
  /** Where they keep their state. @default 'Redis' */
  store?: StoreName
  /** Put relays between the workers and both servers. */
  tapped?: boolean
}

/** What differs for one worker. */
export interface WorkerOptions {
  env?: Record<string, string>
  tapped?: boolean
}

/** Seconds that an access token is good here. */
export const lifetime = 3600

const client = {
  clientID: 'faults',
  clientSecret: 'a secret that nobody else knows',
  scope: ['incidents.read'],
}
const secret = 'a secret of thirty-two characters or more for tests'

/** An app of several processes over one store, with a PagerDuty of its own, and its users. */
export class World {
  readonly simulator: Simulator
  readonly backing: Backing
  /** Those that were started with the world, for its users to go to. */
  readonly workers: Worker[] = []
  /** What must never happen in a worker, and did. */
  readonly problems: string[] = []
  readonly #started = new Set<Worker>()
  readonly #happened: { at: number; grantID: string | undefined; what: string }[] = []
  #offset = 0
  #people = 0

  private constructor(simulator: Simulator, backing: Backing) {
    this.simulator = simulator
    this.backing = backing
    simulator.settings.now = () => this.now()
  }

  static async open({
    workers = 2,
    store = 'Redis',
    tapped = false,
    ...settings
  }: WorldOptions = {}): Promise<World> {
    const accounts = [{ ...account, users: people }]
    const simulator = await startPagerDuty({
      accounts,
      clients: [client],
      accessTokenLifetime: lifetime,
      ...settings,
    })
    const world = new World(simulator, await startBacking(store))
    const started = Array.from({ length: workers }, () => world.startWorker({ tapped }))
    world.workers.push(...(await Promise.all(started)))
    return world
  }

  /** Where the store is Redis. */
  get redis(): RedisServer {
    return (this.backing as RedisBacking).server
  }

  /** The test's own connection to Redis. */
  get store(): Redis {
    return (this.backing as RedisBacking).client
  }

  /** What time it is for PagerDuty and all workers. */
  now(): number {
    return Date.now() + this.#offset
  }

  /** Starts one more worker, which `workers` does not count. */
  async startWorker({ env = {}, tapped = false }: WorkerOptions = {}): Promise<Worker> {
    const pagerDutyPort = Number(new URL(this.simulator.url).port)
    const { port } = this.backing
    const taps = tapped
      ? {
          toStore: port === undefined ? undefined : await Tap.start(port),
          toPagerDuty: await Tap.start(pagerDutyPort),
        }
      : {}
    const worker = await Worker.start(
      {
        ...this.simulator.env(),
        PAGERDUTY_IDENTITY_URL: `http://127.0.0.1:${taps.toPagerDuty?.relay.port ?? pagerDutyPort}`,
        // All workers are one app to PagerDuty; the crowd takes the path to whichever it likes.
        PAGERDUTY_CALLBACK_URL: 'http://127.0.0.1:9/auth/pagerduty/callback',
        ...this.backing.env(taps.toStore?.relay.port ?? port, tapped),
        SESSION_SECRET: secret,
        FAULTS_CLOCK: `${this.#offset}`,
        ...env,
      },
      taps,
      {
        problem: (problem) => this.problems.push(problem),
        told: (grantID, what) => this.note(what, grantID),
      },
    )
    this.#started.add(worker)
    return worker
  }

  /** Lets time pass, everywhere at once. A frozen worker notices when it is thawed. */
  async pass(seconds: number): Promise<void> {
    const offset = this.#offset + seconds * 1000
    const alive = [...this.#started].filter((worker) => worker.isAlive)
    const told = alive.map((worker) => ({ worker, done: worker.order({ kind: 'clock', offset }) }))
    await Promise.allSettled(told.filter(({ worker }) => !worker.isFrozen).map(({ done }) => done))
    // PagerDuty last: a token that it issued in the future would be rejected.
    this.#offset = offset
  }

  /** Logs in new users, spread over the workers, and lets each of them make a request. */
  async logIn(count: number, at: readonly Worker[] = this.workers): Promise<User[]> {
    const users = people
      .slice(this.#people, this.#people + count)
      .map(({ id }) => new User(id, this.simulator))
    this.#people += count
    if (users.length < count) throw new Error('There are not that many people in this world')
    const queue = users.map((user, index) => ({ user, worker: at[index % at.length] as Worker }))
    const logInSome = async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        await patiently(next.user, next.worker)
      }
    }
    await Promise.all(Array.from({ length: 16 }, logInSome))
    return users
  }

  /** Keeps in mind what happened, to one grant or to all. */
  note(what: string, grantID?: string): void {
    this.#happened.push({ at: performance.now(), grantID, what })
    if (this.#happened.length > 20_000) this.#happened.splice(0, 10_000)
  }

  /** What has happened in the last minutes that may concern a grant. */
  storyOf(grantID: string): string {
    const now = performance.now()
    const lines = this.#happened.filter(
      ({ at, grantID: whose }) => now - at < 120_000 && (whose === undefined || whose === grantID),
    )
    return lines.map(({ at, what }) => `${((at - now) / 1000).toFixed(1)} s  ${what}`).join('\n')
  }

  /** One of the workers, as a load balancer picks it. */
  get anyWorker(): Worker {
    return this.workers[Math.floor(Math.random() * this.workers.length)] as Worker
  }

  /** Refreshes so far, since the last `simulator.resetCalls()`. */
  get tokenCalls(): number {
    return this.simulator.calls.token.refresh_token
  }

  /** The keys in the store of one kind: `sess`, `grant`, `lock`. */
  keys(kind: string): Promise<string[]> {
    return this.backing.keys(kind)
  }

  /** Waits until no process refreshes: one that does holds a lock until the new pair is stored. */
  noLocks(within?: number): Promise<void> {
    return until('all locks are given back', async () => (await this.keys('lock')).length === 0, { within })
  }

  async close(): Promise<void> {
    for (const worker of this.#started) {
      worker.thaw()
      await worker.kill()
    }
    await this.simulator.close()
    await this.backing.stop()
  }
}

/** Runs a test in a world of its own. */
export async function inWorld(options: WorldOptions, work: (world: World) => Promise<void>): Promise<void> {
  const world = await World.open(options)
  try {
    await work(world)
  } finally {
    await world.close()
  }
}

/** Waits for something that is about to happen. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { within = 10_000, every = 10 }: { within?: number | undefined; every?: number } = {},
): Promise<void> {
  const giveUpAt = performance.now() + within
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error(`In vain waited for ${within} ms: ${what}`)
    await pause(every)
  }
}

/** A machine that is busy with many worlds may let a login fail for a while; it is not what is tested. */
async function patiently(user: User, worker: Worker): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await user.logIn(worker)
      const { status } = await user.ask(worker)
      if (status === 200) return
      throw new Error(`The first request of ${user.id} ended in ${status}`)
    } catch (error) {
      if (attempt === 10) throw error
      await pause(attempt * 250)
    }
  }
}

const account: Account = { id: 'PACME00', name: 'Acme', subdomain: 'acme', region: 'us', users: [] }
const people = Array.from({ length: 3000 }, (_, index) => {
  const id = `U${`${index}`.padStart(5, '0')}`
  return { id, name: `Person ${index}`, email: `${id}@acme.example`, role: 'user' }
})
