import type { Scheduler } from 'fast-check'
import { TokenStoreError } from '../../../src/errors/errors'
import type { TokenStore } from '../../../src/store/token-store'
import type { Actor } from './actor'
import type { ExchangeFault, Kind, StoreFault, Verb } from './faults'
import type { Presentation } from './ledger'
import { standingStill } from './virtual-time'
import type { World } from './world'

const storeDeadline = 1_000

/** What lies between the processes and what they share. Whatever is sent lands when the scheduler says so. */
export class Wire {
  readonly #world: World
  readonly #scheduler: Scheduler
  readonly #slowness: number

  constructor(world: World, scheduler: Scheduler, slowness: number) {
    this.#world = world
    this.#scheduler = scheduler
    this.#slowness = slowness
  }

  /** The store as a process sees it. */
  storeOf(actor: Actor): TokenStore {
    const { store } = this.#world
    const real = this.#world.openStore()
    const changed = (...change: [string, string | undefined, string | undefined]) =>
      this.#world.referee.changed(actor, ...change)
    return {
      get: (key) =>
        this.#command(actor, 'get', key, () => this.#as(`get ${key}`, store.get(key), real?.get(key))),
      create: (key, value, ttl) =>
        this.#command(actor, 'create', key, () =>
          this.#as(`create ${key}`, store.create(key, value, ttl, changed), real?.create(key, value, ttl)),
        ),
      replace: (key, expected, value, ttl) =>
        this.#command(actor, 'replace', key, () =>
          this.#as(
            `replace ${key}`,
            store.replace(key, expected, value, ttl, changed),
            real?.replace(key, expected, value, ttl),
          ),
        ),
      delete: (key, expected) =>
        this.#command(actor, 'delete', key, () =>
          this.#as(`delete ${key}`, store.delete(key, expected, changed), real?.delete(key, expected)),
        ),
    }
  }

  /** A real store has to do what the model's does. */
  async #as<T>(what: string, expected: T, real: Promise<T> | undefined): Promise<T> {
    if (real === undefined) return expected
    const result = await standingStill(real).catch((error: unknown) => error)
    if (result !== expected)
      this.#world.referee.blame(`${what}: the store says ${result}, and not ${expected}`)
    return expected
  }

  async #command<T>(actor: Actor, verb: Verb, key: string, apply: () => Promise<T>): Promise<T> {
    const fault = this.#world.faults.takeCommand(actor.name, this.#world.time.now, verb, key)
    const label = `${actor.name} ${verb} ${key}`
    if (fault !== undefined) {
      this.#world.isDisturbed = true
      this.#world.referee.commandFailed(actor, verb, key.slice(0, key.indexOf(':')) as Kind, fault)
    }
    const there = fault === 'slow' ? 450 : this.#latency(450)
    const back = fault === 'slow' ? 450 : this.#latency(450)
    if (fault === 'takes effect after it was given up') {
      void this.#travel(label, storeDeadline + this.#world.random() * 2_000).then(apply)
    } else if (fault !== 'refused') {
      await this.#travel(label, there)
      const result = await apply()
      this.#struck(actor, fault)
      if (fault !== 'reply lost') {
        await this.#travel(`reply to ${label}`, back)
        await this.#reaches(actor)
        return result
      }
    }
    await this.#travel(`no reply to ${label}`, fault === 'refused' ? back : storeDeadline - there)
    await this.#reaches(actor)
    throw new TokenStoreError(`The store did not answer: ${fault}`)
  }

  /** Something happens to the sender before the reply is there. */
  #struck(actor: Actor, fault: StoreFault | ExchangeFault | undefined): void {
    if (fault === 'sender crashed') this.#world.crash(actor)
    if (fault === 'sender frozen') this.#world.freeze(actor, 5_000 + this.#world.random() * 35_000)
  }

  /** The endpoints of the authorization server as a process sees them. */
  async exchange(actor: Actor, url: string, body: string): Promise<Response> {
    const form = new URLSearchParams(body)
    if (!url.endsWith('/oauth/token')) {
      await this.#travel(`${actor.name} revokes`, this.#latency(1_000))
      this.#world.server.revoke(form.get('token') as string)
      await this.#travel(`reply to ${actor.name}: revoked`, this.#latency(1_000))
      await this.#reaches(actor)
      return new Response(null, { status: 200 })
    }
    const token = form.get('refresh_token') as string
    const presentation = this.#world.referee.sent(actor, token, (key) => this.#world.store.get(key))
    const fault = this.#world.faults.takeExchange()
    if (fault !== undefined) this.#world.isDisturbed = true
    await this.#travel(
      `${actor.name} presents ${token}`,
      fault === 'arrives after 30 s' ? 30_000 : this.#latency(3_000),
    )
    const answer = this.#answer(presentation, fault)
    this.#struck(actor, fault)
    await this.#travel(`answer to ${actor.name} for ${token}`, delays.get(fault) ?? this.#latency(3_000))
    await this.#reaches(actor)
    if (answer === undefined) {
      presentation.outcome = 'unknown'
      throw new TypeError('fetch failed', {
        cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }),
      })
    }
    if (presentation.outcome === 'open') presentation.outcome = outcomes.get(answer.status) ?? 'unknown'
    return answer
  }

  #answer(presentation: Presentation<Actor>, fault: ExchangeFault | undefined): Response | undefined {
    const { token } = presentation
    if (fault === 'lost before it took effect') return undefined
    this.#world.referee.arrived(presentation)
    if (fault === '500') return new Response('oops', { status: 500 })
    if (fault === '503 with Retry-After') return reply(503, {}, { 'retry-after': '20' })
    if (fault === '429') return reply(429, {})
    if (fault === '429 with Retry-After') return reply(429, {}, { 'retry-after': '40' })
    if (fault === 'invalid_client') return reply(401, { error: 'invalid_client' })
    const pair = this.#world.server.refresh(token)
    if (pair !== undefined) this.#world.referee.issued(pair, presentation)
    if (fault === 'lost after it took effect') return undefined
    if (fault === 'never answered') presentation.outcome = 'unknown'
    if (pair === undefined) return reply(400, { error: 'invalid_grant' })
    return reply(200, {
      access_token: pair.access,
      refresh_token: pair.refresh,
      token_type: 'bearer',
      expires_in: Math.round((pair.expiresAt - this.#world.time.now) / 1_000),
      scope: 'incidents.read',
    })
  }

  /** On the wire: takes its time, then lands when the scheduler says so. */
  async #travel(label: string, latency: number): Promise<void> {
    if (latency > 0) await new Promise<void>((resolve) => this.#world.time.start(undefined, resolve, latency))
    await this.#scheduler.schedule(Promise.resolve(), label)
  }

  /** The reply has reached the process, which may be frozen or dead. */
  #reaches(actor: Actor): Promise<void> {
    return new Promise((resolve) => this.#world.deliver(actor, resolve))
  }

  #latency(longest: number): number {
    return this.#world.random() < this.#slowness ? Math.floor(this.#world.random() * longest) : 0
  }
}

const delays = new Map<ExchangeFault | undefined, number>([
  ['answered after 12 s', 12_000],
  ['answered after 30 s', 30_000],
  ['answered after 55 s', 55_000],
  ['never answered', 70_000],
])

const outcomes = new Map<number, 'granted' | 'refused'>([
  [200, 'granted'],
  [400, 'refused'],
])

function reply(status: number, body: object, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  })
}
