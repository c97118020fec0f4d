import { createHash } from 'node:crypto'
import { parse } from 'node:querystring'
import type { Request } from 'express'
import fc from 'fast-check'
import { PagerDutyStrategy } from '../../src'
import { type AuthorizationResponse, readAuthorizationResponse } from '../../src/oauth/authorization-response'
import { Client } from '../../src/oauth/client'
import { AuthorizationResponseError } from '../../src/errors/pagerduty-errors'
import { visibleText } from '../support/fault-server'
import { runs } from './runs'

const path = '/auth/pagerduty/callback'
const issuer = 'https://app.pagerduty.com/global/oauth/anonymous'
const options = {
  clientID: 'the-client',
  clientSecret: 'the-secret',
  callbackURL: `https://app.example${path}`,
  scope: 'openid',
}
const client = new Client(options)

/** The response, or the error that rejects it; anything else is rethrown. */
function attempt(url: string): AuthorizationResponse | AuthorizationResponseError | undefined {
  try {
    return readAuthorizationResponse(client, url)
  } catch (error) {
    if (error instanceof AuthorizationResponseError) return error
    throw error
  }
}

/** Names of parameters: those that count, and those that some parser might take for them. */
const name = fc.constantFrom(
  ...['code', 'state', 'error', 'iss', 'code[]', 'state[a]', 'error.x', 'iss[0]'],
  ...['Code', 'code ', 'other', '__proto__', ''],
)

describe('any query', () => {
  const value = fc.oneof(
    fc.constantFrom('a', 'b', '', 'access_denied', issuer, '%00', '%ed%a0%80', '<CANARY>', 'CANARY%0d%0a'),
    fc.string({ unit: 'binary' }).map((it) => encodeURIComponent(it)),
    fc.string({ unit: 'binary-ascii' }),
  )
  const pairs = (maxLength: number) => fc.array(fc.tuple(name, value), { maxLength })
  const begun = fc.constantFrom<[string, string][]>(
    [
      ['state', 'a'],
      ['code', 'b'],
    ],
    [
      ['error', 'access_denied'],
      ['state', 'a'],
    ],
  )
  const query = fc.oneof(
    pairs(5),
    fc.tuple(begun, pairs(2)).map((lists) => lists.flat()),
  )

  it('is a response with one code or one known error, or a typed error', () => {
    const tally = { read: 0, refused: 0 }
    fc.assert(
      fc.property(query, (sentPairs) => {
        const text = sentPairs.map((pair) => pair.join('=')).join('&')
        const response = attempt(`${path}?${text}`)
        tally[response instanceof Error ? 'refused' : 'read']++
        const shown = response instanceof Error ? visibleText(response) : ''
        expect(shown).not.toContain('CANARY')
        if (response instanceof Error) return
        const sent = new URL(`http://x${path}?${text}`).searchParams
        const only = (member: string) => sent.getAll(member).filter((it) => it !== '')
        expect(only('state')).toEqual([response?.state])
        expect(only('code')).toEqual(response?.code === undefined ? [] : [response.code])
        expect(response?.code === undefined).toBe(response?.error !== undefined)
        expect([undefined, 'access_denied', 'unknown_error']).toContain(response?.error)
        expect(only('iss').every((it) => it === issuer)).toBe(true)
      }),
      runs(600),
    )
    expect(tally.read).toBeGreaterThan(10)
    expect(tally.refused).toBeGreaterThan(10)
  })
})

describe('any request target', () => {
  const piece = fc.constantFrom(
    '/',
    '//',
    'a',
    ':',
    '@',
    '?',
    '#',
    '%',
    '%00',
    '..',
    'code=a',
    '&',
    'callback',
    ' ',
  )

  it('of a server that only gets paths is no reason to throw anything else', () => {
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        expect(() => attempt(`/${pieces.join('')}`)).not.toThrow()
      }),
      runs(1_000),
    )
  })
})

const start = Date.UTC(2026, 0, 1)
let clock = start
let posts: URLSearchParams[] = []
let strategy: PagerDutyStrategy

/** A browser of which only the cookies of pending logins matter here. */
interface Login {
  readonly state: string
  readonly challenge: string
  readonly cookie: string
}

describe('any callback of any browser', () => {
  beforeEach(() => {
    jest.spyOn(Date, 'now').mockImplementation(() => clock)
    strategy = new PagerDutyStrategy({
      ...options,
      fetch: async (_url, init) => {
        posts.push(new URLSearchParams(String(init?.body)))
        return Response.json({ error: 'invalid_grant' }, { status: 400 })
      },
    })
  })
  afterEach(() => {
    jest.restoreAllMocks()
  })

  /** Has the strategy handle a request as Passport would, and returns which of its actions it called. */
  async function authenticate(originalUrl: string, cookie: string, query: object) {
    const cookies: string[] = []
    const res = {
      headersSent: false,
      setHeader: () => {},
      appendHeader: (_name: string, value: string) => void cookies.push(value),
    }
    const req = {
      method: 'GET',
      originalUrl,
      url: originalUrl,
      query,
      body: query,
      secure: true,
      res,
    } as object
    Object.assign(req, { headers: { cookie, host: 'app.example' } })
    const answer = await new Promise<{ by: string; value: unknown }>((resolve) => {
      const one = Object.create(strategy) as PagerDutyStrategy & Record<string, unknown>
      for (const by of ['success', 'fail', 'redirect', 'pass', 'error']) {
        one[by] = (value: unknown) => resolve({ by, value })
      }
      one.authenticate(req as Request)
    })
    return { ...answer, cookies }
  }

  async function begin(): Promise<Login> {
    const { value, cookies } = await authenticate('/auth/pagerduty', '', {})
    const query = new URL(String(value)).searchParams
    const [cookie = ''] = cookies[0]?.split(';') ?? []
    return { state: query.get('state') ?? '', challenge: query.get('code_challenge') ?? '', cookie }
  }

  /** What a value stands for; the states are not known before the logins have begun. */
  type Value = { login: 0 | 1 | 2 } | { text: string }
  const text = fc.oneof(
    fc.constantFrom(
      '',
      'the-code',
      'another',
      'undefined',
      'access_denied',
      issuer,
      `${issuer}/`,
      'x'.repeat(2_049),
    ),
    fc.constantFrom('\0', 'a\r\nb', '\ufffd', '\x7f', '__proto__', '[object Object]', 'é'),
    fc.string({ unit: 'binary', maxLength: 6 }).map((it) => it.replaceAll(/\p{Cs}/gu, '\ufffd')),
  )
  const value = fc.oneof<fc.Arbitrary<Value>[]>(
    fc.constantFrom<0 | 1 | 2>(0, 0, 1, 2).map((login) => ({ login })),
    text.map((it) => ({ text: it })),
  )
  const good: readonly (readonly [string, Value])[] = [
    ['state', { login: 0 }],
    ['code', { text: 'the-code' }],
  ]
  const pair = fc.tuple(name, value)
  const pairs = fc.oneof<fc.Arbitrary<readonly (readonly [string, Value])[]>[]>(
    fc.array(pair, { maxLength: 4 }),
    fc
      .tuple(fc.constantFrom(good, good.toReversed()), fc.array(pair, { maxLength: 2 }), fc.boolean())
      .map(([begun, more, isFirst]) => (isFirst ? [...begun, ...more] : [...more, ...begun])),
    fc.constantFrom(
      [...good, ['iss', { text: issuer }] as const],
      [['state', { login: 1 }] as const, ['code', { text: 'the-code' }] as const],
      [['state', { login: 2 }] as const, ['code', { text: 'the-code' }] as const],
    ),
  )
  /** All of it in digits, or only what has to be. */
  const encoded = (it: string, isAll: boolean) =>
    isAll
      ? [...Buffer.from(it)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
      : encodeURIComponent(it)
  const minutes = fc.constantFrom(0, 1, 9.9, 10, 12, 14.9, 15, 60)

  it('has its code redeemed exactly if it has one code, and one state that is pending in that browser', async () => {
    const tally = { redeemed: 0, not: 0 }
    const request = fc.record({
      pairs,
      isAll: fc.boolean(),
      isTrap: fc.boolean(),
      at: fc.constantFrom(path, path, '/'),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 3 }), minutes, async (requests, age) => {
        clock = start
        // The third has begun in another browser.
        const logins = [await begin(), await begin(), await begin()]
        const cookie = logins
          .slice(0, 2)
          .map((login) => login.cookie)
          .join('; ')
        clock = start + age * 60_000
        const spent = new Set<string>()
        for (const { pairs: sent, isAll, isTrap, at } of requests) {
          const plain = sent.map(
            ([key, it]) => [key, 'text' in it ? it.text : (logins[it.login]?.state ?? '')] as const,
          )
          const query = plain.map((both) => both.map((it) => encoded(it, isAll)).join('=')).join('&')
          posts = []
          const trap = { code: 'the-trap', state: logins[0]?.state }
          const { by } = await authenticate(`${at}?${query}`, cookie, isTrap ? trap : parse(query))
          const { login, hasCode } = answered(plain, logins.slice(0, 2), age)
          const isDue = login !== undefined && hasCode && !spent.has(login.state)
          if (login !== undefined) spent.add(login.state)
          tally[isDue ? 'redeemed' : 'not']++
          expect([query, posts.length]).toEqual([query, isDue ? 1 : 0])
          expect(['fail', 'redirect', 'error']).toContain(by)
          const [form] = posts
          const verifier = form?.get('code_verifier')
          const challenge = verifier && createHash('sha256').update(verifier).digest('base64url')
          expect(challenge ?? undefined).toBe(isDue ? login.challenge : undefined)
          expect(form?.get('code') ?? undefined).toBe(
            isDue ? plain.find(([key]) => key === 'code')?.[1] : undefined,
          )
          expect(form?.get('redirect_uri') ?? options.callbackURL).toBe(options.callbackURL)
        }
      }),
      runs(150),
    )
    expect(tally.redeemed).toBeGreaterThan(10)
    expect(tally.not).toBeGreaterThan(10)
  })

  /** The login that a query finishes or ends: neither too late, nor with anything twice, odd, or of another issuer. */
  function answered(
    plain: readonly (readonly [string, string])[],
    logins: readonly Login[],
    age: number,
  ): { login?: Login | undefined; hasCode: boolean } {
    const of = (member: string) =>
      plain.filter(([key]) => key === member || key.startsWith(`${member}[`) || key.startsWith(`${member}.`))
    const isOdd = (member: string) =>
      of(member).length > 1 ||
      of(member).some(([key, it]) => key !== member || it.length > 2048 || /[\p{Cc}\ufffd]/u.test(it))
    const members = ['code', 'state', 'error', 'iss']
    const [code = '', state = '', error = '', iss = ''] = members.map((it) => of(it)[0]?.[1])
    const hasCode = code !== ''
    const isGood =
      !members.some(isOdd) && hasCode !== (error !== '') && ['', issuer].includes(iss) && age < 10
    return { login: isGood ? logins.find((login) => login.state === state) : undefined, hasCode }
  }
})
