import { type Grant, GrantRepository } from '../../../src/grants/grant-repository'
import { MemoryTokenStore } from '../../../src/store/memory-token-store'
import type { KeyRing } from '../../../src/store/encryption'
import {
  type AuthorizationServer,
  type Delegation,
  type Pair,
  lifetime,
  newest,
} from './authorization-server'
import { type Kind, type StoreFault, type Verb, isFailure } from './faults'
import { type Hold, type Ledger, type Presentation, hasGivenUp } from './ledger'

/**
 * Knows what has to hold, and writes down what does not.
 *
 * 1. A refresh token that took effect is presented again only when the one who presented it before could not use the
 *    response: it got none or none that decides (a lost response, 5xx, 429, `invalid_client`); or it crashed; or its lock
 *    ran out because it was frozen or the store did not renew it, or was dropped by the store; or it was rejected and could
 *    not write that down; or it ended in order and gave up writing to a store that did not respond for half a minute.
 *    (Or it was already on its way when its sender lost the lock so, or the store had dropped the lock unseen.)
 *    And none is presented without the lock.
 * 2. No write goes back to an older pair, or to what a grant was before `keep`.
 * 3. A grant whose `forget` has resolved is never written again.
 * 4. No process deletes a grant that was not logged out, unless the server has rejected its refresh token and its access
 *    token has ended or was rejected by the API. No process removes a refresh token that the server has not rejected.
 * 5. No refresh without a need: the token held is near its end, was rejected by the API, or is asked to live longer.
 * 6. No process presents anything while a pause lasts that began before its lock.
 * 7. No process renews or releases the lock of another.
 */
export class Referee<Actor> {
  readonly violations: string[] = []
  readonly ledgers = new Map<string, Ledger>()
  presentedAfterEffect = 0
  readonly #server: AuthorizationServer
  readonly #now: () => number
  readonly #repository: GrantRepository
  readonly #holds = new Map<string, Hold<Actor>>()
  readonly #presentations = new Map<string, Presentation<Actor>>()
  readonly #carriers = new Map<Pair, Presentation<Actor>[]>()
  readonly #pauses = new Map<string, number>()
  #order = 0
  /** Access tokens that the API has rejected. */
  readonly #refused = new Set<string>()
  /** Access tokens that are to be renewed before their time: rejected ones, and ones that are to live longer. */
  readonly #unwanted = new Set<string>()

  constructor(server: AuthorizationServer, now: () => number, keys: KeyRing) {
    this.#server = server
    this.#now = now
    this.#repository = new GrantRepository(new MemoryTokenStore(), keys)
  }

  blame(what: string): void {
    this.violations.push(`at ${this.#now()} ms: ${what}`)
  }

  begin(id: string, delegation: Delegation): Ledger {
    const { number, access, refresh } = newest(delegation)
    const ledger: Ledger = {
      id,
      delegation,
      stored: { number, access, refresh, expiresAt: Infinity },
      lastRefreshToken: refresh,
      everStored: new Set([refresh]),
      isKept: false,
      isForgetting: false,
      isForgotten: false,
      isRevocationDoubtful: false,
      isGone: false,
    }
    this.ledgers.set(id, ledger)
    return ledger
  }

  wantsAnother(accessToken: string): void {
    this.#unwanted.add(accessToken)
  }

  refusedByAPI(accessToken: string): void {
    this.#refused.add(accessToken)
    this.#unwanted.add(accessToken)
  }

  strike(actor: Actor, how: 'crashed' | 'frozen' | 'closing'): void {
    for (const hold of this.#holds.values()) {
      if (hold.actor !== actor || hold.isOver) continue
      if (how === 'crashed') hold.struck.add(how)
      if (how === 'frozen') hold.wasHindered = true
      if (how === 'closing') hold.isClosing = true
    }
  }

  dropped(owner: string): void {
    this.#holds.get(owner)?.struck.add('dropped')
  }

  commandFailed(actor: Actor, verb: Verb, kind: Kind, fault: StoreFault): void {
    if (!isFailure(fault) || verb === 'get') return
    for (const hold of this.#holds.values()) {
      if (hold.actor !== actor || hold.isOver) continue
      if (kind === 'lock') hold.wasHindered = true
      if (kind === 'grant') hold.hadGrantFault = true
    }
  }

  /** The store has changed a key for a process. */
  changed(actor: Actor, key: string, before: string | undefined, after: string | undefined): void {
    const [kind, id] = [key.slice(0, key.indexOf(':')), key.slice(key.indexOf(':') + 1)]
    this.#order++
    if (kind === 'pause' && before === undefined) this.#pauses.set(key, this.#order)
    if (kind === 'lock') this.#lockChanged(actor, id, before, after)
    if (kind === 'grant') this.#grantChanged(id, before, after)
  }

  /** The store has let a value go whose life was over. */
  ended(key: string, value: string): void {
    const hold = this.#holds.get(value)
    if (hold?.wasHindered) hold.struck.add('ran out')
    const ledger = this.ledgers.get(key.replace(/^grant:/, ''))
    if (ledger !== undefined) ledger.isGone = true
  }

  sent(actor: Actor, token: string, stored: (key: string) => string | undefined): Presentation<Actor> {
    const { delegation } = this.#server.of(token)
    const ledger = this.#ledgerOf(delegation)
    const current = this.#holds.get(stored(`lock:${ledger.id}`) ?? '')
    const isHeld = current?.actor === actor
    const hold = isHeld
      ? current
      : [...this.#holds.values()].findLast((held) => held.actor === actor && held.grantID === ledger.id)
    if (hold === undefined) {
      this.blame(`${token} is presented by a process that never had the lock`)
      throw new Error('Not sent')
    }
    if (!isHeld && !hold.struck.has('dropped')) this.blame(`${token} is presented without the lock`)
    for (const [key, begun] of this.#pauses) {
      const isAbout = key === `pause:${ledger.id}` || key.startsWith('pause:client ')
      if (isAbout && begun < hold.order && stored(key) !== undefined)
        this.blame(`${token} is presented in a pause`)
    }
    return { token, hold, outcome: 'open' }
  }

  /** The server is about to respond. */
  arrived(presentation: Presentation<Actor>): void {
    const { token } = presentation
    const { pair } = this.#server.of(token)
    const isDue = this.#now() >= pair.expiresAt - lifetime / 10
    if (pair.usedAt === undefined) {
      if (!isDue && !this.#unwanted.has(pair.access)) this.blame(`${token} is presented without a need`)
    } else {
      this.presentedAfterEffect++
      const before = this.#presentations.get(token)
      const isExcused =
        before === undefined ||
        before.outcome === 'unknown' ||
        before.hold.struck.size > 0 ||
        presentation.hold.struck.size > 0 ||
        (before.outcome === 'refused' && before.hold.hadGrantFault)
      if (!isExcused) this.blame(`${token} is presented again; the last time it was ${before.outcome}`)
    }
    this.#presentations.set(token, presentation)
  }

  /** A pair goes out with the response to a presentation. */
  issued(pair: Pair, presentation: Presentation<Actor>): void {
    const carriers = this.#carriers.get(pair) ?? []
    this.#carriers.set(pair, [...carriers, presentation])
  }

  /** Whether the newest pair never reached the store for a reason that nothing can be done about. */
  isLost(ledger: Ledger): boolean {
    const pair = newest(ledger.delegation)
    const carriers = this.#carriers.get(pair) ?? []
    if (carriers.length === 0 || ledger.everStored.has(pair.refresh)) return false
    return carriers.every(
      ({ outcome, hold }) => outcome === 'unknown' || hold.struck.has('crashed') || hasGivenUp(hold),
    )
  }

  /** Whether a grant may be gone, for whatever reason there is. */
  mayBeGone(ledger: Ledger): boolean {
    return ledger.isForgetting || ledger.isGone || this.#server.refused.has(ledger.lastRefreshToken)
  }

  #lockChanged(actor: Actor, grantID: string, before?: string, after?: string): void {
    if (before === undefined && after !== undefined) {
      this.#holds.set(after, {
        actor,
        grantID,
        order: this.#order,
        struck: new Set(),
        wasHindered: false,
        hadGrantFault: false,
        isClosing: false,
        isOver: false,
      })
      return
    }
    const hold = this.#holds.get(before as string)
    if (hold?.actor !== actor) this.blame(`a process changes the lock of another, on ${grantID}`)
    if (hold !== undefined && after === undefined) hold.isOver = true
    if (hold !== undefined && hasGivenUp(hold)) hold.struck.add('gave up')
  }

  #grantChanged(id: string, before: string | undefined, after: string | undefined): void {
    const ledger = this.ledgers.get(id)
    if (ledger === undefined || before === after) return
    if (after === undefined) {
      const { access, expiresAt } = ledger.stored
      // A process counts a token's life from its request, and ends it a little before the server does.
      const isUsedUp = Date.now() >= expiresAt || this.#refused.has(access)
      if (!ledger.isForgetting && !(this.mayBeGone(ledger) && isUsedUp))
        this.blame(`${id} is deleted with ${ledger.lastRefreshToken} and ${access}`)
      return
    }
    if (ledger.isForgotten) this.blame(`${id} is written after its logout`)
    const { tokens, isKept } = (this.#repository.open(id, after) as Grant).record
    const { accessToken, refreshToken } = tokens
    if (ledger.isKept && !isKept) this.blame(`${id} is not kept any more`)
    ledger.isKept = isKept
    const { number } = this.#server.pairOfAccess(accessToken)
    if (number < ledger.stored.number) this.blame(`${accessToken} is written over a newer pair`)
    if (refreshToken === undefined && !this.#server.refused.has(ledger.lastRefreshToken))
      this.blame(`${ledger.lastRefreshToken} is dropped, and nobody refused it`)
    ledger.stored = { number, access: accessToken, refresh: refreshToken, expiresAt: tokens.expiresAt }
    ledger.lastRefreshToken = refreshToken ?? ledger.lastRefreshToken
    if (refreshToken !== undefined) ledger.everStored.add(refreshToken)
  }

  #ledgerOf(delegation: Delegation): Ledger {
    return [...this.ledgers.values()].find((ledger) => ledger.delegation === delegation) as Ledger
  }
}
