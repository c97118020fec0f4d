import { CircuitBreaker } from '../../src/oauth/circuit-breaker'
import { TokenEndpointError } from '../../src/errors/pagerduty-errors'
import { MemoryTokenStore } from '../../src/store/memory-token-store'
import { random } from './random'

/** Seconds after which nothing is left alone any more because of a failure. */
const calmAfter = 300

/** The processes of the app with the library's own pauses, which they share through one store. */
export class Fleet {
  readonly #store = new MemoryTokenStore()
  readonly #processes: readonly CircuitBreaker[]
  readonly #seed: number
  readonly #clock: { seconds: number }
  /** Until when each process surely leaves all grants alone. */
  readonly #allPausedUntil: Float64Array
  readonly #waiting: { who: number; process: number; error: TokenEndpointError; at: number }[] = []
  #position = 0
  #lastFailure = -Infinity

  constructor(processes: number, seed: number, clock: { seconds: number }) {
    this.#seed = seed
    this.#clock = clock
    this.#allPausedUntil = new Float64Array(processes)
    this.#processes = Array.from({ length: processes }, () => new CircuitBreaker(this.#store, 'client'))
  }

  /** The process that a request is sent to. */
  pick(who: number, time: number): number {
    return Math.floor(random(this.#seed, who, Math.floor(time)) * this.#processes.length)
  }

  /** Whether a refresh would not be tried now. A promise where the store has to be asked. */
  isPaused(process: number, who: number, time: number): boolean | Promise<boolean> {
    if (time > this.#lastFailure + calmAfter) return false
    if (this.#areAllPaused(process, time)) return true
    const breaker = this.#processes[process] as CircuitBreaker
    if (breaker.openError(idOf(who)) !== undefined) return true
    return breaker.check(idOf(who)).then((failure) => failure !== undefined)
  }

  /** Asks once with the clock set ahead, instead of at each of thousands of requests. */
  #areAllPaused(process: number, time: number): boolean {
    if (time < (this.#allPausedUntil[process] as number)) return true
    const breaker = this.#processes[process] as CircuitBreaker
    const failure = breaker.openError('nobody')
    if (failure === undefined) return false
    // What it says is in whole seconds, rounded up.
    let sure = Math.max((failure.retryAfter ?? 0) - 1, 0)
    for (let step = 0.5; step > 0.01; step /= 2) {
      this.#clock.seconds = time + sure + step
      if (breaker.openError('nobody') !== undefined) sure += step
    }
    this.#clock.seconds = time
    this.#allPausedUntil[process] = time + sure
    return true
  }

  succeeded(process: number, who: number): void {
    void (this.#processes[process] as CircuitBreaker).recordSuccess(idOf(who))
  }

  /** The response of a call that fails comes later. */
  willFail(process: number, who: number, error: TokenEndpointError, at: number): void {
    this.#lastFailure = Math.max(this.#lastFailure, at)
    this.#waiting.push({ who, process, error, at })
  }

  hasAnswer(time: number): boolean {
    return (this.#waiting[this.#position]?.at ?? Infinity) <= time
  }

  /** Records the failures whose responses have come. */
  async settle(until: number): Promise<void> {
    for (; this.#position < this.#waiting.length; this.#position++) {
      const next = this.#waiting[this.#position]
      if (next === undefined || next.at > until) return
      this.#clock.seconds = next.at
      await (this.#processes[next.process] as CircuitBreaker).recordFailure(idOf(next.who), next.error)
    }
    this.#waiting.length = 0
    this.#position = 0
  }

  close(): void {
    this.#store.close()
  }
}

function idOf(who: number): string {
  return `grant ${who}`
}

function failure(httpStatus?: number): TokenEndpointError {
  const details = { code: 'ERR_PAGERDUTY_TOKEN_UNAVAILABLE', status: 503, isTransient: true }
  return new TokenEndpointError('simulated', { ...details, httpStatus })
}

/** What the token endpoint says. */
export const failures = { unavailable: failure(503), silent: failure(), tooMany: failure(429) }
