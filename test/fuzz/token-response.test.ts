import fc from 'fast-check'
import { TokenEndpointError } from '../../src/errors/pagerduty-errors'
import { requestToken } from '../../src/oauth/token-endpoint'
import { type TokenResponse, TokenSet, parseTokenResponse } from '../../src/oauth/token-set'
import { clientOf } from '../support/client'
import { visibleText } from '../support/fault-server'
import { runs } from './runs'

const now = Date.UTC(2026, 0, 1)
const longest = 400 * 86_400_000

beforeEach(() => {
  jest.spyOn(Date, 'now').mockReturnValue(now)
})
afterEach(() => {
  jest.restoreAllMocks()
})

const mostly = (usual: unknown, other: fc.Arbitrary<unknown>) =>
  fc.oneof({ arbitrary: fc.constant(usual), weight: 8 }, other)
const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom(
    'bearer',
    'Bearer',
    'BEARER ',
    'a.b',
    'openid',
    '',
    '60',
    '1.5',
    '1.25',
    '1.x',
    '-1',
    '1e3',
    '0x10',
    ' 5',
    'NaN',
  ),
  fc.constantFrom('a\0b', 'a b', 'é', '\ud800', 'a\r\nb', 'x'.repeat(9_000), 'x'.repeat(17_000)),
)
const value = fc.oneof(text, fc.double(), fc.integer(), fc.constant(null), fc.jsonValue({ maxDepth: 1 }))
const members = {
  access_token: mostly('CANARY-access', value),
  token_type: mostly('bearer', value),
  expires_in: mostly(60, value),
  refresh_token: mostly('CANARY-refresh', value),
  scope: mostly('openid', value),
  id_token: mostly(null, value),
  extra: value,
}
const body = fc.record(members, { requiredKeys: [] })

/** Whatever was accepted is this and nothing else. */
function expectSound(parsed: TokenResponse): void {
  const { age = 0, ...wire } = parsed
  expect(age).toBeGreaterThanOrEqual(0)
  expect(Object.keys(wire).toSorted()).toEqual([
    'access_token',
    'expires_in',
    'id_token',
    'refresh_token',
    'scope',
  ])
  expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype)
  expect(parsed.access_token).toMatch(/^[!-~]{1,8192}$/)
  const tokens = TokenSet.from(parsed, { scope: ['before'] })
  expect(tokens.expiresAt >= now - Math.ceil(age) && tokens.expiresAt <= now + longest).toBe(true)
  expect(new Date(tokens.expiresAt).getTime()).not.toBeNaN()
  expect(tokens.scope.every((token) => token !== '' && !token.includes(' '))).toBe(true)
  expect(new Set(tokens.scope).size).toBe(tokens.scope.length)
  expect(tokens.refreshToken === undefined || tokens.refreshToken.length > 0).toBe(true)
  for (const member of [parsed.refresh_token, parsed.scope, parsed.id_token]) {
    expect(typeof (member ?? '') === 'string' && (member ?? '').length <= 16_384).toBe(true)
  }
}

function attempt(candidate: Record<string, unknown>): TokenResponse | undefined {
  try {
    return parseTokenResponse(candidate)
  } catch (error) {
    if (error instanceof TokenEndpointError) return undefined
    throw error
  }
}

describe('any token response', () => {
  it('is a sound token set or a typed error', () => {
    let accepted = 0
    fc.assert(
      fc.property(body, (candidate) => {
        const parsed = attempt(candidate)
        if (parsed === undefined) return
        accepted++
        expectSound(parsed)
        expect(parsed.access_token).toBe(candidate.access_token)
      }),
      runs(1_000),
    )
    expect(accepted).toBeGreaterThan(0)
  })

  it('is accepted exactly if each of its members is usable', () => {
    const isText = (it: unknown) =>
      it === undefined || it === null || (typeof it === 'string' && it.length <= 16_384)
    const isLifetime = (it: unknown) =>
      it === undefined ||
      it === null ||
      (typeof it === 'number' && !Number.isNaN(it)) ||
      (typeof it === 'string' && /^[0-9]+([.][0-9]+)?$/.test(it))
    fc.assert(
      fc.property(body, (candidate) => {
        const { access_token, token_type, expires_in, refresh_token, scope, id_token } = candidate
        const isUsable =
          typeof access_token === 'string' &&
          access_token.length <= 8192 &&
          /^[!-~]+$/.test(access_token) &&
          typeof token_type === 'string' &&
          token_type.toLowerCase() === 'bearer' &&
          isLifetime(expires_in) &&
          [refresh_token, scope, id_token].every(isText)
        expect(attempt(candidate) !== undefined).toBe(isUsable)
      }),
      runs(1_000),
    )
  })
})

/** JSON as text, for what no object can express: a prototype for a member, and members more than once. */
const raw = fc.oneof(
  { arbitrary: body.map((it) => JSON.stringify(it)), weight: 4 },
  fc
    .tuple(
      body,
      fc.constantFrom('__proto__', 'constructor', 'access_token', 'toString', 'hasOwnProperty'),
      value,
    )
    .map(
      ([it, name, odd]) =>
        `${JSON.stringify({ a: 1, ...it }).slice(0, -1)},"${name}":${JSON.stringify(odd)}}`,
    ),
  fc.constantFrom(
    '{"__proto__":{"access_token":"a","token_type":"bearer"}}',
    '[]',
    'null',
    '"a"',
    '',
    '{',
    '1e400',
  ),
  fc
    .tuple(body, fc.constantFrom('invalid_grant', 'CANARY-error', 5, null, ['invalid_grant']))
    .map(([it, error]) => JSON.stringify({ ...it, error, error_description: 'CANARY-description' })),
  fc.json({ maxDepth: 2 }),
  fc.string({ maxLength: 40 }),
)
const status = fc.oneof(
  { arbitrary: fc.constant(200), weight: 4 },
  fc.integer({ min: 200, max: 599 }).filter((it) => ![204, 205, 304].includes(it)),
)
const type = fc.oneof(
  { arbitrary: fc.constantFrom('application/json', 'application/json;charset=utf-8'), weight: 4 },
  fc.constantFrom(
    '',
    'text/html',
    'application/problem+json',
    'APPLICATION/JSON',
    'application/jsonp',
    'text/json',
  ),
)
const headers = fc.record(
  {
    'Retry-After': fc.oneof(fc.nat().map(String), fc.constantFrom('CANARY', '-1', 'NaN')),
    Location: fc.webUrl(),
  },
  { requiredKeys: [] },
)

describe('any response of the token endpoint', () => {
  it('of any status, type, headers and text is a valid token response or a typed error that repeats nothing', async () => {
    const tally = { accepted: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(raw, status, type, headers, async (answer, code, contentType, more) => {
        const client = clientOf({
          clientSecret: 'CANARY-secret',
          fetch: async () =>
            new Response(answer, { status: code, headers: { ...more, 'Content-Type': contentType } }),
        })
        const grant = { grant_type: 'refresh_token', refresh_token: 'CANARY-sent' }
        const outcome: unknown = await requestToken(client, grant, 10_000).catch((error: unknown) => error)
        expect(({} as Record<string, unknown>)['access_token']).toBeUndefined()
        expect(outcome instanceof Error || (code === 200 && /json/i.test(contentType))).toBe(true)
        if (!(outcome instanceof Error)) {
          tally.accepted++
          return expectSound(outcome as TokenResponse)
        }
        tally.refused++
        expect(outcome).toBeInstanceOf(TokenEndpointError)
        expect(visibleText(outcome)).not.toContain('CANARY')
        const { status: told, retryAfter = 0, error = 'invalid_grant' } = outcome as TokenEndpointError
        expect([400, 503]).toContain(told)
        expect(retryAfter >= 0 && retryAfter <= 900).toBe(true)
        expect(error).toBe('invalid_grant')
      }),
      runs(250),
    )
    expect(tally.accepted).toBeGreaterThan(0)
    expect(tally.refused).toBeGreaterThan(0)
  })
})
