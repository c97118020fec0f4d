import { AppTokens, type AppTokensOptions, type TokenStore } from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { WatchedStore } from './watched-store'

const secret = 'a secret of thirty-two characters or more, for tests'

/** An app at a simulator: its processes share a store. */
export class AppTokenApp {
  readonly simulator: Simulator
  readonly store = new WatchedStore()
  /** The scope that each token was issued with, according to PagerDuty's responses. */
  readonly issued = new Map<string, string>()
  /** The form of each token request. */
  readonly forms: URLSearchParams[] = []
  readonly #processes: AppTokens[] = []

  private constructor(simulator: Simulator) {
    this.simulator = simulator
  }

  static async start(): Promise<AppTokenApp> {
    return new AppTokenApp(await startPagerDuty({ now: () => Date.now() }))
  }

  /** How many tokens were requested. */
  get requests(): number {
    return this.simulator.calls.token.client_credentials
  }

  /** Resolves when PagerDuty has received no request for a while. */
  async settled(): Promise<void> {
    let before = -1
    while (before !== this.requests + this.issued.size) {
      before = this.requests + this.issued.size
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
  }

  /** One more process. */
  process(options: Partial<AppTokensOptions> = {}): AppTokens {
    const tokens = new AppTokens({
      ...this.simulator.options(),
      tokenStore: this.store as TokenStore,
      secret,
      account: 'us.acme',
      fetch: this.#fetch,
      ...options,
    })
    this.#processes.push(tokens)
    return tokens
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map((tokens) => tokens.close()))
    this.store.memory.close()
    await this.simulator.close()
  }

  readonly #fetch: typeof fetch = async (url, init) => {
    const isToken = isTokenURL(url)
    if (isToken) this.forms.push(new URLSearchParams(init?.body as string))
    const answer = await fetch(url, init)
    if (isToken && answer.ok) {
      const { access_token, scope } = (await answer.clone().json()) as Record<string, string>
      this.issued.set(access_token as string, scope as string)
    }
    return answer
  }
}

/** A `fetch` that changes members of successful responses from the token endpoint; undefined removes one. */
export function answering(change: Record<string, unknown>): typeof fetch {
  return async (url, init) => {
    const answer = await fetch(url, init)
    if (!isTokenURL(url) || !answer.ok) return answer
    return Response.json({ ...((await answer.json()) as object), ...change })
  }
}

function isTokenURL(url: unknown): boolean {
  return new URL(String(url)).pathname === '/oauth/token'
}

let wallClock = 0

/** Both clocks go on by so much, as when time passes. Ends with `jest.restoreAllMocks()`. */
export function pass(milliseconds: number): void {
  stepWallClock(milliseconds)
  passMonotonic(milliseconds)
}

/** Only the wall clock is set. */
export function stepWallClock(milliseconds: number): void {
  wallClock = Date.now() + milliseconds
  jest.spyOn(Date, 'now').mockImplementation(() => wallClock)
}

/** Only the monotonic clock goes on: what passes while the wall clock is set back by as much. */
export function passMonotonic(milliseconds: number): void {
  const later = performance.now() + milliseconds
  jest.spyOn(performance, 'now').mockImplementation(() => later)
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}
