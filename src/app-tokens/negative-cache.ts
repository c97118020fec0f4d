import type { AppTokenRequest } from './token-repository'
import { ScopeNotGrantedError } from '../errors'
import { isText, listOf, parseJSON } from '../store/decode'
import type { TokenStore } from '../store/token-store'

const pause = 30_000
/** Milliseconds after which what another process found is looked up again. */
const lookedUp = 1_000
const mostRemembered = 1_000

/** Requests that PagerDuty answered with less than was asked for: for half a minute no process asks again. */
export class NotGranted {
  readonly #store: TokenStore
  readonly #found = new Map<string, { granted: readonly string[]; until: number }>()

  constructor(store: TokenStore) {
    this.#store = store
  }

  /** Why a request is left alone at the moment, as far as this process knows. */
  known({ id, asked }: AppTokenRequest): ScopeNotGrantedError | undefined {
    const found = this.#found.get(id)
    const left = found === undefined ? 0 : found.until - performance.now()
    return found !== undefined && left > 0
      ? new ScopeNotGrantedError(asked, found.granted, { retryAfter: Math.ceil(left / 1000) })
      : undefined
  }

  /** The same, as all processes know it. */
  async look(request: AppTokenRequest): Promise<ScopeNotGrantedError | undefined> {
    const known = this.known(request)
    if (known !== undefined) return known
    const granted = decode(await this.#store.get(keyOf(request.id)))
    if (granted !== undefined) this.#remember(request.id, granted, lookedUp)
    return this.known(request)
  }

  /** Begins a pause, here and in all processes. */
  async found({ id }: AppTokenRequest, granted: readonly string[]): Promise<void> {
    this.#remember(id, granted, pause)
    await this.#store.create(keyOf(id), JSON.stringify(granted), pause).catch(() => {}) // Then only here.
  }

  #remember(id: string, granted: readonly string[], duration: number): void {
    this.#found.delete(id)
    this.#found.set(id, { granted, until: performance.now() + duration })
    const [oldest] = this.#found.keys()
    if (this.#found.size > mostRemembered && oldest !== undefined) this.#found.delete(oldest)
  }
}

function keyOf(id: string): string {
  return `narrow:${id}`
}

function decode(value: string | undefined): readonly string[] | undefined {
  const granted = value === undefined ? undefined : listOf(parseJSON(value))
  return granted?.every(isText) === true ? granted : undefined
}
