import { type Simulator, startPagerDuty } from '../../src/testing'
import fc from 'fast-check'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'
import { runs } from './runs'

let simulator: Simulator
let app: DropIn
/** The session's cookie. */
let session: { name: string; value: string }
/** That of a login that was only begun. */
let pending: { name: string; value: string }

beforeAll(async () => {
  simulator = await startPagerDuty()
  app = await startDropIn(simulator)
  const { browser } = await app.logIn()
  await app.begin(browser)
  const cookies = [...browser.cookies].map(([name, value]) => ({ name, value }))
  session = cookies.find(({ name }) => name === 'pagerduty') as typeof session
  pending = cookies.find(({ name }) => name !== 'pagerduty') as typeof pending
})
afterAll(async () => {
  await app.close()
  await simulator.close()
})

const ask = async (path: string, cookie: string) =>
  (await new Browser().fetch(app.url + path, { headers: { cookie } })).status

/** What HTTP lets through in a header (RFC 9110 section 5.5), beyond what RFC 6265 lets be in a cookie. */
const text = (maxLength: number) =>
  fc.string({
    unit: fc
      .integer({ min: 0x20, max: 0xff })
      .filter((code) => code !== 0x7f)
      .map((code) => String.fromCharCode(code)),
    maxLength,
  })

/** Where and how a good value is spoilt. */
const spoiling = fc.record({ at: fc.nat(), remove: fc.integer({ min: 0, max: 40 }), insert: text(8) })

function spoilt(
  value: string,
  { at, remove, insert }: { at: number; remove: number; insert: string },
): string {
  const start = at % value.length
  return value.slice(0, start) + insert + value.slice(start + remove)
}

const separator = fc.constantFrom(';', '; ', ' ;', ';;', ',', '\t', ' ')
const blank = fc.constantFrom('', ' ', '\t', '"')

/** One piece of a header: what is to stand between the separators. */
const piece = fc.oneof(
  text(60).map((junk) => () => junk),
  fc.tuple(text(12), text(200)).map(
    ([name, value]) =>
      () =>
        `${name}=${value}`,
  ),
  fc.tuple(spoiling, blank).map(
    ([how, around]) =>
      () =>
        `${session.name}=${around}${spoilt(session.value, how)}${around}`,
  ),
  spoiling.map((how) => () => `${spoilt(session.name, how)}=${session.value}`),
  spoiling.map((how) => () => `${pending.name}=${spoilt(pending.value, how)}`),
  spoiling.map((how) => () => `${spoilt(pending.name, how)}=${pending.value}`),
  fc.constant(() => `${session.name}=${pending.value}`),
  fc.constant(() => `${pending.name}=${session.value}`),
  fc
    .constantFrom('pagerduty', '__proto__', 'constructor', 'hasOwnProperty')
    .map((name) => () => `${name}=s%3Ax.y`),
)

const header = fc
  .array(fc.tuple(piece, separator), { maxLength: 12 })
  .map((pieces) => () => pieces.map(([made, end]) => made() + end).join(''))

/** Whether the session's value stands in a header, in whatever encoding: then it may count. */
function holdsSession(cookie: string): boolean {
  const decoded = (value: string) =>
    value.replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
  return decoded(cookie).includes(decoded(session.value))
}

test('Z14: whatever the Cookie header, a guarded route responds with 200 or 401, and 200 only to the session’s own value', async () => {
  await fc.assert(
    fc.asyncProperty(header, async (made) => {
      const cookie = made()
      const allowed = holdsSession(cookie) ? [200, 401] : [401]
      expect(allowed).toContain(await ask('/me', cookie))
    }),
    runs(400),
  )
})

test('Z14: whatever the Cookie header, a login can be begun', async () => {
  await fc.assert(
    fc.asyncProperty(header, async (made) => {
      expect(await ask('/auth/pagerduty', made())).toBe(302)
    }),
    runs(150),
  )
})

test('Z14: a good session among any other cookies is a login', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(text(12), text(40))), async (others) => {
      const pairs = others.map(([name, value]) => `${name}=${value}`.replace(/[;"]|^\s*pagerduty\s*=/g, ''))
      expect(await ask('/me', [...pairs, `${session.name}=${session.value}`].join('; '))).toBe(200)
    }),
    runs(100),
  )
})
