import { type Direction, type Relay, startRelay } from '../support/relay'

/** Which bytes are meant; for Redis and HTTP/1.1 they are text. */
export type Which = (text: string, direction: Direction) => boolean

type See = (text: string, direction: Direction) => void | Promise<void>

/** A relay that can watch for certain bytes, and hold what a worker sends or receives. */
export class Tap {
  readonly #relay: Relay
  readonly #watch: { see: See }

  private constructor(relay: Relay, watch: { see: See }) {
    this.#relay = relay
    this.#watch = watch
  }

  static async start(port: number): Promise<Tap> {
    const watch: { see: See } = { see: () => {} }
    return new Tap(
      await startRelay(port, (direction, bytes) => watch.see(bytes.toString('latin1'), direction)),
      watch,
    )
  }

  /** The relay underneath, for its modes. */
  get relay(): Relay {
    return this.#relay
  }

  /** Resolves when such bytes pass. */
  passing(which: Which): Promise<void> {
    return new Promise((resolve) => {
      this.#watch.see = (text, direction) => {
        if (which(text, direction)) resolve()
      }
    })
  }

  /** Holds such bytes and all that follow on their way. Resolves when it has them. */
  holding(which: Which): Promise<Held> {
    return new Promise((resolve) => {
      this.#watch.see = (text, direction) => {
        if (!which(text, direction)) return
        const held = new Promise<void>((release) => resolve({ release }))
        this.#watch.see = (_, later) => (later === direction ? held : undefined)
        return held
      }
    })
  }

  /** Has a say on all bytes that pass. */
  listen(see: See): void {
    this.#watch.see = see
  }

  /** Lets everything pass from now on. */
  ignore(): void {
    this.#watch.see = () => {}
  }

  close(): Promise<void> {
    return this.#relay.close()
  }
}

/** Bytes on their way that have not arrived yet. */
export interface Held {
  release(): void
}

/** The refresh of a worker: its request, and the response. */
export const refreshRequest: Which = (text, direction) =>
  direction === 'out' && /^POST \S*\/oauth\/token /m.test(text)
export const refreshAnswer: Which = (text, direction) => direction === 'back' && text.startsWith('HTTP/1.1 ')

/** The command that takes the lock of a grant. */
export const lockCommand: Which = (text, direction) =>
  direction === 'out' && /\r\nset\r\n[^]*lock:\{|INSERT [^]*lock:/i.test(text)

/** The command that stores the next version of a grant. */
export const grantWrite: Which = (text, direction) =>
  direction === 'out' &&
  ((text.includes('grant:{') && text.includes('KEEPTTL')) || /UPDATE [^]*grant:/.test(text))

/** The command that looks at a grant alone; a request reads it together with its session. */
export const grantRead: Which = (text, direction) =>
  direction === 'out' && /\r\nget\r\n[^]*grant:\{/i.test(text)
