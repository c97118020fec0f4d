import { callApp } from './call-app'

/** Tells a platform that freezes processes between requests what is still going on. */
export type WaitUntil = (work: Promise<unknown>) => void

/** What goes on when nobody waits for it any more. */
export class Background {
  readonly #running = new Set<Promise<void>>()
  readonly #waitUntil: WaitUntil | undefined

  constructor(waitUntil?: WaitUntil) {
    this.#waitUntil = waitUntil
  }

  /** How it ends matters to nobody here: events tell of failures. */
  add(work: Promise<unknown>): void {
    const settled = work.then(ignore, ignore).finally(() => this.#running.delete(settled))
    this.#running.add(settled)
    // Some platforms take nothing any more once the response is out. The work goes on while the process does.
    callApp(() => this.#waitUntil?.(settled), ignore)
  }

  /** Settles when nothing is going on, and nothing has been begun by what was. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }
}

function ignore(): void {}
