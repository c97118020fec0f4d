import { callApp } from './call-app'

/** For platforms that freeze processes between requests: takes work that goes on after the response. */
export type WaitUntil = (work: Promise<unknown>) => void

/** Work that goes on although no request waits for it. */
export class Background {
  readonly #running = new Set<Promise<void>>()
  readonly #waitUntil: WaitUntil | undefined

  constructor(waitUntil?: WaitUntil) {
    this.#waitUntil = waitUntil
  }

  /** A failure is not handled here: events report it. */
  add(work: Promise<unknown>): void {
    const settled = work.then(ignore, ignore).finally(() => this.#running.delete(settled))
    this.#running.add(settled)
    // Some platforms throw once the response was sent. The work goes on as long as the process does.
    callApp(() => this.#waitUntil?.(settled), ignore)
  }

  /** Resolves when nothing runs any more, including what was started meanwhile. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }
}

function ignore(): void {}
