import { Agent, globalAgent, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { approve } from '../../../src/testing'
import { Browser } from '../../support/browser'
import type { Gate } from './gate'

/** Milliseconds from one request of a visitor to the next. */
export const period = 200
/** Requests of a visitor from login to logout: at least the first, less than the second. */
const stay = [50, 150] as const
/** One visitor in so many leaves without logging out. */
const leavers = 10
/** Routes of the app, and how many of a hundred requests are for each. */
const routes = { '/incidents': 88, '/as-user': 10, '/as-app': 2 }

/** What happened since the last sample. */
export interface Tally {
  /** Milliseconds of each request. */
  latencies: number[]
  logins: number
  logouts: number
  failures: string[]
}

/** Visitors who log in, make requests at a steady pace, log out, and come again as another user. */
export class Visitors {
  tally: Tally = newTally()
  /** When those came who have left without logging out, and when logins were finished: `performance.now()`. */
  readonly leftAt: number[] = []
  readonly loggedInAt: number[] = []
  loggedIn = 0
  readonly #agent = new Agent({ keepAlive: true })
  readonly #urls: readonly string[]
  readonly #users: readonly string[]
  readonly #gate: Gate
  #isOver = false

  constructor(urls: readonly string[], users: readonly string[], gate: Gate) {
    this.#urls = urls
    this.#users = users
    this.#gate = gate
  }

  /** Sends so many, until they are stopped. */
  async come(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, (_, number) => this.#live(number)))
  }

  stop(): void {
    this.#isOver = true
  }

  /** What happened since it was asked last. */
  takeTally(): Tally {
    const taken = this.tally
    this.tally = newTally()
    return taken
  }

  /** Closes the connections that are not used: those of requests, and those of logins and logouts. */
  disconnect(): void {
    this.#agent.destroy()
    globalAgent.destroy()
  }

  async #live(number: number): Promise<void> {
    await pause((number * 37) % period) // Not all at once.
    for (let visit = 0; !this.#isOver; visit++) {
      const user = this.#users[(number + visit) % this.#users.length] as string
      try {
        await this.#visit(new Browser(), user, visit)
      } catch (error) {
        this.tally.failures.push(String(error))
        await pause(period)
      }
    }
  }

  async #visit(browser: Browser, user: string, number: number): Promise<void> {
    await this.#gate.pass(() => this.#logIn(browser, user))
    const requests = stay[0] + Math.floor(Math.random() * (stay[1] - stay[0]))
    let due = performance.now()
    for (let count = 0; count < requests && !this.#isOver; count++) {
      due = Math.max(due + period, performance.now())
      await pause(due - performance.now())
      await this.#gate.pass(() => this.#request(browser))
    }
    await this.#gate.pass(() => this.#leave(browser, number % leavers === leavers - 1))
  }

  async #logIn(browser: Browser, user: string): Promise<void> {
    const begun = await browser.visit(`${this.#anyURL()}/auth/pagerduty`)
    const callback = await approve(begun.headers.get('location') as string, { user })
    const { status } = await browser.visit(callback)
    if (status !== 302) throw new Error(`a login ended with ${status}`)
    this.tally.logins++
    this.loggedIn++
    this.loggedInAt.push(performance.now())
  }

  async #leave(browser: Browser, silently: boolean): Promise<void> {
    this.loggedIn--
    if (silently) return void this.leftAt.push(performance.now())
    const { status } = await browser.fetch(`${this.#anyURL()}/auth/pagerduty/logout`, { method: 'POST' })
    if (status >= 400) throw new Error(`a logout ended with ${status}`)
    this.tally.logouts++
  }

  async #request(browser: Browser): Promise<void> {
    const path = anyRoute()
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const startedAt = performance.now()
    const status = await this.#get(this.#anyURL() + path, cookie)
    this.tally.latencies.push(performance.now() - startedAt)
    if (status !== 200) this.tally.failures.push(`${path} ended with ${status}`)
  }

  #get(url: string, cookie: string): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const sent = request(url, { agent: this.#agent, headers: { cookie } }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode))
      })
      sent.on('error', reject).end()
    })
  }

  #anyURL(): string {
    return this.#urls[Math.floor(Math.random() * this.#urls.length)] as string
  }
}

function newTally(): Tally {
  return { latencies: [], logins: 0, logouts: 0, failures: [] }
}

function anyRoute(): string {
  let left = Math.random() * 100
  for (const [path, share] of Object.entries(routes)) {
    left -= share
    if (left < 0) return path
  }
  return '/incidents'
}
