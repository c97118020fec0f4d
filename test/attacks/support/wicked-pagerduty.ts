import type { PagerDutyOptions } from '../../../src'
import { Browser } from '../../support/browser'
import { type Behaviour, FaultServer, type Received, json } from '../../support/fault-server'
import { claimsOf } from '../../support/good-id-token'
import { type LoginAtHand, signed, temptingKeys } from './id-tokens'
import type { Victim } from './start-victim'

/** Secrets have this in them, so that a search finds where they got to. */
export const canary = 'CANARY'

const paths = {
  token: '/oauth/token',
  revoke: '/oauth/revoke',
  keys: '/global/oauth/anonymous/jwks',
}

/** A PagerDuty that does what a test wants, and by default responds like the real one. It signs with node:crypto alone. */
export class WickedPagerDuty {
  token: Behaviour = (res, request) => this.answer()(res, request)
  keys: Behaviour = json({ keys: temptingKeys })
  /** Who logs in, as claims. */
  user: Record<string, unknown> = {}
  /** The last response to a grant. */
  lastAnswer: Record<string, unknown> = {}
  readonly #server: FaultServer
  /** Milliseconds that the clock of a victim is ahead, or where it stands still. */
  readonly #clocks = new WeakMap<Victim, { offset: number; stoppedAt?: number }>()
  #clock: { offset: number; stoppedAt?: number } = { offset: 0 }
  readonly #logins = new Map<string, { nonce: string; scope: string }>()
  #issued = 0

  private constructor(server: FaultServer) {
    this.#server = server
    server.behave = (res, request) => this.#behave(request)(res, request)
  }

  static async start(): Promise<WickedPagerDuty> {
    return new WickedPagerDuty(await FaultServer.start())
  }

  get url(): string {
    return this.#server.url
  }

  /** Options that lead a victim here. */
  get options(): PagerDutyOptions {
    const clientSecret = `${canary}-client-secret`
    return {
      clientID: 'the-client',
      clientSecret,
      account: 'us.acme',
      identityURL: this.url,
      apiURL: this.url,
    }
  }

  /** Requests since the last reset. */
  requests(path: keyof typeof paths): Received[] {
    return this.#server.requests.filter(({ url }) => url === paths[path])
  }

  /** Back to good manners. */
  reset(): void {
    Object.assign(this, { user: {}, token: (...args: Parameters<Behaviour>) => this.answer()(...args) })
    this.keys = json({ keys: temptingKeys })
    this.#server.requests.length = 0
  }

  async close(): Promise<void> {
    await this.#server.close()
  }

  /** Seconds since the epoch, by the clock of the victim that is being attacked. */
  get now(): number {
    return Math.floor((this.#clock.stoppedAt ?? Date.now() + this.#clock.offset) / 1000)
  }

  /** Lets time pass for a victim. Its clock never goes back: that would be another attack. */
  async pass(victim: Victim, milliseconds = 0): Promise<void> {
    await this.#setClock(victim, { offset: (this.#clocks.get(victim)?.offset ?? 0) + milliseconds })
  }

  /** Stops the clock of a victim, until time passes again. */
  async stopClock(victim: Victim, seconds: number): Promise<void> {
    const { offset = 0 } = this.#clocks.get(victim) ?? {}
    await this.#setClock(victim, { offset, stoppedAt: seconds * 1000 })
  }

  async #setClock(victim: Victim, clock: { offset: number; stoppedAt?: number }): Promise<void> {
    await victim.order({ kind: 'clock', ...clock })
    this.#clocks.set(victim, clock)
    this.#clock = clock
  }

  /** Resolves when a request has come in for which this holds. */
  async until(path: keyof typeof paths, holds: (request: Received) => boolean): Promise<void> {
    while (!this.requests(path).some(holds)) await this.#server.nextRequest()
  }

  /** What a user's consent leads to: the callback URL. */
  consent(authorizeURL: string): string {
    const { searchParams: asked } = new URL(authorizeURL)
    const code = `${canary}-code-${++this.#issued}`
    this.#logins.set(code, { nonce: asked.get('nonce') ?? '', scope: asked.get('scope') ?? '' })
    const callback = new URL(asked.get('redirect_uri') ?? '')
    callback.searchParams.set('code', code)
    callback.searchParams.set('state', asked.get('state') ?? '')
    return callback.href
  }

  /** A login in a victim, up to the response to the callback. */
  async tryLogIn(victim: Victim, browser = new Browser()): Promise<Response> {
    this.#clock = this.#clocks.get(victim) ?? { offset: 0 }
    return browser.visit(this.consent(await victim.begin(browser)))
  }

  /** A login that has to succeed, and the page that it leads to: a grant that no request presents lives for a minute. */
  async logIn(victim: Victim, browser = new Browser()): Promise<Browser> {
    const finished = await this.tryLogIn(victim, browser)
    if (finished.status === 302 && (await victim.userOf(browser)) !== null) return browser
    throw new Error(`The login failed: ${finished.status} ${await finished.text()}`)
  }

  /**
   * PagerDuty's own response to each grant, with some members changed; `undefined` leaves one out. An id_token that is made
   * to order comes with a refresh too.
   */
  answer(
    changes: Record<string, unknown> = {},
    makeIDToken?: (login: LoginAtHand) => string,
    rewrite = (text: string) => text,
  ): Behaviour {
    return (res, request) => {
      const { form } = request
      const number = ++this.#issued
      const { nonce, scope } = this.#logins.get(form.get('code') ?? '') ?? {}
      const access_token = `pdus+_${canary}-${number}`
      const login = { now: this.now, nonce: nonce ?? '', accessToken: access_token }
      const isApp = form.get('grant_type') === 'client_credentials'
      const isLogin = nonce !== undefined
      const make = makeIDToken ?? ((at: LoginAtHand) => signed(claimsOf(at, this.user)))
      this.lastAnswer = {
        access_token,
        ...(!isApp && { refresh_token: `pdrt+_${canary}-${number}` }),
        token_type: 'bearer',
        expires_in: 3600,
        scope: scope ?? form.get('scope') ?? undefined,
        ...((isLogin || (makeIDToken && !isApp)) && { id_token: make(login) }),
        ...changes,
      }
      return json(rewrite(JSON.stringify(this.lastAnswer)))(res, request)
    }
  }

  #behave({ url }: Received): Behaviour {
    if (url === paths.token) return this.token
    if (url === paths.keys) return this.keys
    return json(url === paths.revoke ? {} : { incidents: [] })
  }
}
