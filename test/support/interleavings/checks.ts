import {
  endedBy,
  expectedLogin,
  mayBeKept,
  mayBeReplaced,
  mayHaveEnded,
  mayHaveReplaced,
} from './expectations'
import { mayBeLeft } from './late-responses'
import type { Attempt, Ending, Who } from './ledger'
import { type Reply, Visitor, sessionCookie } from './visitor'
import { type World, accountID } from './world'

const day = 24 * 60 * 60_000
/** Milliseconds after which a grant is dead that no browser has presented, and a callback is too late for a double click. */
const longAfter = 70_000

/** What a browser shows once everything has come to rest. */
interface Shown {
  readonly browser: number
  readonly who: Who
}

/** Everything has come to rest: checks the invariants from outside. What is broken is in `ledger.violations`. */
export async function check(world: World): Promise<void> {
  const shown: Shown[] = []
  for (const [browser, visitor] of world.browsers.entries())
    shown.push({ browser, who: await whoIs(world, visitor) })
  await world.pass(longAfter, 10_000)
  const live = await liveGrants(world)
  await checkBrowsers(world, shown)
  await checkGrants(world, shown, live)
  await checkSessions(world)
  checkEndings(world, live)
  checkPresentations(world)
  checkRevocations(world, live)
  await checkReplays(world)
}

/** 6: every browser that should be logged in is, and its tokens work. */
async function checkBrowsers(world: World, shown: readonly Shown[]): Promise<void> {
  for (const { browser, who } of shown) {
    const expected = expectedLogin(world.ledger, browser, world.ownerOf(browser))
    if (expected === undefined) continue
    if (who.grantID === undefined) {
      world.ledger.blame(`6: browser ${browser} is logged out, although ${expected.name} logged it in`)
      continue
    }
    for (const path of ['/api', '/refresh']) {
      const { status } = await send(world, world.browser(browser), path, browser)
      if (status !== 200)
        world.ledger.blame(
          `6: browser ${browser} is logged in, but gets ${status} for ${path} a minute later`,
        )
    }
  }
}

/** 2 and 3: no grant lives that no browser holds, unless it is kept; no kept grant is cut. */
async function checkGrants(world: World, shown: readonly Shown[], live: ReadonlySet<string>): Promise<void> {
  const { ledger } = world
  const held = new Set(shown.map(({ who }) => who.grantID))
  for (const id of live)
    if (!held.has(id) && !mayBeKept(ledger, id) && !mayBeLeft(ledger, id))
      ledger.blame(`2: the grant of ${nameOf(world, id)} lives, and no browser holds it`)
  for (const id of ledger.kept.keys()) {
    if (mayHaveEnded(ledger, id)) continue
    const life = await world.backend.lifeOf(id)
    if (!live.has(id) || life === undefined) ledger.blame(`3: the kept grant of ${nameOf(world, id)} is gone`)
    else if (life < 300 * day)
      ledger.blame(`3: the kept grant of ${nameOf(world, id)} has ${Math.round(life / 60_000)} minutes left`)
  }
}

/** 1 and 2: what any cookie is logged in to is in the list of its owner, and a browser still has such a cookie. */
async function checkSessions(world: World): Promise<void> {
  const { ledger } = world
  const { grants } = world.process(0).pd
  const listed = new Set<string | undefined>()
  for (const owner of new Set(world.browsers.map((_, browser) => world.ownerOf(browser))))
    for (const grant of await world.quietly(() => grants.list({ accountID, userID: owner })))
      listed.add(grant.grantID)
  const current = world.browsers.map(({ session }) => ledger.grantOfSession.get(session ?? ''))
  for (const session of ledger.sessions) {
    const { grantID } = await whoIs(world, visitorWith(world, [[sessionCookie, session]]))
    if (grantID === undefined) continue
    ledger.alive.add(grantID)
    const name = nameOf(world, grantID)
    if (!listed.has(grantID)) ledger.blame(`1: ${name} is logged in, and not in the list of its owner`)
    if (!current.includes(grantID) && !mayBeKept(ledger, grantID) && !mayBeLeft(ledger, grantID))
      ledger.blame(`2: a session of ${name} lives that no browser has any more`)
  }
}

/** 5: what a logout or revocation ended is dead: sessions, grants and refresh tokens. */
function checkEndings(world: World, live: ReadonlySet<string>): void {
  const { ledger } = world
  const valid = new Set(world.simulator.liveGrants().map(({ startedAt }) => startedAt))
  for (const ending of ledger.endings) {
    if (!ending.isDone || ending.overAt === undefined) continue
    for (const attempt of endedBy(ledger, ending)) {
      const what = `${attempt.name} after: ${ending.name}`
      const id = attempt.grantID
      if (id !== undefined && (live.has(id) || ledger.alive.has(id)))
        ledger.blame(`5: the grant lives of ${what}`)
      if (valid.has(attempt.startedAt) && !areTokensLost(world, attempt, ending))
        ledger.blame(`5: the refresh token lives of ${what}`)
    }
  }
}

/** No one knows the tokens any more: the store failed at login, or the grant expired before a browser presented it. */
function areTokensLost(world: World, attempt: Attempt, ending: Ending): boolean {
  if (attempt.storedTime === undefined) return world.isDisturbed
  return attempt.presentedAt === undefined && ending.overTime - attempt.storedTime >= 60_000
}

/**
 * 4: a refresh token is presented again only if the response to it was lost; or if it was revoked before, as by a logout whose
 * delete did not reach the store: then it is rejected each time, until the store takes the end of its grant.
 */
function checkPresentations({ ledger }: World): void {
  for (const [token, { sent, lost }] of ledger.presentations) {
    const attempt = ledger.ofRefreshToken(token)
    if (sent <= 1 + lost || ledger.revocations.some((revoked) => revoked.attempt === attempt)) continue
    ledger.blame(`4: a refresh token of ${attempt?.name} was presented ${sent} times`)
  }
}

/** 6: nothing is revoked while its browser is to stay logged in: PagerDuty may count all its logins as one authorization. */
function checkRevocations({ ledger }: World, live: ReadonlySet<string>): void {
  for (const { attempt, at } of ledger.revocations) {
    const { browser, owner } = attempt
    const hasEnded = ledger.endings.some(
      (ending) =>
        ending.sentAt < at &&
        (ending.kind === 'logout' ? ending.browser === browser : ending.owner === owner),
    )
    const holder = ledger.attempts.find(
      (other) =>
        other !== attempt &&
        other.browser === browser &&
        (other.presentedAt ?? Infinity) < at &&
        !mayBeReplaced(ledger, other, attempt) &&
        // It may have been replaced by the attempt, which then could not store its session.
        (live.has(other.grantID ?? '') || !mayHaveReplaced(ledger, attempt, other)),
    )
    if (!hasEnded && holder !== undefined)
      ledger.blame(`6: the tokens of ${attempt.name} are revoked, but ${holder.name} logged the browser in`)
  }
}

/** The callback of a finished login gives no session to a browser that replays it with its cookies a minute later. */
async function checkReplays(world: World): Promise<void> {
  for (const { name, storedAt, cookies, callbackURL } of world.ledger.attempts) {
    if (storedAt === undefined) continue
    const thief = visitorWith(world, [...(cookies ?? [])])
    thief.cookies.delete(sessionCookie)
    const { pathname, search } = new URL(callbackURL)
    await send(world, thief, pathname + search)
    if ((await whoIs(world, thief)).grantID !== undefined)
      world.ledger.blame(`7: the callback of ${name}, replayed a minute later, gives a session`)
  }
}

async function whoIs(world: World, visitor: Visitor): Promise<Who> {
  const { session } = visitor
  const { body } = await send(world, visitor, '/')
  const who = Object(body) as Who
  world.ledger.saw(session, who)
  return who
}

function send(world: World, visitor: Visitor, path: string, process = 0): Promise<Reply> {
  return world.quietly(() => visitor.send(world.process(process).port, path))
}

function visitorWith(world: World, cookies: readonly (readonly [string, string])[]): Visitor {
  const visitor = new Visitor(world.traffic)
  visitor.cookies = new Map(cookies)
  return visitor
}

async function liveGrants(world: World): Promise<ReadonlySet<string>> {
  const ids = new Set(await world.backend.grantIDs())
  for (const { grantID } of world.ledger.attempts) if (grantID !== undefined) ids.add(grantID)
  const live = new Set<string>()
  const { grants } = world.process(1).pd
  for (const id of ids) {
    const grant = await world.quietly(() => grants.get(id))
    // Else it is the one that took its place.
    if (grant?.grantID === id) live.add(id)
  }
  return live
}

function nameOf(world: World, grantID: string): string {
  return world.ledger.attemptOf({ grantID })?.name ?? 'an unknown login'
}
