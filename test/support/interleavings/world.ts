import type { PagerDutyOptions } from '../../../src'
import type { Simulator } from '../../../src/testing'
import { chance } from '../model/chance'
import { Ledger } from './ledger'
import type { AppProcess } from './process'
import type { SharedBackend } from './shared-stores'
import { type Operation, type StoreFault, Traffic } from './traffic'
import { Visitor } from './visitor'
import { Wire } from './wire'

/** What stays the same from one history to the next. */
interface Stage {
  readonly simulator: Simulator
  readonly processes: readonly AppProcess[]
}

/** What differs besides the steps. */
export interface WorldSettings {
  readonly seed: number
  /** Whether a login fails if PagerDuty grants less than was requested. */
  readonly rejectsPartialGrants: boolean
}

/** Where browsers believe the app to be. */
const origin = 'http://127.0.0.1:4000'
const secret = 'a secret of thirty-two characters or more, for tests'
/** The user of each browser. The account is the simulator's own. */
const owners = ['PACME01', 'PACME01', 'PACME02'] as const
export const accountID = 'PACME00'

/** Milliseconds of fake time within which every operation settles. */
const longest = 200_000
/** Milliseconds after which nothing goes on by itself. */
const quiet = 700
const step = 100

/** Two processes, one store, PagerDuty, and a few browsers. */
export class World {
  readonly simulator: Simulator
  readonly backend: SharedBackend
  readonly traffic = new Traffic()
  readonly ledger = new Ledger()
  readonly wire = new Wire(this.traffic, this.ledger)
  readonly browsers: readonly Visitor[]
  /** Whether anything has happened for which a request may be denied. */
  isDisturbed = false
  readonly #processes: readonly AppProcess[]
  readonly #operations = new Map<string, Operation>()
  readonly #running = new Set<string>()
  #fault: Operation['fault']

  private constructor({ simulator, processes }: Stage, backend: SharedBackend) {
    this.simulator = simulator
    this.#processes = processes
    this.backend = backend
    this.browsers = owners.map(() => new Visitor(this.traffic))
  }

  static async make(stage: Stage, backend: SharedBackend, settings: WorldSettings): Promise<World> {
    const world = new World(stage, backend)
    jest.spyOn(Math, 'random').mockImplementation(chance(settings.seed))
    await backend.clear()
    for (const process of stage.processes) {
      const { TokenStoreError } = process.library
      const options: PagerDutyOptions = {
        ...stage.simulator.options(),
        ...backend.optionsFor(world.traffic, () => new TokenStoreError('The store did not answer')),
        ...(settings.rejectsPartialGrants && { partialGrant: 'fail' as const }),
        scope: 'incidents.read',
        callbackURL: `${origin}/auth/pagerduty/callback`,
        secret,
        fetch: world.wire.fetch,
        logger: { debug() {}, info() {}, warn() {}, error() {} },
      }
      process.serve(options, world.traffic, world.#operations)
      process.pd.on('login', ({ grantID, user }) => world.ledger.stored(grantID, user.delegationID))
    }
    return world
  }

  ownerOf(browser: number): string {
    return owners[browser] as string
  }

  browser(index: number): Visitor {
    return this.browsers[index] as Visitor
  }

  process(index: number): AppProcess {
    return this.#processes[index % this.#processes.length] as AppProcess
  }

  /** Fails one command to the store of the operation that begins next. */
  failNext(how: StoreFault, after: number): void {
    this.isDisturbed = true
    this.#fault = { how, after }
  }

  /** Begins an operation. It takes effect step by step, as {@link land} releases it. */
  begin(what: string, work: () => Promise<unknown>): void {
    const fault = this.#fault
    this.#fault = undefined
    this.#start(what, work, fault)
  }

  /** Does something from beginning to end, while all else stands still unless it waits for that. No command fails. */
  async alone<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    let result: T | undefined
    const operation = this.#start(what, async () => {
      result = await work()
    })
    for (;;) {
      await this.traffic.releaseOf(operation)
      if (!this.#running.has(operation.label) || this.traffic.isCircling) return result
      if (this.traffic.waiting > 0) await this.traffic.release(0)
      else await this.pass(step)
    }
  }

  /** Lets some of what waits take effect. */
  async land(count: number, order: number): Promise<void> {
    const random = chance(order)
    await this.traffic.settled()
    for (let i = 0; i < count && this.traffic.waiting > 0; i++)
      await this.traffic.release(Math.floor(random() * this.traffic.waiting))
  }

  /** Lets time pass. No operation waits the whole time. */
  async pass(milliseconds: number, by = step): Promise<void> {
    for (let passed = 0; passed < milliseconds; passed += by) {
      jest.advanceTimersByTime(by)
      await this.backend.age(by)
      await this.traffic.settled()
      await this.traffic.releaseOverdue()
    }
  }

  /** No more faults: everything in progress takes effect, and all operations settle. */
  async drain(order: number): Promise<void> {
    this.wire.clear()
    let rest = quiet
    for (let passed = 0; rest > 0 || this.#running.size > 0; passed += step) {
      if (this.traffic.waiting > 0) rest = quiet
      await this.land(Infinity, order + passed)
      if (passed > longest || this.traffic.isCircling)
        return this.ledger.blame(`${[...this.#running].join(', ')}: never settles`)
      await this.pass(step)
      rest -= step
    }
  }

  /** Does something after everything has come to rest: nothing is held, and time passes as needed. */
  async quietly<T>(work: () => Promise<T>): Promise<T> {
    this.traffic.isCalm = true
    await this.land(Infinity, 0)
    let isOver = false
    const result = work().finally(() => {
      isOver = true
    })
    result.catch(() => {})
    await this.traffic.settled()
    for (let passed = 0; !isOver; passed += step) {
      if (passed > longest) throw new Error('Something at rest never settles')
      await this.pass(step)
    }
    return result
  }

  async end(): Promise<void> {
    if (!this.traffic.isCircling)
      await this.quietly(() => Promise.all(this.#processes.map(({ pd }) => pd.close())))
    this.simulator.revokeAll()
    jest.spyOn(Math, 'random').mockRestore()
  }

  #start(what: string, work: () => Promise<unknown>, fault?: Operation['fault']): Operation {
    const operation: Operation = { label: `#${this.#operations.size + 1} ${what}`, fault }
    this.#operations.set(operation.label, operation)
    this.#running.add(operation.label)
    this.traffic.note(operation.label)
    const settled = this.traffic.running.run(operation, work).catch((error: Error) => {
      this.#failed(operation.label, error)
    })
    void settled.then(() => {
      this.#running.delete(operation.label)
      this.traffic.note(`${operation.label}: done`)
    })
    return operation
  }

  #failed(label: string, error: Error): void {
    const isOurs = 'code' in error && String(error.code).startsWith('ERR_PAGERDUTY')
    if (!isOurs) this.ledger.blame(`${label}: ${error.stack ?? error.message}`)
    else if (!this.isDisturbed) this.ledger.blame(`nothing has failed, but ${label}: ${error.message}`)
    else this.traffic.note(`${label}: ${String(error.code)}`)
  }
}
