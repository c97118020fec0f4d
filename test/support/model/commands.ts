import fc, { type AsyncCommand } from 'fast-check'
import type { Grant } from '../../../src/grants/grant-repository'
import { TokenSet } from '../../../src/oauth/token-set'
import type { Actor } from './actor'
import { lifetime, newest } from './authorization-server'
import { exchangeFaults, storeFaults, storePlaces } from './faults'
import type { Ledger } from './ledger'
import type { Referee } from './referee'
import type { World } from './world'

type Model = Referee<Actor>
type Step = AsyncCommand<Model, World>

const idle = 8 * 3_600_000
const mostGrants = 4
export const tally = { commands: 0, logouts: 0 }

/** One thing that happens, after which some of the operations under way land. */
function step(
  label: string,
  landing: number,
  run: (world: World) => void | Promise<void>,
  check: (model: Model) => boolean = () => true,
): Step {
  return {
    check,
    toString: () => `${label} /${landing}`,
    run: async (model, world) => {
      tally.commands++
      await run(world)
      await world.land(landing)
      if (model.violations.length > 0) throw new Error(model.violations.join('\n'))
    },
  }
}

const nat = fc.nat({ max: 3 })
const landing = fc.nat({ max: 12 })
const times = fc.integer({ min: 1, max: 4 })

/** Something that a process does with a grant. */
function deed(name: string, run: (world: World, actor: Actor, ledger: Ledger) => void): fc.Arbitrary<Step> {
  return fc.tuple(nat, nat, landing).map(([who, which, lands]) =>
    step(
      `${name}(${who}, ${which})`,
      lands,
      (world) => {
        const actor = world.awake(who)
        if (actor !== undefined) run(world, actor, pick(world.referee, which))
      },
      hasGrants,
    ),
  )
}

function hasGrants(model: Model): boolean {
  return model.ledgers.size > 0
}

/** One of the latest grants, whether it lives or not. */
function pick(model: Model, which: number): Ledger {
  const ledgers = [...model.ledgers.values()].slice(-2)
  return ledgers[which % ledgers.length] as Ledger
}

/** A request: reads the grant, then wants a token that is good for some time. */
export function use(world: World, actor: Actor, ledger: Ledger, minValidity = 0): Promise<unknown> {
  return world.about(actor, ledger, 'use', async () => {
    const isEnded = ledger.isForgotten
    const grant = await actor.grants.read(ledger.id)
    if (grant === undefined) return world.missed(ledger)
    if (isEnded) world.referee.blame(`${ledger.id} is read after its logout`)
    world.saw(actor, grant)
    if (minValidity > 0) world.referee.wantsAnother(grant.record.tokens.accessToken)
    const asked = world.time.now
    const usable = await actor.grants.ensureFresh(grant, minValidity)
    const { accessToken } = usable.record.tokens
    // One that arrives after its end serves for five seconds.
    const end = Math.max(
      world.server.pairOfAccess(accessToken).expiresAt,
      usable.record.tokens.obtainedAt + 5_000,
    )
    if (end < asked) world.referee.blame(`${accessToken} is given after its end`)
    world.saw(actor, usable)
    return usable
  })
}

/** The API has responded with 401 to a token that a process has, or had when the request began. */
function refuse(world: World, actor: Actor, ledger: Ledger, from: ReadonlyMap<string, Grant>): void {
  const seen = from.get(ledger.id)
  if (seen === undefined) return
  const refused = seen.record.tokens.accessToken
  world.referee.refusedByAPI(refused)
  void world.about(actor, ledger, '401', async () => {
    const other = await actor.grants.replaceRejected(seen, refused)
    const { accessToken, obtainedAt } = other.record.tokens
    // A token that is rejected as soon as it is issued is not renewed in circles.
    if (accessToken === refused && Date.now() - obtainedAt > 5_000)
      world.referee.blame(`${refused} is given once more`)
    world.saw(actor, other)
  })
}

const logIn = fc.tuple(nat, landing).map(([who, lands]) =>
  step(
    `logIn(${who})`,
    lands,
    (world) => beginLogin(world, who),
    (model) => [...model.ledgers.values()].filter((ledger) => !ledger.isForgotten).length < mostGrants,
  ),
)

/** The grant is stored and then lives as long as its session. */
export function beginLogin(world: World, who: number): void {
  const actor = world.awake(who)
  if (actor === undefined) return
  const id = `grant-${++world.logins}`
  const delegation = world.server.delegate(`${world.logins}`)
  const { access, refresh } = newest(delegation)
  const obtainedAt = Date.now()
  const tokens = new TokenSet({
    accessToken: access,
    refreshToken: refresh,
    obtainedAt,
    expiresAt: obtainedAt + lifetime,
    scope: ['incidents.read'],
  })
  const user = {
    id: 'USER',
    accountID: 'ACCOUNT',
    subdomain: 'acme',
    region: 'us' as const,
    apiURL: 'https://api.pagerduty.com',
    delegationID: delegation.id,
  }
  void world.call(actor, `login of ${id}`, async () => {
    const made = { user, tokens, requestedScopes: [], appUser: undefined, label: undefined }
    const grant = await actor.grants.create(id, made)
    world.saw(actor, grant)
    world.referee.begin(id, delegation)
    await actor.grants.extend(grant, idle)
  })
}

const deeds = {
  use: deed('use', (world, actor, ledger) => void use(world, actor, ledger)),
  useForLong: deed('useForLong', (world, actor, ledger) => void use(world, actor, ledger, lifetime / 2)),
  useAsSeen: deed('useAsSeen', (world, actor, ledger) => {
    const seen = actor.seen.get(ledger.id)
    if (seen === undefined) return
    void world.about(actor, ledger, 'use as seen', async () => {
      world.saw(actor, await actor.grants.ensureFresh(seen))
    })
  }),
  refused: deed('refused', (world, actor, ledger) => refuse(world, actor, ledger, actor.seen)),
  refusedLate: deed('refusedLate', (world, actor, ledger) => refuse(world, actor, ledger, world.earlier)),
  logOut: deed('logOut', (world, actor, ledger) => {
    ledger.isForgetting = true
    void world.about(actor, ledger, 'logout', async () => {
      await actor.grants.forget(ledger.id)
      if (!ledger.isForgotten) tally.logouts++
      ledger.isForgotten = true
    })
  }),
  keep: deed('keep', (world, actor, ledger) => {
    void world.about(actor, ledger, 'keep', () => actor.grants.keep(ledger.id))
  }),
  extend: deed('extend', (world, actor, ledger) => {
    const seen = actor.seen.get(ledger.id)
    if (seen !== undefined) void world.about(actor, ledger, 'extend', () => actor.grants.extend(seen, idle))
  }),
}

function close(world: World, who: number): void {
  const actor = world.awake(who)
  if (actor !== undefined) world.close(actor)
}

const incidents = {
  evict: fc.tuple(nat, landing).map(([which, lands]) =>
    step(
      `evict(${which})`,
      lands,
      (world) => {
        const ledger = pick(world.referee, which)
        ledger.isGone = true
        world.isDisturbed = true
        world.evict(`grant:${ledger.id}`)
      },
      hasGrants,
    ),
  ),
  dropLock: fc.tuple(nat, landing).map(([which, lands]) =>
    step(
      `dropLock(${which})`,
      lands,
      (world) => {
        const key = `lock:${pick(world.referee, which).id}`
        world.isDisturbed = true
        const owner = world.store.get(key)
        if (owner === undefined) return
        world.referee.dropped(owner)
        world.evict(key)
      },
      hasGrants,
    ),
  ),
  revokedByUser: fc.tuple(nat, landing).map(([which, lands]) =>
    step(
      `revokedByUser(${which})`,
      lands,
      (world) => {
        pick(world.referee, which).delegation.isRevoked = true
      },
      hasGrants,
    ),
  ),
  crash: fc
    .tuple(nat, landing)
    .map(([who, lands]) =>
      step(`crash(${who})`, lands, (world) => world.crash(world.actors[who % world.actors.length] as Actor)),
    ),
  close: fc
    .tuple(nat, landing)
    .map(([who, lands]) => step(`close(${who})`, lands, (world) => close(world, who))),
  rotateSecret: fc.tuple(nat, landing).map(([who, lands]) =>
    step(`rotateSecret(${who})`, lands, (world) => {
      world.secret = (world.secret + 1) % 3
      close(world, who)
    }),
  ),
  freeze: fc.tuple(nat, fc.integer({ min: 5, max: 40 }), landing).map(([who, seconds, lands]) =>
    step(`freeze(${who}, ${seconds} s)`, lands, (world) => {
      const actor = world.awake(who)
      if (actor !== undefined) world.freeze(actor, seconds * 1_000)
    }),
  ),
  outage: fc.tuple(fc.option(nat), fc.integer({ min: 1, max: 40 }), landing).map(([who, seconds, lands]) =>
    step(`outage of the store(${who ?? 'all'}, ${seconds} s)`, lands, (world) => {
      const actor = who === null ? undefined : world.awake(who)
      world.faults.planOutage(actor?.name, world.time.now + seconds * 1_000)
    }),
  ),
  exchangeFault: fc
    .tuple(fc.constantFrom(...exchangeFaults), times, landing)
    .map(([fault, count, lands]) =>
      step(`exchange fault(${fault}, ${count} times)`, lands, (world) =>
        world.faults.planExchange(fault, count),
      ),
    ),
  storeFault: fc
    .tuple(
      fc.constantFrom(...storeFaults),
      fc.constantFrom(...storePlaces),
      fc.constantFrom(1, 2, 3, 20),
      landing,
    )
    .map(([fault, [verb, kind], count, lands]) =>
      step(`store fault(${verb} ${kind} ${fault}, ${count} times)`, lands, (world) =>
        world.faults.planCommand({ fault, verb, kind }, count),
      ),
    ),
}

const passing = {
  /** The token ends, and all callers want another. */
  rush: fc.tuple(nat, landing).map(([which, lands]) =>
    step(
      `rush(${which})`,
      lands,
      async (world) => {
        const ledger = pick(world.referee, which)
        await world.pass(Math.max(newest(ledger.delegation).expiresAt - world.time.now + 1_000, 0))
        for (const actor of world.actors) if (actor.isAwake) void use(world, actor, ledger)
      },
      hasGrants,
    ),
  ),
  expire: nat.map((which) =>
    step(
      `expire(${which})`,
      0,
      (world) => {
        const { expiresAt } = newest(pick(world.referee, which).delegation)
        return world.pass(Math.max(expiresAt - world.time.now + 1_000, 0))
      },
      hasGrants,
    ),
  ),
  nearEnd: nat.map((which) =>
    step(
      `nearEnd(${which})`,
      0,
      (world) => {
        const { expiresAt } = newest(pick(world.referee, which).delegation)
        return world.pass(Math.max(expiresAt - world.time.now - 60_000, 0))
      },
      hasGrants,
    ),
  ),
  moment: fc
    .integer({ min: 0, max: 1_500 })
    .map((milliseconds) => step(`pass(${milliseconds} ms)`, 0, (world) => world.pass(milliseconds))),
  while: fc
    .integer({ min: 2, max: 30 })
    .map((seconds) => step(`pass(${seconds} s)`, 0, (world) => world.pass(seconds * 1_000))),
}

/** Sequences of what happens, some of it more often. */
export function histories(maxCommands: number): fc.Arbitrary<Iterable<Step>> {
  const { rush, expire, nearEnd, moment, while: some } = passing
  const { use, useForLong, useAsSeen, refused, refusedLate, logOut, keep, extend } = deeds
  const { exchangeFault, storeFault, freeze, crash, dropLock, close, rotateSecret } = incidents
  const { outage, evict, revokedByUser } = incidents
  const often = [rush, rush, use, use, moment, refusedLate, exchangeFault]
  const nowAndThen = [
    logIn,
    expire,
    nearEnd,
    useForLong,
    refused,
    refusedLate,
    keep,
    some,
    storeFault,
    storeFault,
    freeze,
    outage,
  ]
  const seldom = [useAsSeen, extend, crash, dropLock, close]
  const once = [logOut, rotateSecret, evict, revokedByUser]
  return fc.commands<Model, World, false>(
    [...often, ...often, ...often, ...nowAndThen, ...nowAndThen, ...seldom, ...seldom, ...once],
    { maxCommands, size: 'max' },
  )
}
