import { inspect } from 'node:util'
import { type TokenResponse, TokenSet, parseTokenResponse } from '../src/token-set'
import { visibleText } from './support/fault-server'

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
  ])('has the scope %j that the response names, whatever was asked for', (scope, expected) => {
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

  test('do not show by inspect with getters and hidden members', () => {
    expect(visibleText(tokens)).not.toContain('CANARY')
  })
})
