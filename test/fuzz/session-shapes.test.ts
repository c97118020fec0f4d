import fc from 'fast-check'
import { MemoryTokenStore, type PagerDuty, pagerduty } from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { type RunningApp, serve } from '../support/app'
import { Browser } from '../support/browser'
import { startDropIn } from '../support/drop-in'
import { runs } from './runs'

const tokenStore = new MemoryTokenStore()
const secret = 'a secret of thirty-two characters or more, for tests'

let simulator: Simulator
let app: RunningApp
let instances: PagerDuty[]
/** What `req.session` is. */
let shape: () => unknown
let handled = 0
/** The id of a grant that is there: a session that really holds it would be logged in. */
let grantID: string

beforeAll(async () => {
  simulator = await startPagerDuty()
  app = await serve((express, url) => {
    const make = (name: string) =>
      pagerduty({
        ...simulator.options(),
        tokenStore,
        secret,
        name,
        scope: 'incidents.read',
        callbackURL: `${url}/auth/${name}/callback`,
      })
    const [parts, dropIn] = [make('pagerduty'), make('dropIn')] as const
    instances = [parts, dropIn]
    express.use((req, _res, next) => {
      Object.defineProperty(req, 'session', { get: () => shape(), configurable: true })
      next()
    })
    const done = (_req: unknown, res: { json(body: string): void }) => {
      handled += 1
      res.json('handled')
    }
    express.get('/parts', parts.sessionTokens(), parts.requireScopes('incidents.read'), done)
    express.get('/drop-in', dropIn.auth(), dropIn.requireLogin(), done)
  })
  grantID = await loggedIn()
})
afterAll(async () => {
  await Promise.all(instances.map((instance) => instance.close()))
  await app.close()
  await simulator.close()
})

/** Logs a user in at another app over the same store, and returns the id of the grant. */
async function loggedIn(): Promise<string> {
  const other = await startDropIn(simulator, { tokenStore, secret }, (express) => {
    express.get('/id', (req, res) => void res.json(req.pagerduty.grantID))
  })
  const { browser } = await other.logIn()
  const id = (await (await other.get(browser, '/id')).json()) as string
  await other.pd.grants.keep(id)
  await other.close()
  return id
}

/** Values that are not strings, but would be the grant's id if they were taken for one. */
const disguised = fc.constantFrom<() => unknown>(
  () => [grantID],
  () => new String(grantID),
  () => ({ toString: () => grantID }),
  () => ({ [Symbol.toPrimitive]: () => grantID }),
  () => ({ id: grantID }),
  () => new Map([['pagerduty', grantID]]),
)

/** A text that is not the grant's id, however near. */
const wrongID = fc.oneof(
  fc.string().map((text) => () => text),
  fc.constantFrom<() => unknown>(
    () => ` ${grantID}`,
    () => `${grantID}\0`,
    () => grantID.toLowerCase() + grantID.toUpperCase(),
    () => `grant:${grantID}`,
    () => '__proto__',
    () => '',
  ),
)

const member = fc.oneof(
  disguised,
  wrongID,
  fc.anything().map((value) => () => value),
)

/** Objects with something under the name of an instance, of every kind that JavaScript has. */
const holder = fc.tuple(member, fc.integer({ min: 0, max: 8 })).map(([value, kind]) => (): unknown => {
  const held = { pagerduty: value(), dropIn: value(), cookie: {}, id: 'x' }
  const call = (then: (error?: Error) => void) => then(new Error('The store is gone'))
  const session = { ...held, regenerate: call, destroy: call, save: call }
  const cyclic: Record<string, unknown> = { ...session }
  const fail = (): never => {
    throw new Error('Not to be had')
  }
  return [
    held,
    session,
    Object.freeze(session),
    Object.freeze({ ...held }),
    Object.assign(cyclic, { self: cyclic, pagerduty: cyclic }),
    Object.assign(Object.create(null), held),
    Object.defineProperty({}, 'pagerduty', { get: fail }),
    new Proxy(session, { get: fail, has: fail, ownKeys: fail }),
    Object.assign(() => {}, { pagerduty: value() }),
  ][kind]
})

const sessions = fc.oneof(
  holder,
  fc
    .anything({ withBigInt: true, withMap: true, withSet: true, withNullPrototype: true })
    .map((value) => () => value),
  fc.string().map((text) => () => text),
  fc.array(fc.string()).map((list) => () => list),
  fc.constant(() => {
    throw new Error('There is no session')
  }),
)

test('Z10: whatever the session is, a user who is not logged in by it does not get past a guard, and gets a response', async () => {
  await fc.assert(
    fc.asyncProperty(sessions, fc.constantFrom('/parts', '/drop-in'), async (made, path) => {
      shape = made
      const answer = await new Browser().fetch(app.url + path)
      expect(handled).toBe(0)
      expect([401, 500, 503]).toContain(answer.status)
      expect(answer.headers.get('set-cookie')).toBeNull()
    }),
    runs(300),
  )
})
