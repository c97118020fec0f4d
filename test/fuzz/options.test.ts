import type { Request } from 'express'
import fc from 'fast-check'
import { type PagerDutyOptions, pagerduty } from '../../src'
import { ConfigurationError } from '../../src/errors/errors'
import { runs } from './runs'

const good = {
  clientID: 'the-client',
  clientSecret: 'CANARY-client-secret',
  callbackURL: 'https://app.example/auth/pagerduty/callback',
  scope: ['incidents.read', 'users.read'],
  secret: 'CANARY-tcHjcj7kM9x0PqfYwL3bVn5sZr8aUe',
  logger: { warn: () => {} },
}

const url = fc.oneof(
  fc.constantFrom(
    'https://app.example/cb',
    'http://localhost:3000/cb',
    'http://127.0.0.1/cb',
    'https://app.example',
  ),
  fc.constantFrom(
    'http://app.example/cb',
    'http://localhost.evil.example/',
    'http://127.0.0.1.evil.example/',
    '//x',
  ),
  fc.constantFrom(
    'http://127.1/cb',
    'http://0.0.0.0/',
    'http://[::1]/cb',
    'http://[::ffff:127.0.0.1]/',
    'HTTPS://a.example',
  ),
  fc.constantFrom(
    'ftp://a.example',
    'javascript:alert(1)',
    'https://u:p@a.example/',
    'https://a.example/#x',
    ' https://a.b',
  ),
  fc.constantFrom(
    'https://a.example/?x=y',
    'https://a.example/path',
    'https:a.example',
    'http://localhost.',
    'data:,x',
  ),
  fc.webUrl(),
)
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    0,
    -1,
    NaN,
    Infinity,
    true,
    false,
    '',
    ' ',
    'x',
    [],
    {},
    ['x'],
    [[]],
    [undefined],
    '__proto__',
  ),
  fc.constantFrom<unknown>(
    () => true,
    Symbol('x'),
    5n,
    new Date(0),
    new Map(),
    /x/,
    Object.create(null),
    new String('a'),
  ),
  fc.anything({ maxDepth: 1 }),
  fc.string({ unit: 'binary' }),
)
const mostly = (usual: fc.Arbitrary<unknown>) => fc.oneof({ arbitrary: usual, weight: 3 }, odd)
const scope = fc.constantFrom<unknown>(
  ...['incidents.read', 'read', 'openid incidents.read', 'as_account-us.acme', 'a"b', 'nobody.knows'],
  ...[
    ['read', 'write'],
    ['incidents.read', ''],
    ['write', 'incidents.read'],
  ],
)
/** Each option with values that are right, wrong, or no values of its type at all. */
const values: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  clientID: mostly(fc.string()),
  clientSecret: mostly(fc.string()),
  callbackURL: mostly(url),
  scope: mostly(scope),
  appType: mostly(fc.constantFrom('scoped', 'classic', 'Scoped')),
  name: mostly(
    fc.constantFrom('pagerduty', 'pd-2', 'a b', '__proto__', 'constructor', 'x'.repeat(33), 'a;b', 'a\n'),
  ),
  identityURL: mostly(url),
  apiURL: mostly(url),
  issuer: mostly(fc.oneof(url, fc.array(url, { maxLength: 2 }))),
  authorizationURL: mostly(url),
  tokenURL: mostly(url),
  revocationURL: mostly(url),
  jwksURL: mostly(url),
  requireAtHash: mostly(fc.boolean()),
  fetch: mostly(fc.constant(fetch)),
  account: mostly(fc.constantFrom('us.acme', 'eu.acme', 'acme', 'as_account-us.acme', 'us.')),
  appScope: mostly(scope),
  webhookSecret: mostly(fc.string({ minLength: 16 })),
  secret: mostly(
    fc.constantFrom(
      'a'.repeat(40),
      'keyboard cat '.repeat(4),
      good.secret,
      [good.secret, 'short'],
      [good.secret],
    ),
  ),
  redis: fc.constantFrom<unknown>('', 'http://x', 5, {}, null, undefined),
  verify: mostly(fc.constant(async () => true)),
  session: mostly(fc.record({ idle: odd, absolute: odd }, { requiredKeys: [] })),
  routes: mostly(fc.record({ login: odd, logout: odd }, { requiredKeys: [] })),
  partialGrant: mostly(fc.constantFrom('accept', 'fail')),
  stepUpScope: mostly(fc.constantFrom([], ['incidents.read'], ['read'])),
  extraScopes: mostly(fc.constantFrom([], ['incidents.raed'])),
  customHeaders: mostly(fc.constant({ 'X-A': 'b' })),
  onError: mostly(fc.constant(() => {})),
  revokeOnLogout: mostly(fc.boolean()),
  pkce: mostly(fc.constantFrom('S256', 'plain', true, false)),
  state: mostly(fc.constantFrom(true, false)),
  store: odd,
  unsafelyWithoutPKCE: odd,
  skipUserProfile: odd,
  passReqToCallback: odd,
}
const names = Object.keys(values)
const change = fc
  .constantFrom(...names)
  .chain((name) => (values[name] as fc.Arbitrary<unknown>).map((value) => ({ [name]: value })))
const changes = fc
  .array(change, { minLength: 1, maxLength: 3 })
  .map((list) => Object.assign({}, ...list) as Record<string, unknown>)

/** The redirect that begins a login, and the cookies with it. */
function beginLogin(pd: ReturnType<typeof pagerduty>): { url: URL; cookies: readonly string[] } {
  const cookies: string[] = []
  const res = {
    setHeader: () => {},
    appendHeader: (_name: string, value: string) => void cookies.push(value),
  }
  const req = { method: 'GET', originalUrl: '/login', headers: {}, secure: true, query: {}, body: {}, res }
  const attempt = Object.create(pd.strategy) as typeof pd.strategy
  let begun: string | undefined
  const refuse = (error: unknown) => {
    throw error
  }
  const redirect = (to: string) => {
    begun = to
  }
  Object.assign(attempt, { redirect, error: refuse, fail: refuse, success: refuse, pass: refuse })
  attempt.authenticate(req as unknown as Request)
  if (begun === undefined) throw new Error('No redirect')
  return { url: new URL(begun), cookies }
}

/** Whether no one in between can read what is sent to a URL. */
function isSafe(text: string): boolean {
  const { protocol, hostname } = new URL(text)
  const isHere = hostname === 'localhost' || hostname === '[::1]' || /^127[.\d]+$/.test(hostname)
  return protocol === 'https:' || (protocol === 'http:' && isHere)
}

/** What the options create, or why they are rejected; anything else is rethrown. */
function made(changed: Record<string, unknown>): ReturnType<typeof pagerduty> | ConfigurationError {
  try {
    const pd = pagerduty({ ...good, ...changed } as PagerDutyOptions)
    pd.auth()
    return pd
  } catch (error) {
    if (error instanceof ConfigurationError) return error
    throw error
  }
}

function expectNamed({ option, message, hint = '' }: ConfigurationError): void {
  expect(names).toContain(option.split('.')[0])
  expect(message + hint).not.toContain('CANARY')
}

describe('any options', () => {
  it('are rejected by the name of one of them, or start logins with state, S256 and safe URLs and cookies', async () => {
    const tally = { refused: 0, made: 0 }
    await fc.assert(
      fc.asyncProperty(changes, async (changed) => {
        const pd = made(changed)
        if (pd instanceof ConfigurationError) {
          tally.refused++
          return expectNamed(pd)
        }
        tally.made++
        const { url: begun, cookies } = beginLogin(pd)
        await pd.close()
        const query = begun.searchParams
        const back = query.get('redirect_uri') ?? ''
        expect([begun.href, isSafe(begun.href), isSafe(back)]).toEqual([begun.href, true, true])
        expect(query.get('state')).toMatch(/^[\w-]{32}$/)
        const isWithout = changed['unsafelyWithoutPKCE'] ? changed['appType'] === 'classic' : false
        expect([query.get('code_challenge_method'), query.get('code_challenge')?.length]).toEqual(
          isWithout ? [null, undefined] : ['S256', 43],
        )
        expect(query.get('response_type')).toBe('code')
        expect(begun.href).not.toContain('CANARY')
        expect(cookies).toHaveLength(1)
        const isSecure = back.toLowerCase().startsWith('https:')
        expect(cookies[0]).toMatch(
          isSecure ? /^__Host-.*; Path=\/; HttpOnly; SameSite=Lax; Secure; / : /; HttpOnly; SameSite=Lax; /,
        )
      }),
      runs(400),
    )
    expect(tally.refused).toBeGreaterThan(10)
    expect(tally.made).toBeGreaterThan(10)
  })
})
