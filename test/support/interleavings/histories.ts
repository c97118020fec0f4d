import fc from 'fast-check'
import { type Deed, comeBack, keep, logOut, open, request, revokeGrant, revokeOwner } from './deeds'
import type { Attempt } from './ledger'
import type { StoreFault } from './traffic'
import type { World, WorldSettings } from './world'

const kinds = [
  ...(['log in', 'step up', 'decline a step-up', 'double-click', 'two tabs'] as const),
  ...(['open a login', 'open a step-up', 'come back', 'visit', 'call the API', 'refresh', 'keep'] as const),
  ...(['log out', 'revoke the grant', 'revoke the owner'] as const),
  ...(['pass', 'expire', 'pause', 'lose a refresh'] as const),
]
type Kind = (typeof kinds)[number]

/** One step of a history, as it is printed and replayed. */
export interface Step extends Deed {
  readonly do: Kind
  /** How many operations take effect afterwards. */
  readonly land: number
  /** Seed of their order. */
  readonly order: number
  /** How the store fails for what this step begins, after so many of its commands. */
  readonly fault: { readonly how: StoreFault; readonly after: number } | null
}

export interface History {
  readonly settings: WorldSettings
  readonly steps: readonly Step[]
}

const often: readonly Kind[] = ['log in', 'step up', 'visit', 'come back', 'log out', 'keep', 'refresh']

const steps: fc.Arbitrary<Step> = fc.record({
  do: fc.constantFrom(...kinds, ...often),
  browser: fc.constantFrom(0, 0, 0, 1, 2),
  process: fc.nat({ max: 1 }),
  pick: fc.nat({ max: 9 }),
  land: fc.oneof(fc.nat({ max: 25 }), fc.constant(1000)),
  order: fc.nat({ max: 9999 }),
  fault: fc.option(
    fc.record({ how: fc.constantFrom<StoreFault[]>('before', 'after', 'late'), after: fc.nat({ max: 14 }) }),
    { freq: 4 },
  ),
})

/** Random histories of the length that faults need; longer ones find them no sooner. */
export const histories: fc.Arbitrary<History> = fc.record({
  settings: fc.record({ seed: fc.nat({ max: 9999 }), rejectsPartialGrants: fc.boolean() }),
  steps: fc.array(steps, { minLength: 1, maxLength: 14, size: 'max' }),
})

/** Begins one thing after the other, while what began before goes on. */
export async function play(world: World, history: readonly Step[]): Promise<void> {
  for (const step of history) {
    // No two things begin in the same millisecond.
    jest.advanceTimersByTime(1)
    if (step.fault !== null) world.failNext(step.fault.how, step.fault.after)
    await take(world, step)
    await world.land(step.land, step.order)
  }
}

async function take(world: World, step: Step): Promise<void> {
  const elsewhere = { ...step, process: step.process + 1 }
  const either = step.pick % 2 === 0 ? 'login' : 'step-up'
  switch (step.do) {
    case 'log in':
      return comeBack(world, step, await open(world, step, 'login'))
    case 'step up':
      return comeBack(world, step, await open(world, step, 'step-up'))
    case 'decline a step-up':
      return comeBack(world, step, await open(world, step, 'denied step-up'))
    case 'double-click': {
      const attempt = await open(world, step, either)
      comeBack(world, step, attempt)
      return comeBack(world, elsewhere, attempt)
    }
    case 'two tabs': {
      const one = await open(world, step, either)
      const two = await open(world, { ...elsewhere, pick: step.pick + 1 }, either)
      comeBack(world, step, one)
      return comeBack(world, elsewhere, two)
    }
    case 'open a login':
      return void (await open(world, step, 'login'))
    case 'open a step-up':
      return void (await open(world, step, 'step-up'))
    case 'come back':
      return comeBack(world, step, tabOf(world, step))
    default:
      return takeSimple(world, step)
  }
}

async function takeSimple(world: World, step: Step): Promise<void> {
  switch (step.do) {
    case 'visit':
      return request(world, step, '/me')
    case 'call the API':
      return request(world, step, '/api')
    case 'refresh':
      return request(world, step, '/refresh')
    case 'keep':
      return keep(world, step)
    case 'log out':
      return logOut(world, step)
    case 'revoke the grant':
      return revokeGrant(world, step)
    case 'revoke the owner':
      return revokeOwner(world, step)
    case 'pass':
      return disturb(world, () => world.pass(100 * (1 + step.pick)))
    case 'expire': // Longer than an access token lives.
      return disturb(world, () => world.pass(10_500, 500))
    case 'pause': // Until sessions are extended again.
      return disturb(world, () => world.pass(310_000, 10_000))
    default:
      return disturb(world, async () => world.wire.lose(step.pick % 2 === 0 ? 'request' : 'response'))
  }
}

/** What requests may be denied for. */
function disturb(world: World, work: () => Promise<void>): Promise<void> {
  world.isDisturbed = true
  return work()
}

/** One of the latest tabs of the browser that went to PagerDuty, whether it came back or not. */
function tabOf(world: World, { browser, pick }: Deed): Attempt | undefined {
  const tabs = world.ledger.attempts.filter((attempt) => attempt.browser === browser).slice(-3)
  return tabs[pick % Math.max(tabs.length, 1)]
}
