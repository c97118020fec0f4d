import fc from 'fast-check'
import { runs } from '../fuzz/runs'
import type { Actor } from '../support/model/actor'
import { newest } from '../support/model/authorization-server'
import { beginLogin, histories, tally, use } from '../support/model/commands'
import { PostgresStores, type RealStores, SQLiteStores } from '../support/model/real-stores'
import { settled } from '../support/model/virtual-time'
import { World } from '../support/model/world'
import { describeWithPostgres } from '../support/postgres'
import { describeWithSQLite, removeTemporaryFiles } from '../support/sqlite'

const isFull = process.env['FAULTS'] === 'full'
/** Commands of a run; FUZZ_RUNS makes it longer. */
const commands = (few: number) => (isFull ? 100_000 : few) * Number(process.env['FUZZ_RUNS'] ?? 1)
let figures = { runs: 0, refreshes: 0, presentedAfterEffect: 0, lost: 0 }

const settings = fc.record({
  seed: fc.integer(),
  actors: fc.integer({ min: 2, max: 4 }),
  grace: fc.constantFrom(0, 20_000),
  reuse: fc.constantFrom('reject' as const, 'revoke-family' as const),
  slowness: fc.constantFrom(0, 0.2, 0.6),
})

const longest = 3_600_000

// Whatever happens:
test(
  'grants stay whole, unique and dead once they are dead',
  async () => {
    expect(await tryOut(commands(300), 10)).toBeGreaterThan(0)
  },
  longest,
)

describeWithPostgres('in PostgreSQL, a connection for each process', () => {
  let stores: PostgresStores
  beforeAll(async () => {
    stores = await PostgresStores.start()
  })
  afterAll(() => stores.stop())

  test(
    'grants stay whole, unique and dead once they are dead',
    async () => {
      expect(await tryOut(commands(150), 5, stores)).toBeGreaterThan(0)
    },
    longest,
  )
})

describeWithSQLite('in a SQLite file, opened by each process', () => {
  afterAll(removeTemporaryFiles)

  test(
    'grants stay whole, unique and dead once they are dead',
    async () => {
      expect(await tryOut(commands(150), 5, new SQLiteStores())).toBeGreaterThan(0)
    },
    longest,
  )
})

/** @param atLeast so many commands, by so many histories at a time. @returns the histories */
async function tryOut(atLeast: number, histories: number, stores?: RealStores): Promise<number> {
  figures = { runs: 0, refreshes: 0, presentedAfterEffect: 0, lost: 0 }
  Object.assign(tally, { commands: 0, logouts: 0 })
  for (let round = 0; tally.commands < atLeast; round++)
    await fc.assert(property(stores), { ...runs(histories, round), numRuns: histories, reporter: report })
  const { runs: played, refreshes, presentedAfterEffect, lost } = figures
  process.stdout.write(
    `grants model: ${tally.commands} commands in ${played} histories, ${refreshes} refreshes, ` +
      `${presentedAfterEffect} presentations after effect, ${lost} pairs lost, ${tally.logouts} logouts\n`,
  )
  return played
}

function property(stores: RealStores | undefined) {
  return fc.asyncProperty(fc.scheduler(), settings, histories(100), async (scheduler, given, history) => {
    await stores?.clear()
    const world = new World(scheduler, given, stores?.open.bind(stores))
    const undo = world.time.install(world.random)
    try {
      beginLogin(world, 0)
      await world.land()
      await fc.asyncModelRun(() => ({ model: world.referee, real: world }), history)
      await conclude(world)
    } finally {
      await world.closeStores()
      undo()
      await settled()
    }
  })
}

/** All comes to rest, is looked at, used once more, and ended. */
async function conclude(world: World): Promise<void> {
  await world.calm()
  compare(world)
  await world.pass(3_700_000)
  for (const ledger of world.referee.ledgers.values()) {
    void use(world, world.actors[0] as Actor, ledger).then((grant) => {
      if (grant === undefined) world.missed(ledger)
    })
  }
  await world.pass(200_000)
  compare(world)
  await world.end()
  await world.closeStores()
  const { violations, ledgers } = world.referee
  if (violations.length > 0) throw new Error(violations.join('\n'))
  figures.runs++
  figures.refreshes += world.server.refreshes
  figures.presentedAfterEffect += world.referee.presentedAfterEffect
  for (const ledger of ledgers.values())
    figures.lost += ledger.delegation.pairs.filter((pair) => !ledger.everStored.has(pair.refresh)).length
}

/** In quiet, the store holds the server's newest pair, and what was logged out is revoked. */
function compare(world: World): void {
  for (const ledger of world.referee.ledgers.values()) {
    const pair = newest(ledger.delegation)
    if (world.referee.isLost(ledger)) continue
    const isStored = world.store.get(`grant:${ledger.id}`) !== undefined
    if (
      isStored &&
      ledger.stored.refresh !== pair.refresh &&
      !world.server.refused.has(ledger.lastRefreshToken)
    )
      world.referee.blame(`${pair.refresh} is the newest, and ${ledger.stored.refresh} is stored`)
    const wasEvicted = ledger.isGone && ledger.everStored.has(pair.refresh)
    const isOver = (ledger.isForgotten || ledger.isGone) && !wasEvicted
    if (isOver && !ledger.isRevocationDoubtful && !ledger.delegation.isRevoked)
      world.referee.blame(`${ledger.id} is over, and ${pair.refresh} is not revoked`)
  }
}

/** Without the scheduler's log, which fills pages. */
function report<Case>(details: fc.RunDetails<Case>): void {
  if (!details.failed) return
  const [, given, history] = (details.counterexample ?? []) as unknown[]
  throw new Error(
    `seed ${details.seed}, path "${details.counterexamplePath}", ${details.numShrinks} shrinks\n` +
      `${JSON.stringify(given)}\n${String(history).split(',').join(',\n')}\n${String(details.errorInstance)}`,
  )
}
