import { AsyncLocalStorage } from 'node:async_hooks'

/** An operation that is in progress. */
export interface Operation {
  readonly label: string
  /** How one of its commands to the store fails, after so many others. */
  fault?: { readonly how: StoreFault; after: number } | undefined
  /** How many of its commands to the store have failed. */
  failures?: number
  /** When it first read a grant, and first deleted one, as places in the order of all that happens. */
  grantReadAt?: number
  grantDeletedAt?: number
}

/** How a command to the store fails: before it takes effect or after it, or by taking longer than its deadline. */
export type StoreFault = 'before' | 'after' | 'late'

/** Something that takes effect once it is released. */
interface Held {
  readonly operation: Operation | undefined
  readonly label: string
  readonly since: number
  readonly notBefore: number
  readonly go: () => void
}

/** Turns of the event loop without activity after which everything is held, or waits for a timer. */
const quietTurns = 8
/** Releases after which an operation runs in circles. */
const mostReleases = 4_000
/** Milliseconds of real time that something real may take. */
const patience = 20_000
/** Milliseconds of fake time that nothing is held longer: beyond a store's deadline. */
export const longestDelay = 1_200

/** One for all histories: each more of them would slow down every promise. */
const running = new AsyncLocalStorage<Operation>()
const realTime = performance.now.bind(performance)
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/**
 * Everything between browsers, processes, store and PagerDuty. What would take effect is held, and released one by one in
 * an order that the test chooses, so that a history can be replayed.
 */
export class Traffic {
  /** The operation whose code runs. */
  readonly running = running
  readonly log: string[] = []
  /** Holds nothing any more. */
  isCalm = false
  #held: Held[] = []
  /** How much is really in progress, and returns by itself. */
  #busy = 0
  #activity = 0
  #releases = 0

  /** Waits until it is released. */
  async hold(label: string, delay = 0): Promise<void> {
    if (this.isCalm && !this.isCircling) return
    const operation = this.running.getStore()
    await new Promise<void>((go) => {
      const since = Date.now()
      this.#held.push({ operation, label, since, notBefore: since + delay, go })
      this.#activity++
    })
  }

  /** Whether the command that runs is to fail. */
  takeFault(): StoreFault | undefined {
    const operation = this.running.getStore()
    if (this.isCalm || operation?.fault === undefined || operation.fault.after-- > 0) return undefined
    const { how } = operation.fault
    operation.fault = undefined
    return how
  }

  /** Does something that takes real time, while nothing else is released. */
  async real<T>(work: () => T | Promise<T>): Promise<T> {
    this.depart()
    try {
      return await work()
    } finally {
      this.arrive()
    }
  }

  /** Something is really in progress until {@link arrive}. */
  depart(): void {
    this.#busy++
    this.#activity++
  }

  arrive(): void {
    this.#busy--
    this.#activity++
  }

  /** Until everything is held, or waits for a timer. */
  async settled(): Promise<void> {
    const giveUpAt = realTime() + patience
    for (let quiet = 0; quiet < quietTurns; quiet++) {
      const { activity, busy } = { activity: this.#activity, busy: this.#busy }
      await turn()
      if (busy !== 0 || this.#busy !== 0 || activity !== this.#activity) quiet = -1
      if (realTime() > giveUpAt) throw new Error(`Something never arrives: ${this.#busy} in flight`)
    }
  }

  /** Whether an operation runs in circles. Nothing is released then any more. */
  get isCircling(): boolean {
    return this.#releases >= mostReleases
  }

  /** How many can be released now. */
  get waiting(): number {
    return this.#ready().length
  }

  /** Releases one. */
  async release(which: number): Promise<void> {
    const ready = this.#ready()
    await this.#release(ready[which % ready.length])
  }

  /** Releases everything of one operation in its own order, until nothing of it is held. */
  async releaseOf(operation: Operation): Promise<void> {
    for (;;) {
      await this.settled()
      const next = this.#held.find((held) => held.operation === operation)
      if (next === undefined || this.isCircling) return
      await this.#release(next)
    }
  }

  /** Releases what was held too long. */
  async releaseOverdue(): Promise<void> {
    for (;;) {
      const now = Date.now()
      const next = this.#ready().find(({ since }) => now - since >= longestDelay)
      if (next === undefined) return
      await this.#release(next)
    }
  }

  note(line: string): void {
    this.log.push(line)
  }

  #ready(): Held[] {
    if (this.isCircling) return []
    const now = Date.now()
    return this.#held.filter(({ notBefore }) => notBefore <= now)
  }

  async #release(held: Held | undefined): Promise<void> {
    if (held === undefined) return
    this.#held = this.#held.filter((other) => other !== held)
    this.note(`     ${held.operation?.label.split(' ')[0] ?? 'background'} ${held.label}`)
    this.#activity++
    this.#releases++
    held.go()
    await this.settled()
  }
}
