import { get } from 'node:http'
import type { Simulator } from '../../src/testing'
import { Browser } from '../support/browser'
import type { Worker } from './fleet'

/** What the app responds: whom it takes the user for, and with which access token. */
interface Told {
  user?: string
  token?: string
}

/** What a user sees. */
export interface Answer extends Told {
  /** 0 when the connection broke. */
  status: number
  /** Milliseconds from the request. */
  after: number
  /** Seconds. */
  retryAfter: number | undefined
  /** Whether a 401 says how to log in. */
  isChallenge: boolean
}

/** A user with a browser, who goes from worker to worker as a load balancer sends them. */
export class User {
  readonly id: string
  browser = new Browser()
  /** The access token of the last good response. */
  token: string | undefined
  readonly #simulator: Simulator

  constructor(id: string, simulator: Simulator) {
    this.id = id
    this.#simulator = simulator
  }

  /** The whole way: login start, consent, callback. */
  async logIn(worker: Worker): Promise<void> {
    const begun = await this.browser.visit(`${worker.url}/auth/pagerduty`)
    const authorizeURL = begun.headers.get('location') as string
    const body = new URLSearchParams({ user: this.id, decision: 'allow' })
    const consent = await fetch(authorizeURL, { method: 'POST', body, redirect: 'manual' })
    const { pathname, search } = new URL(consent.headers.get('location') as string)
    const finished = await this.browser.visit(worker.url + pathname + search)
    if (finished.status !== 302) throw new Error(`The login of ${this.id} ended in ${finished.status}`)
  }

  /** A request of a script, which needs no particular scope: `/token` says who the user is, `/api` calls PagerDuty. */
  async ask(worker: Worker, path = '/token', init: { method?: string } = {}): Promise<Answer> {
    const startedAt = performance.now()
    const after = () => performance.now() - startedAt
    try {
      const answer = await this.browser.fetch(worker.url + path, init)
      const text = await answer.text()
      const body = answer.status === 200 && text.startsWith('{') ? (JSON.parse(text) as Told) : {}
      this.token = body.token ?? this.token
      return {
        status: answer.status,
        after: after(),
        retryAfter: secondsIn(answer.headers.get('retry-after')),
        isChallenge: answer.headers.has('www-authenticate'),
        ...body,
      }
    } catch {
      return { status: 0, after: after(), retryAfter: undefined, isChallenge: false }
    }
  }

  logOut(worker: Worker): Promise<Answer> {
    return this.ask(worker, '/auth/pagerduty/logout', { method: 'POST' })
  }

  /** Sends a request. What is returned hangs up. */
  begin(worker: Worker): () => void {
    const sent = get(`${worker.url}/token`, { headers: { cookie: this.cookie }, agent: false })
    sent.on('error', () => {})
    return () => sent.destroy()
  }

  get cookie(): string {
    return [...this.browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  /** The id of the user's grant: the first part of the session's id. */
  get grantID(): string {
    const [, grantID = ''] =
      /^s:([^.]+)\./.exec(decodeURIComponent(this.browser.cookies.get('pagerduty') ?? '')) ?? []
    return grantID
  }

  /** The newest access token that PagerDuty gave for this user and would still take. */
  get newestToken(): string | undefined {
    return this.#simulator.newestAccessToken(this.id)
  }

  /** Another browser with the same cookies. */
  copy(): User {
    const other = new User(this.id, this.#simulator)
    other.browser = this.browser.copy()
    return other
  }
}

function secondsIn(header: string | null): number | undefined {
  return header === null ? undefined : Number(header)
}
