import type { TokenEndpointError } from '../errors/pagerduty-errors'
import { LRUMap } from '../async/lru-map'
import { isNumber, isOptionalNumber, isOptionalText, isText, parseJSON } from '../store/decode'
import type { TokenStore } from '../store/token-store'

/** Milliseconds for which a circuit that another process opened is open here without another look at the store. */
export const sharedFor = 1_000
/** Each attempt that fails means that another process has written a circuit that is open for longer. */
const mostAttempts = 100

/** What other processes need to know of a failure. It holds no secret: only codes, and sentences of this package. */
export type Failure = Pick<TokenEndpointError, 'message' | 'code' | 'error' | 'httpStatus' | 'hint'>

/** A circuit that a failure opened. */
export interface OpenCircuit {
  /** When it is no longer open in this process, by the monotonic clock. */
  readonly until: number
  /** Milliseconds of backoff, before they were spread and compared with `Retry-After`. */
  readonly delay: number
  readonly failure: Failure
  /** The version of the grant that could not be refreshed. With another version a process was successful since. */
  readonly version?: number | undefined
  /** When it is no longer open in any process, in milliseconds since the epoch; undefined where another one opened it. */
  readonly endsAt?: number
}

/** The circuits that are open or were recently, by their keys: in memory, and shared through the store. */
export class OpenCircuits extends LRUMap<string, OpenCircuit> {
  readonly #store: TokenStore

  constructor(store: TokenStore) {
    super(10_000)
    this.#store = store
  }

  /** Takes over those that other processes opened. */
  async load(keys: readonly string[]): Promise<void> {
    const values = await Promise.all(keys.map((key) => this.#store.get(key)))
    for (const [position, key] of keys.entries()) {
      const shared = decode(values[position])
      if (shared !== undefined) this.set(key, { ...shared, until: performance.now() + sharedFor })
    }
  }

  /** Of several the one that is open longest stays, whichever process wrote it and in whatever order they come. */
  async share(key: string, { delay, failure, version }: OpenCircuit, endsAt: number): Promise<void> {
    const value = JSON.stringify({ delay, failure, version, endsAt })
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const left = endsAt - Date.now()
      if (left <= 0 || (await this.#store.create(key, value, left))) return
      const current = await this.#store.get(key)
      if (current === undefined) continue // It has just expired.
      if (endOf(current) >= endsAt) return
      if (await this.#store.replace(key, current, value, left)) return
    }
  }
}

/** 0 where a stored circuit does not say when it ends. */
function endOf(value: string): number {
  const { endsAt } = Object(parseJSON(value)) as { endsAt?: unknown }
  return isNumber(endsAt) ? endsAt : 0
}

/** Undefined for what another version of this package may have written. */
function decode(value: string | undefined): Omit<OpenCircuit, 'until'> | undefined {
  const { delay, failure, version } = Object(parseJSON(value ?? '')) as Record<string, unknown>
  const { message, code, error, httpStatus, hint } = Object(failure) as Record<string, unknown>
  if (!isNumber(delay) || !isOptionalNumber(version) || !isOptionalNumber(httpStatus)) return undefined
  if (!isText(message) || !isText(code) || !isOptionalText(error) || !isOptionalText(hint)) return undefined
  return { delay, version, failure: { message, code, error, httpStatus, hint } }
}
