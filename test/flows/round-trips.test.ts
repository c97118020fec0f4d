import { MemoryTokenStore, type TokenStore } from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { startDropIn } from '../support/drop-in'
import { HeldStore } from '../support/held-store'

/** A store in memory that knows how many round trips in a row its commands took: those under way at once count as one. */
class DistantStore implements TokenStore {
  readonly #memory = new MemoryTokenStore()
  rounds: string[][] = []
  #answered = 0

  get = (key: string) => this.#send(`get ${key}`, () => this.#memory.get(key))
  create = (key: string, value: string, ttl: number) =>
    this.#send(`create ${key}`, () => this.#memory.create(key, value, ttl))
  replace = (key: string, expected: string, value: string, ttl?: number) =>
    this.#send(`replace ${key}`, () => this.#memory.replace(key, expected, value, ttl))
  delete = (key: string, expected?: string) =>
    this.#send(`delete ${key}`, () => this.#memory.delete(key, expected))

  reset(): void {
    this.rounds = []
    this.#answered = 0
  }

  async #send<T>(command: string, work: () => Promise<T>): Promise<T> {
    const round = this.#answered
    const [name = ''] = command.split(':')
    this.rounds[round] = [...(this.rounds[round] ?? []), name]
    const result = await work()
    // Callers that wait for nothing else have sent by then.
    await new Promise(setImmediate)
    this.#answered = Math.max(this.#answered, round + 1)
    return result
  }
}

let simulator: Simulator
beforeEach(async () => {
  simulator = await startPagerDuty({ now: Date.now.bind(Date) })
})
afterEach(async () => {
  jest.restoreAllMocks()
  await simulator.close()
})

const secret = 'a secret of thirty-two characters or more, for tests'

test('a login takes four round trips to the store, one after the other', async () => {
  const store = new DistantStore()
  const app = await startDropIn(simulator, { tokenStore: store, secret })
  try {
    await app.logIn()
    store.reset()
    await app.logIn()
    expect(store.rounds).toEqual([
      ['create login'],
      ['create grant', 'get user'],
      ['replace user'],
      ['create sess', 'replace login'],
    ])
  } finally {
    await app.close()
  }
})

test('a refresh takes four round trips to the store, beside the read of the request that waits for it', async () => {
  const store = new DistantStore()
  const app = await startDropIn(simulator, { tokenStore: store, secret })
  try {
    const { browser } = await app.logIn(new Browser())
    await app.get(browser)
    const later = Date.now() + 25 * 3_600_000
    jest.spyOn(Date, 'now').mockReturnValue(later)
    store.reset()
    await app.get(browser)
    expect(store.rounds).toEqual([
      ['get sess', 'get grant'],
      ['create lock'],
      ['get grant', 'get pause', 'get pause', 'get pause'],
      ['replace grant'],
      ['delete lock'],
    ])
  } finally {
    await app.close()
  }
})

test('a session that was stored along with the outcome of a login that failed is removed', async () => {
  const store = new HeldStore()
  const app = await startDropIn(simulator, { tokenStore: store, secret, logger: { warn() {} } })
  try {
    const removal = store.hold(/^delete sess/, 'after')
    store.fault = (command) => (/^replace login/.test(command) ? new Error('no') : undefined)
    const { browser, finished } = await app.logIn()
    expect(finished.status).toBe(503)
    expect([...browser.cookies]).toEqual([])
    await removal.reached
    removal.release()
    const [session = ''] = store.commands.flatMap((command) => /^create (sess:.*)/.exec(command)?.[1] ?? [])
    expect(session).not.toBe('')
    expect(await store.memory.get(session)).toBeUndefined()
  } finally {
    await app.close()
  }
})

test('a session whose first writing failed is written again, and stays', async () => {
  const store = new HeldStore()
  const app = await startDropIn(simulator, { tokenStore: store, secret, logger: { warn() {} } })
  try {
    let failures = 1
    store.fault = (command) => (/^create sess/.test(command) && failures-- > 0 ? new Error('no') : undefined)
    const { browser } = await app.logIn()
    expect((await app.get(browser)).status).toBe(200)
    expect(store.commands.filter((command) => /^create sess/.test(command))).toHaveLength(2)
    expect(store.commands.filter((command) => /^delete sess/.test(command))).toEqual([])
  } finally {
    await app.close()
  }
})
