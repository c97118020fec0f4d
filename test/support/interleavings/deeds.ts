import { approve } from '../../../src/testing'
import { type Attempt, type Callback, type Ending, nextPlace } from './ledger'
import { guarded } from './process'
import type { Reply } from './visitor'
import { type World, accountID } from './world'

/** Which browser does something at which process; `pick` chooses among what is there. */
export interface Deed {
  readonly browser: number
  readonly process: number
  readonly pick: number
}

const guardedPaths = Object.keys(guarded)
const expectedStatus = [200, 204, 302, 303, 401, 403, 503]

/** A request whose response is checked. */
export async function visit(
  world: World,
  { browser, process }: Pick<Deed, 'browser' | 'process'>,
  path: string,
  method = 'GET',
): Promise<Reply> {
  const visitor = world.browser(browser)
  const { session } = visitor
  const reply = await visitor.send(world.process(process).port, path, method)
  const { status, body } = reply
  if (visitor.session !== undefined) world.ledger.sessions.add(visitor.session)
  if (status === 200) world.ledger.saw(session, body as { user: string })
  const what = `${method} ${path.split('?')[0]} gets ${status}: ${JSON.stringify(body).slice(0, 300)}`
  if (!expectedStatus.includes(status)) world.ledger.blame(what)
  if (status === 503 && !world.isDisturbed) world.ledger.blame(`nothing has failed, but ${what}`)
  return reply
}

/** Opens a tab as far as the consent at PagerDuty. The way back is not gone yet. */
export async function open(
  world: World,
  deed: Deed,
  kind: 'login' | 'step-up' | 'denied step-up',
): Promise<Attempt | undefined> {
  const path = kind === 'login' ? '/auth/pagerduty' : guardedPaths[deed.pick % guardedPaths.length]
  const attempt = await world.alone(`browser ${deed.browser} begins a ${kind}`, () =>
    consent(world, deed, path, kind === 'denied step-up' ? 'deny' : 'allow'),
  )
  if (attempt !== undefined)
    world.traffic.note(`${attempt.name} of browser ${deed.browser}: ${kind}, ${path}`)
  return attempt
}

async function consent(
  world: World,
  deed: Deed,
  path: string | undefined,
  decision: 'allow' | 'deny',
): Promise<Attempt | undefined> {
  const begunAt = nextPlace()
  let location = path
  while (location?.startsWith('/')) location = (await visit(world, deed, location)).location
  if (location === undefined) return undefined
  // At PagerDuty, attempts are distinguished by the moment of the consent.
  jest.advanceTimersByTime(1)
  const owner = world.ownerOf(deed.browser)
  const startedAt = Date.now()
  const authorizeURL = location
  const callbackURL = await world.traffic.real(() => approve(authorizeURL, { user: owner, decision }))
  const attempt: Attempt = {
    name: `attempt ${world.ledger.attempts.length + 1}`,
    browser: deed.browser,
    owner,
    begunAt,
    startedAt,
    callbackURL,
    code: new URL(callbackURL).searchParams.get('code') ?? undefined,
    callbacks: [],
  }
  world.ledger.attempts.push(attempt)
  return attempt
}

/** The way back from PagerDuty, and on to where it leads. */
export function comeBack(world: World, deed: Deed, attempt: Attempt | undefined): void {
  if (attempt === undefined) return
  world.begin(`browser ${deed.browser} comes back with ${attempt.name}`, async () => {
    const { session, cookies } = world.browser(deed.browser)
    attempt.cookies ??= new Map(cookies)
    const operation = world.traffic.running.getStore()
    const callback: Callback = { sentAt: nextPlace(), session, overAt: undefined, operation }
    attempt.callbacks.push(callback)
    const { pathname, search } = new URL(attempt.callbackURL)
    const { location, answeredAt } = await visit(world, deed, pathname + search)
    callback.answeredAt = answeredAt
    if (location?.startsWith('/')) await visit(world, deed, location)
    callback.overAt = nextPlace()
  })
}

export function request(world: World, deed: Deed, path: string): void {
  world.begin(`browser ${deed.browser} requests ${path} of process ${deed.process}`, () =>
    visit(world, deed, path),
  )
}

export function keep(world: World, deed: Deed): void {
  world.begin(`browser ${deed.browser} keeps its grant`, async () => {
    const { session } = world.browser(deed.browser)
    if (session === undefined) return
    world.ledger.triedToKeep.add(session)
    const { status, body } = await visit(world, deed, '/keep', 'POST')
    const { grantID, isKept } = Object(body) as { grantID?: string; isKept?: boolean }
    if (status === 200 && isKept === true && grantID !== undefined)
      world.ledger.kept.set(grantID, nextPlace())
  })
}

export function logOut(world: World, deed: Deed): void {
  const name = `browser ${deed.browser} logs out`
  world.begin(name, () => {
    const { session } = world.browser(deed.browser)
    return end(world, deed, { name, kind: 'logout', session }, async () => {
      const { status } = await visit(world, deed, '/auth/pagerduty/logout', 'POST')
      return status === 204 || status === 303
    })
  })
}

/** Administration: ends the grant of a browser's latest login. */
export function revokeGrant(world: World, deed: Deed): void {
  const latest = world.ledger.attempts.findLast(
    ({ browser, grantID }) => browser === deed.browser && grantID !== undefined,
  )
  const { grantID } = latest ?? {}
  if (grantID === undefined) return
  const name = `process ${deed.process} revokes the grant of ${latest?.name}`
  world.begin(name, () =>
    end(world, deed, { name, kind: 'revoke grant', grantID }, async () => {
      await world.process(deed.process).pd.grants.revoke(grantID)
      return true
    }),
  )
}

/** Administration: ends all grants of a browser's user. */
export function revokeOwner(world: World, deed: Deed): void {
  const userID = world.ownerOf(deed.browser)
  const name = `process ${deed.process} revokes all grants of ${userID}`
  world.begin(name, () =>
    end(world, deed, { name, kind: 'revoke owner' }, async () => {
      await world.process(deed.process).pd.grants.revoke({ accountID, userID })
      return true
    }),
  )
}

async function end(
  world: World,
  { browser }: Deed,
  given: Pick<Ending, 'name' | 'kind' | 'session' | 'grantID'>,
  work: () => Promise<boolean>,
): Promise<void> {
  const owner = world.ownerOf(browser)
  const operation = world.traffic.running.getStore()
  const sentAt = nextPlace()
  const ending: Ending = { ...given, browser, owner, sentAt, overTime: 0, isDone: false, operation }
  world.ledger.endings.push(ending)
  try {
    ending.isDone = await work()
  } finally {
    ending.overAt = nextPlace()
    ending.overTime = Date.now()
  }
}
