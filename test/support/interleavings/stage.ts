import { type Simulator, startPagerDuty } from '../../../src/testing'
import { fakeOnly } from '../fake-only'
import { check } from './checks'
import { type History, play } from './histories'
import { AppProcess } from './process'
import type { SharedBackend } from './shared-stores'
import type { Traffic } from './traffic'
import { closeConnections } from './visitor'
import { World } from './world'

/** PagerDuty and two processes, where one history is played after the other. */
export class Stage {
  readonly simulator: Simulator
  readonly processes: readonly AppProcess[]
  readonly #rejections: unknown[] = []
  readonly #noteRejection = (reason: unknown) => void this.#rejections.push(reason)
  #traffic: Traffic | undefined

  private constructor(simulator: Simulator, processes: readonly AppProcess[]) {
    this.simulator = simulator
    this.processes = processes
    this.#watchSignatures()
    process.on('unhandledRejection', this.#noteRejection)
    fakeOnly(['Date', 'performance', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'])
  }

  static async start(): Promise<Stage> {
    const scope = ['incidents.read', 'incidents.write', 'users.read']
    const simulator = await startPagerDuty({
      clients: [{ clientID: 'app', clientSecret: 'secret of the app', scope }],
      codeLifetime: 3_600,
      accessTokenLifetime: 10,
      // After a lost response, the same refresh token gets the same response again.
      grace: 3_600,
    })
    return new Stage(simulator, [await AppProcess.start(), await AppProcess.start()])
  }

  /** What happened in the last history, with ids cut short. */
  get log(): string {
    const lines = this.#traffic?.log.join('\n') ?? ''
    return lines.replace(/([\w-]{6})[\w-]{18}(?![\w-])/g, '$1…').replace(/\.[\w-]{14,}/g, '')
  }

  /** Plays a history to its end. Rejects with everything that is wrong then. */
  async run(backend: SharedBackend, { settings, steps }: History): Promise<void> {
    const world = await World.make(this, backend, settings)
    const { violations } = world.ledger
    this.#traffic = world.traffic
    this.#rejections.length = 0
    try {
      await play(world, steps)
      await world.drain(settings.seed)
      if (!world.traffic.isCircling) await check(world)
    } finally {
      await world.end()
    }
    for (const reason of this.#rejections) world.ledger.blame(`unhandled rejection: ${String(reason)}`)
    if (violations.length > 0) throw new Error(violations.join('\n'))
  }

  async close(): Promise<void> {
    jest.useRealTimers()
    jest.restoreAllMocks()
    process.off('unhandledRejection', this.#noteRejection)
    closeConnections()
    await Promise.all(this.processes.map((one) => one.close()))
    await this.simulator.close()
  }

  /** Signatures are verified on other threads, which takes real time. */
  #watchSignatures(): void {
    for (const method of ['importKey', 'verify'] as const) {
      const original = crypto.subtle[method].bind(crypto.subtle) as (...args: unknown[]) => Promise<unknown>
      const counted = (...args: unknown[]) =>
        this.#traffic === undefined ? original(...args) : this.#traffic.real(() => original(...args))
      jest.spyOn(crypto.subtle, method).mockImplementation(counted as never)
    }
  }
}
