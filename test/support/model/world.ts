import type { Scheduler } from 'fast-check'
import { LoginRequiredError, PagerDutyOAuthError } from '../../../src/errors/errors'
import { createContext } from '../../../src/context'
import type { Grant } from '../../../src/grants/grant-repository'
import { KeyRing } from '../../../src/store/encryption'
import { UserGrants } from '../../../src/grants/grants'
import { Actor } from './actor'
import { AuthorizationServer, type ServerSettings } from './authorization-server'
import { chance } from './chance'
import { Faults } from './faults'
import type { Ledger } from './ledger'
import { Referee } from './referee'
import { SharedStore } from './shared-store'
import type { TokenStore } from '../../../src/store/token-store'
import { VirtualTime, settled, standingStill } from './virtual-time'
import { Wire } from './wire'

/** A store that an actor opens, and the world closes. */
export type RealStore = TokenStore & { close(): unknown }

export interface WorldSettings extends ServerSettings {
  readonly seed: number
  readonly actors: number
  /** Share of commands and exchanges that take time. */
  readonly slowness: number
}

interface Waiter {
  readonly what: string
  readonly actor: Actor
  readonly since: number
  readonly frozenBefore: number
  readonly limit: number
}

const callersWait = 12_000
const closeWaits = 150_000
const origin = 'https://identity.example'
/** A secret is known to every process before the first one seals with it: that is how secrets are rotated. */
const secrets = ['one', 'two', 'three'].map((which) => `secret ${which} of those that the processes use`)

/** Several processes, one store, one authorization server, and everything that can go wrong between them. */
export class World {
  readonly time = new VirtualTime<Actor>()
  readonly store = new SharedStore(() => this.time.now)
  readonly faults = new Faults()
  readonly server: AuthorizationServer
  readonly referee: Referee<Actor>
  readonly actors: Actor[] = []
  readonly random: () => number
  /** Grants as a request saw them that began before the last refresh. */
  readonly earlier = new Map<string, Grant>()
  logins = 0
  secret = 0
  /** Whether anything has happened that may deny a caller. */
  isDisturbed = false
  readonly #scheduler: Scheduler
  readonly #wire: Wire
  readonly #waiters = new Set<Waiter>()
  readonly #open: (() => RealStore) | undefined
  readonly #opened: RealStore[] = []
  #made = 0

  /** @param open opens a real store, which has to do what the model's does */
  constructor(scheduler: Scheduler, settings: WorldSettings, open?: () => RealStore) {
    this.#open = open
    this.#scheduler = scheduler
    this.#wire = new Wire(this, scheduler, settings.slowness)
    this.random = chance(settings.seed)
    this.server = new AuthorizationServer(() => this.time.now, settings)
    this.referee = new Referee(this.server, () => this.time.now, new KeyRing(secrets))
    this.store.ended = (key, value) => this.referee.ended(key, value)
    for (let i = 0; i < settings.actors; i++) this.actors.push(this.#makeActor())
  }

  /** Lets operations land that are under way, in the order that the scheduler likes. */
  async land(count = Infinity): Promise<void> {
    await settled()
    for (let i = 0; i < count && this.#scheduler.count() > 0; i++) {
      this.time.running = undefined
      await this.#scheduler.waitOne()
      await settled()
    }
  }

  /** Lets time pass, and all that happens in it. */
  async pass(milliseconds: number): Promise<void> {
    const until = this.time.now + milliseconds
    for (;;) {
      await this.land()
      const timer = this.time.next(until)
      if (timer === undefined) return
      this.deliver(timer.owner, timer.run)
      await settled()
    }
  }

  /** The process in this place, or the next one that is awake. */
  awake(index: number): Actor | undefined {
    const from = index % this.actors.length
    return [...this.actors.slice(from), ...this.actors.slice(0, from)].find((actor) => actor.isAwake)
  }

  saw(actor: Actor, grant: Grant): void {
    const before = actor.seen.get(grant.id)
    if (before !== undefined && before.record.version < grant.record.version)
      this.earlier.set(grant.id, before)
    actor.seen.set(grant.id, grant)
  }

  /** The process dies. What it has sent may still arrive; nothing reaches it any more. */
  crash(actor: Actor): void {
    if (actor.isDead) return
    const index = this.actors.indexOf(actor)
    if (index !== -1) this.#replace(index)
    this.referee.strike(actor, 'crashed')
    for (const ledger of this.referee.ledgers.values())
      ledger.isRevocationDoubtful ||= ledger.isForgetting || ledger.isGone
    actor.isDead = true
    this.isDisturbed = true
    for (const waiter of this.#waiters) if (waiter.actor === actor) this.#waiters.delete(waiter)
  }

  /** Nothing of the process runs for a while. */
  freeze(actor: Actor, milliseconds: number): void {
    if (!actor.isAwake) return
    this.referee.strike(actor, 'frozen')
    this.isDisturbed = true
    actor.frozenSince = this.time.now
    actor.frozenUntil = this.time.now + milliseconds
    this.time.start(undefined, () => this.#thaw(actor), milliseconds)
  }

  /** A call that is not waited for here. It has to settle in time all the same. */
  async call<T>(
    actor: Actor,
    what: string,
    work: () => Promise<T>,
    limit = callersWait,
  ): Promise<T | undefined> {
    const { now } = this.time
    const waiter = { what, actor, since: now, frozenBefore: actor.frozen(now), limit }
    this.#waiters.add(waiter)
    this.time.running = actor
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof PagerDutyOAuthError)) this.referee.blame(`${what} rejects with ${error}`)
      else if (!this.isDisturbed) this.referee.blame(`${what} is denied for no reason: ${error.message}`)
      return undefined
    } finally {
      this.#waiters.delete(waiter)
      const took = this.time.now - now - (actor.frozen(this.time.now) - waiter.frozenBefore)
      if (took > limit) this.referee.blame(`${what} took ${took} ms`)
    }
  }

  /** A call about a grant that may turn out to be over, which only a grant may that has a reason to be. */
  async about<T>(actor: Actor, ledger: Ledger, what: string, work: () => Promise<T>): Promise<T | undefined> {
    return this.call(actor, `${what} of ${ledger.id} by process ${actor.name}`, async () => {
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof LoginRequiredError)) throw error
        this.missed(ledger)
        return undefined
      }
    })
  }

  /** A caller has learned that a grant is over. */
  missed(ledger: Ledger): void {
    this.store.get(`grant:${ledger.id}`) // Lets the referee know if its life is over.
    if (!this.referee.mayBeGone(ledger)) this.referee.blame(`${ledger.id} is called over without a reason`)
  }

  /** A process ends in order; another takes its place at once. */
  close(actor: Actor): void {
    this.isDisturbed = true
    this.#replace(this.actors.indexOf(actor))
    this.#close(actor)
  }

  /** No more faults; everything comes to an end. */
  async calm(): Promise<void> {
    this.faults.clear()
    for (const actor of this.actors) this.#thaw(actor)
    await this.pass(200_000)
    for (const { what } of this.#waiters) this.referee.blame(`${what} never settles`)
  }

  /** Ends every process, and looks for what they leave behind. */
  async end(): Promise<void> {
    for (const actor of this.actors) this.#close(actor)
    await this.pass(2_000)
    if (this.#waiters.size > 0) this.referee.blame('close() takes long although nothing is under way')
    const locks = this.store.keys('lock:')
    if (locks.length > 0) this.referee.blame(`locks are left: ${locks.join(' ')}`)
    await this.pass(10_000)
  }

  /** A real one for a process, where there are any. */
  openStore(): RealStore | undefined {
    if (this.#open === undefined) return undefined
    const { running } = this.time
    this.time.running = undefined // Its sweeps belong to no actor.
    const store = this.#open()
    this.time.running = running
    this.#opened.push(store)
    return store
  }

  /** The store forgets a value. */
  evict(key: string): void {
    this.store.delete(key, undefined, () => {})
    const [real] = this.#opened
    if (real !== undefined) void standingStill(real.delete(key))
  }

  /** Looks whether a real store holds what the model's does, and closes all of them. */
  async closeStores(): Promise<void> {
    const keys = this.store.keys('')
    const values = await this.#opened[0]?.getMany?.(keys)
    for (const [i, key] of keys.entries()) {
      if (values !== undefined && values[i] !== this.store.get(key)) this.referee.blame(`${key} differs`)
    }
    for (const store of this.#opened.splice(0)) await store.close()
  }

  #close(actor: Actor): void {
    this.referee.strike(actor, 'closing')
    const closed = this.call(
      actor,
      `close() of process ${actor.name}`,
      () => actor.grants.close(),
      closeWaits,
    )
    void closed.then(() => {
      this.time.start(
        undefined,
        () => {
          const left = this.time.timersOf(actor)
          if (left > 0 && !actor.isDead)
            this.referee.blame(`${left} timers of process ${actor.name} are left`)
        },
        // A login that was under way may have several operations of the store before it, each with its deadline.
        10_000,
      )
    })
  }

  #makeActor(): Actor {
    const actor = new Actor(`${++this.#made}`)
    actor.grants = this.#makeGrants(actor)
    return actor
  }

  /** Puts a new process into this place. Returns the old one. */
  #replace(index: number): Actor {
    const [old] = this.actors.splice(index % this.actors.length, 1, this.#makeActor())
    return old as Actor
  }

  #thaw(actor: Actor): void {
    if (actor.frozenUntil === undefined) return
    actor.frozenFor = actor.frozen(this.time.now)
    actor.frozenUntil = undefined
    // Each thing that waited is an event of its own.
    const { mail } = actor
    actor.mail = []
    for (const run of mail) this.time.start(actor, run, 0)
  }

  deliver(actor: Actor | undefined, run: () => void): void {
    this.time.running = actor
    if (actor === undefined || actor.isAwake) run()
    else if (!actor.isDead && !actor.mail.includes(run)) actor.mail.push(run)
  }

  #makeGrants(actor: Actor): UserGrants {
    const [current, ...others] = [...secrets.slice(this.secret), ...secrets.slice(0, this.secret)]
    return new UserGrants(
      createContext({
        clientID: 'client',
        clientSecret: 'secret of the client',
        callbackURL: 'https://app.example/callback',
        scope: 'incidents.read',
        identityURL: origin,
        secret: [current as string, ...others],
        tokenStore: this.#wire.storeOf(actor),
        fetch: (url, init) => this.#wire.exchange(actor, url as string, init?.body as string),
      }),
    )
  }
}
