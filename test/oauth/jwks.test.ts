import type { Client } from '../../src/oauth/client'
import { IDTokenError } from '../../src/errors/pagerduty-errors'
import { IDTokenVerifier } from '../../src/oauth/id-token'
import type { PagerDutyUser } from '../../src/user'
import { JWKSCache } from '../../src/oauth/jwks'
import { clientOf } from '../support/client'
import { fakeOnly } from '../support/fake-only'
import {
  type Behaviour,
  FaultServer,
  bytes,
  flood,
  html,
  json,
  redirect,
  resetBeforeHeaders,
  resetMidBody,
  stallBeforeHeaders,
  stallMidBody,
} from '../support/fault-server'
import { claimsOf, signedBy } from '../support/good-id-token'
import { type SigningKey, compactJWS, jwk, rsaKey } from '../support/keys'

// Row D12: what happens to a login when the keys are hard to get.

const oldKey = rsaKey('old')
const newKey = rsaKey('new')
const minute = 60_000
const hour = 60 * minute

let server: FaultServer
let client: Client
let verifier: IDTokenVerifier
let elapsed: number

beforeEach(async () => {
  server = await FaultServer.start()
  publish(oldKey)
  client = clientOf({ jwksURL: `${server.url}/jwks` })
  verifier = new IDTokenVerifier(client)
  elapsed = 0
  // Whole milliseconds, so that sums are exact.
  const start = Math.ceil(performance.now())
  jest.spyOn(performance, 'now').mockImplementation(() => start + elapsed)
})
afterEach(async () => {
  jest.restoreAllMocks()
  await server.close()
})

function publish(...keys: SigningKey[]): void {
  server.behave = json({ keys: keys.map((key) => jwk(key)) })
}

function pass(milliseconds: number): void {
  elapsed += milliseconds
}

function token(key: SigningKey, kid = key.kid): string {
  return signedBy(key, claimsOf({ now: Math.floor(Date.now() / 1000) }), { kid })
}

function logIn(key = oldKey, kid = key.kid): Promise<PagerDutyUser> {
  return verifier.verify(token(key, kid), { accessToken: 'pdus+_0' })
}

/** The error that a login ends with. */
async function failure(attempt: Promise<unknown>): Promise<IDTokenError> {
  const error: unknown = await attempt.then(
    () => new Error('It was accepted'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof IDTokenError)) throw error
  return error
}

const unavailable = {
  code: 'ERR_PAGERDUTY_KEYS_UNAVAILABLE',
  status: 503,
  headers: { 'Retry-After': '30' },
  isTransient: true,
}
const refused = { code: 'ERR_PAGERDUTY_ID_TOKEN', status: 403, isTransient: false }

const faults: [string, () => Behaviour][] = [
  ['a reset', () => resetBeforeHeaders],
  ['a reset half way', () => resetMidBody],
  ['an error', () => json({ error: 'server_error' }, 500)],
  ['keys with an error status', () => json({ keys: [jwk(oldKey)] }, 503)],
  ['404', () => html(404)],
  ['HTML', () => html()],
  ['a redirect to good keys', () => redirect(302, '/elsewhere')],
  ['10 MB', () => flood(10 * 1024 * 1024).behave],
  ['good keys behind 64 KB', () => json(`${' '.repeat(65_536)}{"keys":[]}`)],
  ['nothing', () => json('')],
  ['null', () => json('null')],
  ['a list', () => json([jwk(oldKey)])],
  ['an object without keys', () => json({})],
  ['keys that are no list', () => json({ keys: jwk(oldKey) })],
  ['a list of what are no keys', () => json({ keys: [null, 'x'] })],
  ['half of the keys', () => json('{"keys":[{"kty":"RSA"')],
  ['bad UTF-8', () => bytes(Buffer.from([0x22, 0xff, 0x22]))],
]

describe('while no keys are held', () => {
  test.each(faults)('%s makes a login fail for the moment', async (_name, fault) => {
    server.behave = fault()
    expect(await failure(logIn())).toMatchObject(unavailable)
    expect(server.requests).toHaveLength(1)
  })

  it('an endpoint that is down makes a login fail for the moment', async () => {
    await server.close()
    expect(await failure(logIn())).toMatchObject(unavailable)
  })

  it('the request accepts JSON', async () => {
    await logIn()
    expect(server.requests[0]).toMatchObject({ method: 'GET', headers: { accept: 'application/json' } })
  })

  it('the next login tries again at once and succeeds when the endpoint is back', async () => {
    server.behave = json({}, 500)
    await failure(logIn())
    publish(oldKey)
    expect(await logIn()).toMatchObject({ id: 'PUSER01' })
    expect(server.requests).toHaveLength(2)
  })

  it('logins at the same time share one request, and its failure', async () => {
    server.behave = json({}, 500)
    const attempts = await Promise.all(Array.from({ length: 20 }, () => failure(logIn())))
    for (const error of attempts) expect(error).toMatchObject(unavailable)
    expect(server.requests).toHaveLength(1)
    publish(oldKey)
    await Promise.all(Array.from({ length: 20 }, () => logIn()))
    expect(server.requests).toHaveLength(2)
  })
})

describe('while keys are held', () => {
  it('they serve ten minutes without another request', async () => {
    await logIn()
    pass(10 * minute)
    await logIn()
    expect(server.requests).toHaveLength(1)
    pass(1)
    await logIn()
    expect(server.requests).toHaveLength(2)
  })

  test.each(faults)('they serve on through %s', async (_name, fault) => {
    await logIn()
    server.behave = fault()
    pass(11 * minute)
    expect(await logIn()).toMatchObject({ id: 'PUSER01' })
    expect(server.requests).toHaveLength(2)
    await logIn()
    expect(server.requests).toHaveLength(2)
  })

  it('they serve on for a day, and then no longer', async () => {
    await logIn()
    await server.close()
    pass(24 * hour - 1)
    expect(await logIn()).toMatchObject({ id: 'PUSER01' })
    pass(1)
    expect(await failure(logIn())).toMatchObject(unavailable)
  })

  it('a request that fails is repeated after half a minute, not before', async () => {
    await logIn()
    server.behave = json({}, 500)
    pass(11 * minute)
    for (const wait of [0, 1000, 28_999]) {
      pass(wait)
      await logIn()
    }
    expect(server.requests).toHaveLength(2)
    pass(1)
    publish(oldKey)
    await logIn()
    expect(server.requests).toHaveLength(3)
    pass(9 * minute)
    await logIn()
    expect(server.requests).toHaveLength(3)
  })

  it('a response without the old key removes it', async () => {
    await logIn()
    publish(newKey)
    pass(11 * minute)
    expect(await failure(logIn(oldKey))).toMatchObject(refused)
  })
})

describe('a slow endpoint', () => {
  // A test makes the deadline ring.
  beforeEach(() => fakeOnly(['setTimeout', 'clearTimeout']))
  afterEach(() => {
    jest.useRealTimers()
  })

  test.each<[string, Behaviour]>([
    ['silent', stallBeforeHeaders],
    ['silent in the middle', stallMidBody],
  ])('%s: holds up a first login five seconds at most, and is hung up', async (_name, behave) => {
    server.behave = behave
    const asked = server.nextRequest()
    const hungUp = server.nextHangUp()
    const login = failure(logIn())
    await asked
    jest.advanceTimersByTime(4_999)
    await new Promise((resolve) => setImmediate(resolve))
    const pending = Symbol('pending')
    expect(await Promise.race([login, Promise.resolve(pending)])).toBe(pending)
    jest.advanceTimersByTime(1)
    expect(await login).toMatchObject(unavailable)
    await hungUp
  })

  it('lets later logins through by the keys held', async () => {
    await logIn()
    server.behave = stallBeforeHeaders
    pass(11 * minute)
    const asked = server.nextRequest()
    const logins = Promise.all([logIn(), logIn(), logIn()])
    await asked
    jest.advanceTimersByTime(5_000)
    expect(await logins).toHaveLength(3)
    expect(server.requests).toHaveLength(2)
  })

  it('leaves no timer behind when it responds', async () => {
    await logIn()
    expect(jest.getTimerCount()).toBe(0)
  })
})

describe('a key that is not held', () => {
  it('is looked for once, however many logins come with it, and accepted', async () => {
    await logIn()
    publish(newKey, oldKey)
    pass(30_000)
    const users = await Promise.all(Array.from({ length: 20 }, () => logIn(newKey)))
    expect(users).toHaveLength(20)
    expect(server.requests).toHaveLength(2)
    await Promise.all([logIn(oldKey), logIn(newKey)])
    expect(server.requests).toHaveLength(2)
  })

  it('is rejected without a request within half a minute of the last one', async () => {
    await logIn()
    publish(newKey, oldKey)
    pass(29_999)
    expect(await failure(logIn(newKey))).toMatchObject(refused)
    expect(server.requests).toHaveLength(1)
    pass(1)
    expect(await logIn(newKey)).toMatchObject({ id: 'PUSER01' })
    expect(server.requests).toHaveLength(2)
  })

  it('is looked for once per half minute when it is made up', async () => {
    await logIn()
    for (const round of [1, 2, 3]) {
      pass(30_000)
      const flood = Array.from({ length: 25 }, (_, n) => failure(logIn(newKey, `made-up-${round}-${n}`)))
      for (const error of await Promise.all(flood)) expect(error).toMatchObject(refused)
      for (let n = 0; n < 5; n++) expect(await failure(logIn(newKey, `late-${n}`))).toMatchObject(refused)
      expect(server.requests).toHaveLength(1 + round)
    }
    expect(await logIn(oldKey)).toMatchObject({ id: 'PUSER01' })
    expect(server.requests).toHaveLength(4)
  })

  it('is not looked for when the token is not even of the right algorithm', async () => {
    await logIn()
    pass(minute)
    const forged = compactJWS({ alg: 'none', kid: 'other' }, {}, () => Buffer.from('x'))
    expect(await failure(verifier.verify(forged, { accessToken: 'a' }))).toMatchObject(refused)
    expect(server.requests).toHaveLength(1)
  })

  it('is rejected for good, not as a transient error, when the request fails while other keys are held', async () => {
    await logIn()
    server.behave = json({}, 500)
    pass(minute)
    expect(await failure(logIn(newKey))).toMatchObject(refused)
    expect(await logIn(oldKey)).toMatchObject({ id: 'PUSER01' })
  })

  it('under the name of one that is held fails by its signature, without a look', async () => {
    await logIn()
    pass(minute)
    expect(await failure(logIn(newKey, 'old'))).toMatchObject(refused)
    expect(server.requests).toHaveLength(1)
  })
})

describe('the request for keys', () => {
  it('is a plain GET without credentials', async () => {
    await logIn()
    const { method, url, headers, body } = server.last
    expect([method, url, body]).toEqual(['GET', '/jwks', ''])
    expect(headers.authorization).toBeUndefined()
    expect(JSON.stringify(headers)).not.toContain('the-secret')
  })

  it('is not made before a user logs in', () => {
    expect(new JWKSCache(client)).toBeDefined()
    expect(server.requests).toHaveLength(0)
  })

  it('goes through a replaced fetch', async () => {
    const urls: unknown[] = []
    const replaced: typeof fetch = async (url) => {
      urls.push(url)
      return Response.json({ keys: [jwk(oldKey)] })
    }
    const { jwksURL } = client
    const other = clientOf({ jwksURL, fetch: replaced })
    await new IDTokenVerifier(other).verify(token(oldKey), { accessToken: 'a' })
    expect(urls).toEqual([jwksURL])
    expect(server.requests).toHaveLength(0)
  })
})

test('an empty JWKS does not replace good keys', async () => {
  await logIn()
  server.behave = json({ keys: [] })
  pass(11 * minute)
  expect(await logIn()).toMatchObject({ id: 'PUSER01' })
})
