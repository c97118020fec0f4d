import type { Request, RequestHandler } from 'express'
import fc from 'fast-check'
import { type AppType, type GuardOptions, type ScopeName, requireAnyScope, requireScopes } from '../../src'
import { createContext } from '../../src/context'
import { TokenSet } from '../../src/oauth/token-set'
import { UserGrant } from '../../src/grants/user-grant'
import { UserGrants } from '../../src/grants/grants'
import { runs } from '../fuzz/runs'
import { Browser } from '../support/browser'

const user = {
  id: 'PACME01',
  accountID: 'PACME00',
  subdomain: 'acme',
  region: 'us',
  apiURL: 'https://api.pagerduty.com',
  delegationID: undefined,
} as const

const kinds = {
  navigation: { method: 'GET', headers: Browser.navigation },
  'navigation of an old browser': { method: 'GET', headers: { accept: 'text/html,*/*' } },
  form: { method: 'POST', headers: Browser.navigation },
  fetch: { method: 'GET', headers: { 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty', Accept: '*/*' } },
  XHR: { method: 'GET', headers: { 'X-Requested-With': 'XMLHttpRequest', Accept: 'text/html' } },
  frame: { method: 'GET', headers: { ...Browser.navigation, 'Sec-Fetch-Dest': 'iframe' } },
  HEAD: { method: 'HEAD', headers: Browser.navigation },
  PUT: { method: 'PUT', headers: { Accept: 'application/json' } },
} as const
type Kind = keyof typeof kinds

const makers = { all: requireScopes, any: requireAnyScope }
type Mode = keyof typeof makers

const grantsOf = Object.fromEntries(
  (['scoped', 'classic'] as const).map((appType) => [
    appType,
    new UserGrants(
      createContext({
        clientID: 'a',
        clientSecret: 'b',
        callbackURL: 'https://app.example/cb',
        scope: appType === 'scoped' ? 'users.read' : 'read',
        appType,
      }),
    ),
  ]),
) as Record<AppType, UserGrants>

const none = { refresh_token: undefined, id_token: undefined }

/** The login of a user to whom PagerDuty granted this scope. */
function login(appType: AppType, scope: string): UserGrant {
  const response = { access_token: 'token', expires_in: 3600, scope, ...none }
  const tokens = TokenSet.from(response, { scope: [] })
  const record = {
    user,
    tokens,
    requestedScopes: [],
    version: 1,
    isKept: false,
    absoluteEnd: Infinity,
    superseded: [],
  }
  return new UserGrant(grantsOf[appType], { id: 'grant', sealed: '', record } as never)
}

/** What a guard does with a request, in short; the session may remember a denial. */
function outcome(guard: RequestHandler, held: UserGrant, kind: Kind, session: object = {}): string {
  const { method, headers } = kinds[kind]
  const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
  const req = {
    method,
    headers: Object.fromEntries(lower),
    originalUrl: '/page?a=1',
    session,
    pagerduty: held,
  }
  const sent: Record<string, unknown> = {}
  let did = ''
  const res = {
    statusCode: 0,
    setHeader: (name: string, value: string) => void (sent[name.toLowerCase()] = value),
    getHeader: (name: string) => sent[name.toLowerCase()],
    end: () =>
      void (did = `${res.statusCode} ${String(sent['location'] ?? sent['www-authenticate'] ?? '')}`.trim()),
  }
  void guard(req as unknown as Request, res as never, () => void (did = 'through'))
  return did
}

/** What the issue says, in the plainest words there are. */
function expected(
  row: { appType: AppType; mode: Mode; granted: readonly string[]; required: readonly string[] },
  kind: Kind,
  asks: boolean,
): string {
  const { appType, mode, granted, required } = row
  for (const scope of required) {
    const isClassic = scope === 'read' || scope === 'write'
    if (scope !== 'openid' && isClassic && appType === 'scoped') return '500'
    if (scope !== 'openid' && !isClassic && appType === 'classic') return '500'
  }
  const missing: string[] = []
  for (const scope of required) {
    let isThere = false
    for (const one of granted) {
      if (one === scope) isThere = true
      if (appType === 'classic' && scope === 'read' && one === 'write') isThere = true
    }
    if (!isThere) missing.push(scope)
  }
  if (missing.length === 0) return 'through'
  if (mode === 'any' && missing.length < required.length) return 'through'
  const wanted = mode === 'any' ? missing.slice(0, 1) : missing
  const url = `/auth/pagerduty?scope=${wanted.join('+')}&returnTo=`
  if (asks && kind.startsWith('navigation')) return `302 ${url}%2Fpage%3Fa%3D1`
  if (asks && kind === 'form') return `303 ${url}%2F`
  return `403 Bearer error="insufficient_scope", scope="${required.join(' ')}"`
}

function subsets<T>(list: readonly T[]): T[][] {
  return list.reduce<T[][]>((sets, item) => [...sets, ...sets.map((set) => [...set, item])], [[]])
}

const names = ['incidents.read', 'incidents.write', 'read', 'write']
/** Granted besides, and good for nothing here. */
const lookalikes = [
  'Incidents.read',
  'incidents',
  'incidents.reads',
  'xread',
  'READ',
  'incidents.read,read',
  '*',
]
const grantedSets = subsets(['openid', ...names]).flatMap((set) => [set, [...lookalikes, ...set]])
const requiredSets = [...subsets([...names, 'openid'])].filter((set) => set.length > 0)
let rows = 0

describe.each(['scoped', 'classic'] as const)('in a %s app', (appType) => {
  const logins = grantedSets.map((granted) => ({ granted, held: login(appType, granted.join(' ')) }))

  describe.each(['all', 'any'] as const)('of the required scopes %s', (mode) => {
    test.each(Object.keys(kinds) as Kind[])('are asked of a %s by what is granted', (kind) => {
      const wrong: unknown[] = []
      for (const required of requiredSets) {
        const guards: [boolean, GuardOptions, object][] = [
          [true, {}, {}],
          [false, { stepUp: false }, {}],
          [false, { stepUpScope: [] }, {}],
          [
            false,
            {},
            {
              pagerduty: {
                declined: { pagerduty: Object.fromEntries(required.map((one) => [one, Date.now() + 1e6])) },
              },
            },
          ],
        ]
        for (const [asks, options, session] of guards) {
          const guard = makers[mode](...(required as ScopeName[]), options)
          for (const { granted, held } of logins) {
            const did = outcome(guard, held, kind, session)
            const should = expected({ appType, mode, granted, required }, kind, asks)
            rows++
            if (did !== should) wrong.push({ required, granted, options, did, should })
          }
        }
      }
      expect(wrong.slice(0, 5)).toEqual([])
    })
  })
})

test.each(['scoped', 'classic'] as const)('has() and missing() of a %s login say the same', (appType) => {
  const wrong: unknown[] = []
  for (const granted of grantedSets) {
    const held = login(appType, granted.join(' '))
    for (const required of requiredSets) {
      const missing = required.filter((scope) => {
        const isRead = appType === 'classic' && scope === 'read'
        return !granted.includes(scope) && !(isRead && granted.includes('write'))
      })
      const said = [held.missing(...required), held.has(...required)]
      if (JSON.stringify(said) !== JSON.stringify([missing, missing.length === 0]))
        wrong.push({ granted, required, said })
    }
  }
  expect(wrong.slice(0, 5)).toEqual([])
})

test('the table has every combination', () => {
  expect([requiredSets.length, grantedSets.length]).toEqual([31, 64])
  expect(rows).toBe(2 * 2 * Object.keys(kinds).length * 31 * 4 * 64)
})

test.each(Object.keys(kinds) as Kind[])('a %s without a login does not get through', (kind) => {
  const nobody = new UserGrant(grantsOf.scoped, undefined)
  const denied = kind.startsWith('navigation') ? '302 /auth/pagerduty?returnTo=%2Fpage%3Fa%3D1' : '401 Bearer'
  for (const required of requiredSets) {
    for (const make of Object.values(makers))
      expect(outcome(make(...(required as ScopeName[])), nobody, kind)).toBe(denied)
  }
})

describe('whatever PagerDuty grants', () => {
  const thorough = runs(2000)
  const token = fc.stringMatching(/^[!#-[\]-~]{1,16}$/)
  const scope = fc.constantFrom(
    'incidents.read',
    'incidents.write',
    'users.read',
    'users:sessions.read',
    'tags.write',
  )
  const list = fc.array(fc.oneof(token, scope), { maxLength: 6 })
  const some = fc.uniqueArray(scope, { minLength: 1, maxLength: 4 })
  const mode = fc.constantFrom<Mode>('all', 'any')
  const noAsking: GuardOptions = { stepUp: false }

  const passes = (how: Mode, granted: string, required: readonly string[]): boolean =>
    outcome(makers[how](...(required as ScopeName[]), noAsking), login('scoped', granted), 'fetch') ===
    'through'

  test('a part of a scope, or a scope with more to it, is another scope', () => {
    const part = fc
      .tuple(scope, fc.nat(19), fc.nat(19))
      .map(([one, from, to]) => [one, one.slice(from, to)] as const)
    const longer = fc
      .tuple(scope, token, token)
      .map(([one, before, after]) => [one, before + one + after] as const)
    fc.assert(
      fc.property(fc.oneof(part, longer), list, mode, ([one, odd], more, how) => {
        fc.pre(odd !== one && !more.includes(one))
        expect(passes(how, [odd, ...more].join(' '), [one])).toBe(false)
      }),
      thorough,
    )
  })

  test('letters count', () => {
    const folded = fc.tuple(scope, fc.array(fc.boolean(), { minLength: 20, maxLength: 20 }))
    fc.assert(
      fc.property(folded, mode, ([one, capitals], how) => {
        const other = [...one].map((letter, at) => (capitals[at] ? letter.toUpperCase() : letter)).join('')
        expect(passes(how, other, [one])).toBe(other === one)
      }),
      thorough,
    )
  })

  test('nothing but the space separates', () => {
    const separator = fc.constantFrom(
      ',',
      ';',
      '|',
      '+',
      '/',
      '\t',
      '\n',
      '\r\n',
      '\u00a0',
      '\u2003',
      '%20',
      ', ',
    )
    fc.assert(
      fc.property(some, separator, mode, (required, between, how) => {
        fc.pre(required.length > 1)
        const first = required.slice(0, 1)
        expect(passes(how, required.join(between), first)).toBe(false)
        expect(passes(how, required.join(' '), first)).toBe(true)
        expect(passes(how, required.join('   '), required)).toBe(true)
      }),
      thorough,
    )
  })

  test('more that is granted never shuts a route, more that is required never opens one', () => {
    fc.assert(
      fc.property(list, list, some, scope, mode, (granted, more, required, another, how) => {
        const before = passes(how, granted.join(' '), required)
        expect(before && !passes(how, [...more, ...granted].join(' '), required)).toBe(false)
        const wider = [...new Set([...required, another])]
        const after = passes(how, granted.join(' '), wider)
        expect(how === 'all' ? after && !before : before && !after).toBe(false)
      }),
      thorough,
    )
  })

  test('order and repetition mean nothing', () => {
    fc.assert(
      fc.property(list, some, mode, (granted, required, how) => {
        const other = [...granted, ...granted].toReversed().join(' ')
        const asked = [...required, ...required].toReversed()
        expect(passes(how, other, asked)).toBe(passes(how, granted.join(' '), required))
      }),
      thorough,
    )
  })
})
