import fc from 'fast-check'
import { parseAccount } from '../../src/app-tokens/account'
import { AppTokenRepository } from '../../src/app-tokens/token-repository'
import { CircuitBreaker } from '../../src/oauth/circuit-breaker'
import { TokenEndpointError } from '../../src/errors/pagerduty-errors'
import { GrantIndex } from '../../src/grants/grant-index'
import { MemoryTokenStore } from '../../src/store/memory-token-store'
import { NegativeCache } from '../../src/app-tokens/negative-cache'
import { decodePendingLogin } from '../../src/login/login-transaction'
import { KeyRing } from '../../src/store/encryption'
import { runs } from './runs'

const keys = new KeyRing('0f9d3b7a51c24e86-a7c1e94d-first-of-all')
const store = new MemoryTokenStore()
afterAll(() => store.close())

const anything = fc.jsonValue()

/** What is kept, with some members in the place of others, too few of them or too many. */
function nearly(whole: readonly unknown[]): fc.Arbitrary<unknown[]> {
  const changes = fc.dictionary(fc.nat(whole.length).map(String), fc.option(anything), { maxKeys: 3 })
  return fc
    .tuple(changes, fc.nat(whole.length + 1))
    .map(([changed, length]) => Object.assign([...whole], changed).slice(0, length) as unknown[])
}

/** As text: any JSON, what is nearly right, and what is no JSON. */
function written(...almost: fc.Arbitrary<unknown>[]): fc.Arbitrary<string> {
  const infinite = fc.constant('["abc",1e999,1e999,"incidents.read"]')
  const json = fc.oneof(anything, ...almost).map((value) => JSON.stringify(value))
  return fc.oneof({ weight: 8, arbitrary: json }, infinite, fc.string({ unit: 'binary' }))
}

/** Puts a text where the package will find it. */
async function put(key: string, value: string): Promise<void> {
  await store.delete(key)
  await store.create(key, value, 60_000)
}

const types = (values: readonly unknown[]) => values.map((value) => typeof value)
const isFinite = (value: number) => Number.isFinite(value)

describe('what another version may have kept is whole or absent, and fails nothing', () => {
  test('Z9, K6: a pending login', () => {
    const login = ['grant', (1_900_000_000_000).toString(36), 'verifier', '/path', 'incidents.read', 3]
    let read = 0
    const whole = (text: string) => {
      const found = decodePendingLogin(text, 'https://app.example/callback')
      if (found === undefined) return
      read += 1
      expect(types([found.grantID, found.startedAt, found.isStepUp])).toEqual(['string', 'number', 'boolean'])
      expect(isFinite(found.startedAt)).toBe(true)
      expect(['string', 'undefined']).toEqual(
        expect.arrayContaining(types([found.codeVerifier, found.returnTo])),
      )
      expect((found.scope ?? []).every((scope) => typeof scope === 'string')).toBe(true)
    }
    fc.assert(fc.property(written(nearly(login)), whole), runs(3_000))
    expect(read).toBeGreaterThan(0)
  })

  test('Z9, K6: the list of a user’s grants, and the next login is listed all the same', async () => {
    const index = new GrantIndex(store, keys)
    const user = { accountID: 'PACME', id: 'PACME01' }
    const key = 'user:PACME PACME01'
    const until = Date.now() + 60_000
    const rest = fc.record(
      { p: fc.oneof(fc.nat(), anything), t: fc.oneof(fc.nat(), anything) },
      { requiredKeys: [] },
    )
    const entry = fc.oneof(fc.constant(['grant', until]), nearly(['grant', until]), anything)
    const entries = fc.tuple(fc.array(entry), fc.array(rest, { maxLength: 2 })).map((both) => both.flat())
    let read = 0
    const listed = async (text: string) => {
      await put(key, keys.sealer('grant index').seal(text, key))
      const ids = await index.list(user)
      read += ids.length
      expect(new Set(types(ids))).toEqual(new Set(ids.length === 0 ? [] : ['string']))
      await index.add(user, 'the next', until)
      expect(await index.list(user)).toContain('the next')
    }
    await fc.assert(fc.asyncProperty(written(entries), listed), runs(1_000))
    expect(read).toBeGreaterThan(0)
  })

  test('Z9, K6: an app token', async () => {
    const vault = new AppTokenRepository(store, keys)
    const token = ['token', 2_000_000_000_000, 1_900_000_000_000, 'incidents.read']
    let read = 0
    const whole = async (text: string) => {
      await put('app:abc', keys.sealer('app token').seal(text, 'app:abc'))
      const found = await vault.read('abc')
      if (found === undefined) return
      read += 1
      expect(typeof found.accessToken).toBe('string')
      expect([found.expiresAt, found.obtainedAt].every(isFinite)).toBe(true)
    }
    await fc.assert(fc.asyncProperty(written(nearly(token)), whole), runs(1_000))
    expect(read).toBeGreaterThan(0)
  })

  test('Z9, K6: a pause, and a scope that was not granted', async () => {
    const failure = { message: 'It failed', code: 'server_error', error: 'server_error', httpStatus: 500 }
    const members = fc.dictionary(fc.constantFrom('delay', 'version', 'failure'), anything)
    const details = fc.dictionary(fc.constantFrom(...Object.keys(failure), 'hint'), anything)
    const pause = fc
      .tuple(members, details)
      .map(([more, detail]) => ({ delay: 1_000, failure: { ...failure, ...detail }, ...more }))
    const request = {
      id: 'abc',
      account: parseAccount('us.acme'),
      scope: ['incidents.read'],
      requested: ['incidents.read'],
    }
    const seen = new Set<string>()
    const whole = async (text: string) => {
      await put('pause:abc', text)
      const told = await new CircuitBreaker(store, 'client').check('abc')
      seen.add(typeof told)
      const { message, code, httpStatus, retryAfter } = told ?? new TokenEndpointError('none', none)
      expect(types([message, code, retryAfter])).toEqual(['string', 'string', 'number'])
      expect(['number', 'undefined']).toContain(typeof httpStatus)
      await put('narrow:abc', text)
      const missing = await new NegativeCache(store).load(request)
      expect(types([missing?.message ?? ''])).toEqual(['string'])
    }
    await fc.assert(fc.asyncProperty(written(pause, fc.constant([])), whole), runs(1_000))
    expect(seen).toEqual(new Set(['object', 'undefined']))
  })
})

const none = { code: 'none', status: 503, retryAfter: 0 }
