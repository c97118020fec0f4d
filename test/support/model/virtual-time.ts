const epoch = Date.UTC(2026, 0, 1)
const realImmediate = globalThis.setImmediate

/** Operations of real stores, for which virtual time stands still. */
const underWay = new Set<Promise<unknown>>()

/** Until all that follows from what just happened has happened, short of the next event. */
export async function settled(): Promise<void> {
  do {
    await Promise.allSettled(underWay)
    await new Promise((resolve) => realImmediate(resolve))
  } while (underWay.size > 0)
}

/** Lets the clock stand still until real work is done. */
export async function standingStill<T>(work: Promise<T>): Promise<T> {
  underWay.add(work)
  try {
    return await work
  } finally {
    underWay.delete(work)
  }
}

export interface Timer<Owner> {
  at: number
  readonly order: number
  readonly every: number | undefined
  readonly owner: Owner | undefined
  readonly run: () => void
}

/**
 * Clocks and timers that stand still until they are moved. Each timer belongs to the process whose code started it, so
 * that a process can be frozen or die alone.
 */
export class VirtualTime<Owner> {
  now = 0
  /** Whose code runs now. */
  running: Owner | undefined
  readonly #timers = new Set<Timer<Owner>>()
  #order = 0

  start(owner: Owner | undefined, run: () => void, delay: number, every?: number): Timer<Owner> {
    // Whole milliseconds, as stores keep them.
    const timer = { at: this.now + Math.max(Math.ceil(delay), 0), order: this.#order++, every, owner, run }
    this.#timers.add(timer)
    return timer
  }

  /** Moves the clock to the first timer that is due by then and takes it; without one, to the very end. */
  next(until: number): Timer<Owner> | undefined {
    let first: Timer<Owner> | undefined
    for (const timer of this.#timers) {
      if (
        first === undefined ||
        timer.at < first.at ||
        (timer.at === first.at && timer.order < first.order)
      ) {
        first = timer
      }
    }
    if (first === undefined || first.at > until) {
      this.now = Math.max(this.now, until)
      return undefined
    }
    this.now = Math.max(this.now, first.at)
    if (first.every === undefined) this.#timers.delete(first)
    else first.at = this.now + first.every
    return first
  }

  timersOf(owner: Owner): number {
    return [...this.#timers].filter((timer) => timer.owner === owner).length
  }

  /** Puts clocks, timers and chance of this realm under control. Returns what undoes it. */
  install(random: () => number): () => void {
    const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate } = globalThis
    const realNow = Date.now
    const realRandom = Math.random
    const stop = (handle?: Handle<Owner>) => {
      if (handle !== undefined) this.#timers.delete(handle.timer)
    }
    Object.assign(globalThis, {
      setTimeout: (run: () => void, delay = 1) => new Handle(this.start(this.running, run, delay)),
      setInterval: (run: () => void, delay = 1) => new Handle(this.start(this.running, run, delay, delay)),
      setImmediate: (run: () => void) => new Handle(this.start(this.running, run, 0)),
      clearTimeout: stop,
      clearInterval: stop,
      clearImmediate: stop,
    })
    Date.now = () => epoch + this.now
    Object.defineProperty(performance, 'now', { configurable: true, value: () => this.now })
    Math.random = random
    return () => {
      Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval })
      Object.assign(globalThis, { setImmediate, clearImmediate })
      Date.now = realNow
      Reflect.deleteProperty(performance, 'now') // The real one is the prototype's.
      Math.random = realRandom
    }
  }
}

/** What `setTimeout` returns, as far as anybody uses it. */
class Handle<Owner> {
  readonly timer: Timer<Owner>

  constructor(timer: Timer<Owner>) {
    this.timer = timer
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }
}
