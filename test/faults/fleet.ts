import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { bundledWorker } from './paths'
import type { Message, Order, Results } from './worker'
import { type Tap, grantWrite, lockCommand } from './tap'

/** How a worker ended. */
export interface Exit {
  code: number | null
  /** Milliseconds from the signal to the end. */
  after: number
}

/** One process of the app. */
export class Worker {
  readonly url: string
  /** Between this worker and the server of its store, if it was started with one. */
  readonly toStore: Tap | undefined
  /** Between this worker and PagerDuty, if it was started with one. */
  readonly toPagerDuty: Tap | undefined
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (message: Message) => void>()
  readonly #exited: Promise<unknown>
  #orders = 0

  private constructor(child: ChildProcess, url: string, taps: Taps, listener: Listener) {
    this.#child = child
    this.#exited = once(child, 'exit')
    this.url = url
    this.toStore = taps.toStore
    this.toPagerDuty = taps.toPagerDuty
    child.on('message', (message: Message) => {
      if ('problem' in message) listener.problem(message.problem)
      if ('told' in message) listener.told(message.grantID, `process ${child.pid}: ${message.told}`)
      if (!('id' in message)) return
      this.#waiting.get(message.id)?.(message)
      this.#waiting.delete(message.id)
    })
  }

  static async start(env: Record<string, string>, taps: Taps, listener: Listener): Promise<Worker> {
    const child = fork(bundledWorker, {
      execArgv: ['--expose-gc'],
      env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...env },
    })
    const problems: string[] = []
    const died = once(child, 'exit').then(([code]) =>
      Promise.reject(new Error(`A worker ended with ${code} before it listened: ${problems.join('\n')}`)),
    )
    const listening = new Promise<string>((resolve) => {
      child.on('message', (message: Message) => {
        if ('url' in message) resolve(message.url)
        if ('problem' in message) problems.push(message.problem)
      })
    })
    const url = await Promise.race([listening, died])
    died.catch(() => {})
    return new Worker(child, url, taps, listener)
  }

  /** Whether it has been stopped by {@link freeze}. */
  isFrozen = false

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Resolves when it has taken the lock of a grant, and does not know it yet; it gets no further. */
  atLock(): Promise<unknown> {
    if (this.toStore === undefined) return this.order({ kind: 'stop', after: 'create lock:' })
    return this.toStore.passing(lockCommand).then(() => this.toStore?.holding((_, to) => to === 'back'))
  }

  /** Resolves when it is about to store the next version of a grant; it gets no further. */
  atGrantWrite(): Promise<unknown> {
    return this.toStore?.holding(grantWrite) ?? this.order({ kind: 'stop', before: 'replace grant:' })
  }

  /** Has the worker do something, and returns what came of it. */
  async order<Kind extends Order['kind']>(order: Extract<Order, { kind: Kind }>): Promise<Results[Kind]> {
    const id = ++this.#orders
    const answered = new Promise<Results[Kind]>((resolve, reject) => {
      this.#waiting.set(id, (message) => {
        if ('result' in message) resolve(message.result as Results[Kind])
        else if ('failure' in message) reject(new Error(message.failure))
      })
    })
    const died = this.#exited.then(() => Promise.reject(new Error('The worker has ended')))
    this.#child.send({ id, order }, () => {}) // Who has just ended is noticed anyway.
    return Promise.race([answered, died])
  }

  /** `kill -9` */
  async kill(): Promise<void> {
    if (this.isAlive) await this.#signal('SIGKILL')
    await this.#closeTaps()
  }

  /** Asks it to end, as an orchestrator does, and waits until it has. */
  async terminate(): Promise<Exit> {
    const exit = await this.#signal('SIGTERM')
    await this.#closeTaps()
    return exit
  }

  freeze(): void {
    this.isFrozen = true
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.isFrozen = false
    this.#child.kill('SIGCONT')
  }

  async #signal(signal: NodeJS.Signals): Promise<Exit> {
    const startedAt = performance.now()
    const ended = once(this.#child, 'exit') as Promise<[number | null]>
    this.#child.kill(signal)
    const [code] = await ended
    return { code, after: performance.now() - startedAt }
  }

  async #closeTaps(): Promise<void> {
    await Promise.all([this.toStore?.close(), this.toPagerDuty?.close()])
  }
}

/** Hears what workers say unasked. */
export interface Listener {
  /** What must never happen. */
  problem(problem: string): void
  /** What became of a grant. */
  told(grantID: string, what: string): void
}

/** The relays of one worker. */
export interface Taps {
  toStore?: Tap | undefined
  toPagerDuty?: Tap | undefined
}
