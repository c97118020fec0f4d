import { type Need, satisfies } from '../../src/app-tokens/need'
import { TokenSet } from '../../src/oauth/token-set'

const second = 1_000
const tokens = (life: number) =>
  new TokenSet({
    accessToken: 'the-token',
    refreshToken: undefined,
    obtainedAt: 0,
    expiresAt: life,
    scope: [],
  })

test.each<[string, Need, number, boolean]>([
  ['until it expires', {}, 100 * second - 1, true],
  ['no longer', {}, 100 * second, false],
  ['when it is valid for long enough', { minValidity: 50 * second }, 49 * second, true],
  ['not when it is valid for less', { minValidity: 50 * second }, 50 * second, false],
  ['when it is new, however long is asked for', { minValidity: Infinity }, 10 * second - 1, true],
  ['not when it is no longer new', { minValidity: Infinity }, 10 * second, false],
  ['when what is asked for is no number', { minValidity: NaN }, 99 * second, true],
  ['not when it has expired, whatever is asked for', { minValidity: -Infinity }, 100 * second, false],
  ['when another one will not do', { not: 'another' }, 50 * second, true],
  ['not when this one will not do, though it is new', { not: 'the-token' }, 0, false],
  ['when the clock was set back since it came', {}, -50 * second, true],
])('a token of 100 s satisfies %s', (_when, need, now, satisfied) => {
  expect(satisfies(tokens(100 * second), need, now)).toBe(satisfied)
})

test('a token that arrives expired satisfies for five seconds', () => {
  const need = { minValidity: 60 * second }
  expect([0, 5 * second - 1, 5 * second].map((now) => satisfies(tokens(0), need, now))).toEqual([
    true,
    true,
    false,
  ])
})
