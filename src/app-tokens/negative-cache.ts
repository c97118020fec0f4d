import type { AppTokenRequest } from './token-repository'
import { LRUMap } from '../async/lru-map'
import { ScopeNotGrantedError } from '../errors/pagerduty-errors'
import { isText, listOf, parseJSON } from '../store/decode'
import type { TokenStore } from '../store/token-store'

const ttl = 30_000
/** Milliseconds for which an entry of another process is used without another look at the store. */
const sharedTTL = 1_000

/** Requests for which PagerDuty issued less than was requested: no process repeats them for half a minute. */
export class NegativeCache {
  readonly #store: TokenStore
  readonly #entries = new LRUMap<string, { granted: readonly string[]; until: number }>(1_000)

  constructor(store: TokenStore) {
    this.#store = store
  }

  /** Why a request is not to be sent now, as far as this process knows. */
  get({ id, requested }: AppTokenRequest): ScopeNotGrantedError | undefined {
    const entry = this.#entries.get(id)
    const left = entry === undefined ? 0 : entry.until - performance.now()
    return entry !== undefined && left > 0
      ? new ScopeNotGrantedError(requested, entry.granted, { retryAfter: Math.ceil(left / 1000) })
      : undefined
  }

  /** The same, as all processes know it. */
  async load(request: AppTokenRequest): Promise<ScopeNotGrantedError | undefined> {
    const known = this.get(request)
    if (known !== undefined) return known
    const granted = decode(await this.#store.get(keyOf(request.id)))
    if (granted !== undefined) this.#set(request.id, granted, sharedTTL)
    return this.get(request)
  }

  async add({ id }: AppTokenRequest, granted: readonly string[]): Promise<void> {
    this.#set(id, granted, ttl)
    await this.#store.create(keyOf(id), JSON.stringify(granted), ttl).catch(() => {}) // Then only this process knows.
  }

  #set(id: string, granted: readonly string[], duration: number): void {
    this.#entries.set(id, { granted, until: performance.now() + duration })
  }
}

function keyOf(id: string): string {
  return `narrow:${id}`
}

function decode(value: string | undefined): readonly string[] | undefined {
  const granted = value === undefined ? undefined : listOf(parseJSON(value))
  return granted?.every(isText) === true ? granted : undefined
}
