import { inspect } from 'node:util'
import { type TokenResponse, TokenSet, parseTokenResponse } from '../../src/oauth/token-set'
import { visibleText } from '../support/fault-server'

const response: TokenResponse = {
  access_token: 'CANARY-access',
  expires_in: 3600,
  refresh_token: 'CANARY-refresh',
  scope: 'openid incidents.read',
  id_token: undefined,
}
const now = Date.UTC(2026, 0, 1)

beforeEach(() => {
  jest.spyOn(Date, 'now').mockReturnValue(now)
})
afterEach(() => {
  jest.restoreAllMocks()
})

describe('a token set from a response', () => {
  it('holds what the response says', () => {
    const tokens = TokenSet.from(response, { scope: ['services.read'], refreshToken: 'old' })
    expect(tokens.accessToken).toBe('CANARY-access')
    expect(tokens.refreshToken).toBe('CANARY-refresh')
    expect(tokens.tokenType).toBe('bearer')
    expect(tokens.obtainedAt).toBe(now)
    expect(tokens.expiresAt).toBe(now + 3_600_000)
    expect(tokens.scope).toEqual(['openid', 'incidents.read'])
  })

  it('keeps the refresh token before when the response brings none', () => {
    const bare = { ...response, refresh_token: undefined }
    expect(TokenSet.from(bare, { scope: [], refreshToken: 'old' }).refreshToken).toBe('old')
    expect(TokenSet.from(bare, { scope: [] }).refreshToken).toBeUndefined()
  })

  it('has the scope before when the response names none', () => {
    const { scope } = TokenSet.from({ ...response, scope: undefined }, { scope: ['incidents.write'] })
    expect(scope).toEqual(['incidents.write'])
  })

  test.each([
    ['', []],
    ['openid', ['openid']],
    [' openid  openid users.read ', ['openid', 'users.read']],
    ['users.read,services.read', ['users.read,services.read']],
    ['users.read\tservices.read', ['users.read\tservices.read']],
  ])('has the scope %j that the response names, whatever was requested', (scope, expected) => {
    expect(TokenSet.from({ ...response, scope }, { scope: ['incidents.write'] }).scope).toEqual(expected)
  })

  it('ends at once when its lifetime is nought, and at no impossible date when it is huge', () => {
    const lasting = (expires_in: unknown) =>
      TokenSet.from(parseTokenResponse({ ...response, token_type: 'bearer', expires_in }), { scope: [] })
        .expiresAt
    expect(lasting(0)).toBe(now)
    expect(lasting(-1e308)).toBe(now)
    expect(lasting(1e308)).toBe(now + 400 * 86_400_000)
    expect(new Date(lasting(Number.MAX_VALUE)).getUTCFullYear()).toBe(2027)
  })
})

describe('a token response', () => {
  const wire = { ...response, token_type: 'bearer' }

  test.each([
    ['1.25', 1.25],
    ['12.75', 12.75],
    ['007', 7],
  ])('may say %j for its lifetime', (expires_in, seconds) => {
    expect(parseTokenResponse({ ...wire, expires_in }).expires_in).toBe(seconds)
  })

  // All of these are some number to Number().
  test.each(['1.', '.5', '+1', '1e1', '0x1', 'Infinity', ' 1', '1 '])(
    'does not say %j for it',
    (expires_in) => {
      expect(() => parseTokenResponse({ ...wire, expires_in })).toThrow('an expires_in that is no number')
    },
  )

  test.each(['refresh_token', 'scope', 'id_token'])('has a %s of 16384 characters at the most', (member) => {
    const longest = 'x'.repeat(16_384)
    expect(parseTokenResponse({ ...wire, [member]: longest })).toMatchObject({ [member]: longest })
    expect(() => parseTokenResponse({ ...wire, [member]: `${longest}x` })).toThrow(
      `a ${member} that is no string`,
    )
  })
})

test('a token set whose refresh token is used up is otherwise the same', () => {
  const tokens = TokenSet.from(response, { scope: [] })
  const left = tokens.withoutRefreshToken()
  expect(left.refreshToken).toBeUndefined()
  expect(left.accessToken).toBe('CANARY-access')
  expect({ ...left }).toEqual({ ...tokens })
  expect(tokens.refreshToken).toBe('CANARY-refresh')
})

describe('the secrets of a token set', () => {
  const tokens = TokenSet.from(response, { scope: [] })

  test.each<[string, (tokens: TokenSet) => unknown]>([
    ['String()', String],
    ['JSON', (it) => JSON.stringify({ it })],
    ['inspect', (it) => inspect(it, { depth: 10 })],
    ['inspect with hidden members', (it) => inspect(it, { depth: 10, showHidden: true })],
    ['a spread', (it) => JSON.stringify({ ...it })],
    ['Object.assign', (it) => inspect(Object.assign({}, it), { getters: true })],
    ['a structured clone', (it) => inspect(structuredClone(it), { showHidden: true, getters: true })],
    ['its entries', (it) => JSON.stringify(Object.entries(it))],
    [
      'for … in',
      (it) => {
        const seen: string[] = []
        for (const key in it) seen.push(key, String(Reflect.get(it, key)))
        return seen.join()
      },
    ],
  ])('do not show by %s', (_name, show) => {
    expect(String(show(tokens))).not.toContain('CANARY')
  })

  test('are all that inspect does not show', () => {
    const { expiresAt, obtainedAt, scope } = tokens
    expect(inspect(tokens)).toBe(inspect({ tokenType: 'bearer', expiresAt, obtainedAt, scope }))
  })

  test('do not show by inspect with getters and hidden members', () => {
    expect(visibleText(tokens)).not.toContain('CANARY')
  })
})
