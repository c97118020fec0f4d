import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { ClientOptions } from '../../src/oauth/client-options'
import {
  type PendingLogin,
  decodePendingLogin,
  encodePendingLogin,
  isLater,
  nonceOf,
  stateOf,
} from '../../src/login/login-transaction'
import { StateStore } from '../../src/login/state-store'
import { KeyRing } from '../../src/store/encryption'
import { clientOf } from '../support/client'

const now = 1_800_000_000_000
const minute = 60_000
const secure = '__Host-pagerduty-login-'
const callbackURL = 'https://app.example/callback'
const keys = KeyRing.random()

let stateStore: StateStore
beforeEach(() => {
  jest.spyOn(Date, 'now').mockReturnValue(now)
  stateStore = logins()
})
afterEach(() => {
  jest.restoreAllMocks()
})

function logins(options: Partial<ClientOptions> = {}, ring = keys): StateStore {
  return new StateStore(clientOf(options), ring)
}

function login(name: string, changes: Partial<PendingLogin> = {}): PendingLogin {
  return {
    codeVerifier: 'the-verifier',
    callbackURL,
    grantID: `grant-${name}`,
    startedAt: now,
    returnTo: undefined,
    scope: undefined,
    isRestarted: false,
    isStepUp: false,
    localUser: undefined,
    appState: undefined,
    ...changes,
  }
}

/** The state of a login of this name. */
const state = (name: string) => stateOf(login(name))

function request(...cookies: string[]): IncomingMessage {
  const req = new IncomingMessage(new Socket())
  if (cookies.length > 0) req.headers.cookie = cookies.join('; ')
  return req
}

/** The Set-Cookie fields of a response. */
function answer(write: (res: ServerResponse) => void): string[] {
  const res = new ServerResponse(request())
  write(res)
  return [res.getHeader('Set-Cookie') ?? []].flat().map(String)
}

/** The cookie of a login that begins, as the browser sends it back. */
function cookieOf(begun: PendingLogin, on = stateStore): string {
  const [field = ''] = answer((res) => on.save(request(), res, begun))
  return field.split(';')[0] as string
}

/** A cookie with a name like those of the library and a value of any size. */
function made(startedAt: number, size = 100, name = secure): string {
  return `${name}${startedAt.toString(36)}-AbC_-${String(startedAt).slice(-3)}=${'x'.repeat(size)}`
}

const nameOf = (cookie: string) => cookie.slice(0, cookie.indexOf('='))
const cleared = (fields: string[]) =>
  fields.filter((it) => it.includes('Max-Age=0')).map((it) => it.split('=')[0])

describe('the cookie of a login', () => {
  it('is bound to the host and to HTTPS, out of reach of scripts, for fifteen minutes', () => {
    const [field, ...more] = answer((res) => stateStore.save(request(), res, login('a')))
    expect(field).toMatch(
      /^__Host-pagerduty-login-[0-9a-z]{8}-[\w-]{8}=1\.[\w-]+\.[\w-]+; Path=\/; HttpOnly; SameSite=Lax; Secure; Max-Age=900$/,
    )
    expect(more).toEqual([])
  })

  it('can be kept without HTTPS on the own machine', () => {
    const local = logins({ callbackURL: 'http://localhost:3000/callback' })
    const [field] = answer((res) => local.save(request(), res, login('a')))
    expect(field).toMatch(
      /^pagerduty-login-[0-9a-z]{8}-[\w-]{8}=1\.[\w-]+\.[\w-]+; Path=\/; HttpOnly; SameSite=Lax; Max-Age=900$/,
    )
    const cookie = cookieOf(login('a'), local)
    const [gone] = answer((res) => local.remove(request(cookie), res, login('a')))
    expect(gone).toBe(`${nameOf(cookie)}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0`)
  })

  it('has 800 bytes at most: for one more the option is named that is too large', () => {
    const sized = (length: number) => login('a', { returnTo: `/${'x'.repeat(length)}` })
    let length = 1
    while (cookieOf(sized(length)).length < 800) length++
    expect(cookieOf(sized(length))).toHaveLength(800)
    expect(stateStore.find(request(cookieOf(sized(length))), state('a'))?.login).toEqual(sized(length))
    const begin = () => answer((res) => stateStore.save(request(), res, sized(length + 1)))
    expect(begin).toThrow(expect.objectContaining({ option: 'state', status: 500 }))
  })

  it('goes when the login is over, and no other goes with it', () => {
    const [other, cookie] = [cookieOf(login('b')), cookieOf(login('a'))]
    const fields = answer((res) => stateStore.remove(request(other, cookie), res, login('a')))
    expect(fields).toEqual([`${nameOf(cookie)}=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0`])
  })

  it('that the browser does not hold is not cleared', () => {
    expect(answer((res) => stateStore.remove(request(cookieOf(login('b'))), res, login('a')))).toEqual([])
    expect(answer((res) => stateStore.remove(request(), res, login('a')))).toEqual([])
  })
})

describe('the logins that a browser holds', () => {
  const begin = (...cookies: string[]) =>
    cleared(answer((res) => stateStore.save(request(...cookies), res, login('a'))))
  const older = (count: number) => Array.from({ length: count }, (_, index) => made(now - 1 - index))

  it('are five at most: the oldest goes for a sixth, wherever it stands', () => {
    const [a, b, c, d, oldest] = older(5) as [string, string, string, string, string]
    expect(begin(b, d, a, c)).toEqual([])
    expect(begin(b, oldest, d, a, c)).toEqual([nameOf(oldest)])
    expect(begin(oldest, a, b, c, d)).toEqual([nameOf(oldest)])
    expect(begin(a, b, c, d, oldest)).toEqual([nameOf(oldest)])
  })

  it('are five at most: of those begun in one millisecond the one goes that the browser got first', () => {
    const held = ['a', 'b', 'c', 'd', 'e'].map((name) => cookieOf(login(name)))
    const fields = answer((res) => stateStore.save(request(...held), res, login('f')))
    expect(cleared(fields)).toEqual([held[0]?.split('=')[0]])
  })

  it('have 4,096 bytes together at most: the oldest goes for one byte more', () => {
    const large = login('a', { returnTo: `/${'x'.repeat(470)}` })
    const begun = (...cookies: string[]) =>
      cleared(answer((res) => stateStore.save(request(...cookies), res, large)))
    const first = [1, 2, 3].map((age) => made(now - age, 800))
    const oldest = made(now - 4, 0)
    const left = 4096 - [cookieOf(large), ...first, oldest].join('').length
    expect(begun(...first, oldest + 'x'.repeat(left))).toEqual([])
    expect(begun(...first, oldest + 'x'.repeat(left + 1))).toEqual([nameOf(oldest)])
  })

  it('are cleared at most twenty per response', () => {
    expect(begin(...older(24))).toHaveLength(20)
    expect(begin(...older(25))).toHaveLength(20)
    expect(begin(...older(23))).toHaveLength(19)
  })

  it('are distinguished from none', () => {
    expect(stateStore.hasAny(request())).toBe(false)
    expect(stateStore.hasAny(request('theme=dark'))).toBe(false)
    expect(stateStore.hasAny(request('theme=dark', cookieOf(login('a'))))).toBe(true)
  })

  const stamp = now.toString(36)
  test.each([
    ['has another prefix of the same length', `__Host-pagerdutx-login-${stamp}-12345678=x`],
    ['has something before the prefix', `x${secure}${stamp}-12345678=x`],
    ['has no time', `${secure}12345678=x`],
    ['has something before the time', `${secure}-${stamp}-12345678=x`],
    ['has a time of seven characters', `${secure}${stamp.slice(1)}-12345678=x`],
    ['has a time of ten characters', `${secure}${stamp}xx-12345678=x`],
    ['has a time in capitals', `${secure}${stamp.toUpperCase()}-12345678=x`],
    ['has a fingerprint of seven characters', `${secure}${stamp}-1234567=x`],
    ['has a fingerprint of nine characters', `${secure}${stamp}-123456789=x`],
    ['has a fingerprint of other characters', `${secure}${stamp}-1234567%=x`],
    ['is larger than any of the library', `${secure}${stamp}-12345678=${'x'.repeat(801)}`],
  ])('are none of theirs where a cookie %s', (_name, cookie) => {
    expect(stateStore.hasAny(request(cookie))).toBe(false)
    expect(begin(...older(4), cookie)).toEqual([])
  })

  it.each([stamp, `${stamp}x`])('are theirs with the time %s and up to 800 bytes', (time) => {
    expect(stateStore.hasAny(request(`${secure}${time}-12345678=${'x'.repeat(800)}`))).toBe(true)
    expect(stateStore.hasAny(request(`${secure}${time}-12345678`))).toBe(true)
  })
})

describe('all logins of a browser', () => {
  const at = (name: string, age: number) => login(name, { startedAt: now - age })

  it('are read without their states, the latest first', () => {
    const foreign = cookieOf(login('d'), logins({ name: 'other' }))
    const unreadable = cookieOf(login('e'), logins({}, KeyRing.random()))
    const [a, b, c] = [at('a', 30), at('b', 10), at('c', 20)]
    const cookies = [a, b, c].map((one) => cookieOf(one))
    expect(stateStore.all(request(...cookies, foreign, unreadable, made(now)))).toStrictEqual([b, c, a])
    expect(stateStore.all(request())).toEqual([])
  })

  it('are the five latest, and none that began fifteen minutes ago', () => {
    const seven = Array.from({ length: 7 }, (_, age) => at(`${age}`, age))
    const cookies = seven.map((one) => cookieOf(one))
    expect(stateStore.all(request(...cookies))).toStrictEqual(seven.slice(0, 5))
    jest.spyOn(Date, 'now').mockReturnValue(now + 15 * minute - 3)
    expect(stateStore.all(request(...cookies))).toStrictEqual(seven.slice(0, 3))
  })

  it('have an order that is alike in every process', () => {
    expect(isLater(at('a', 1), at('b', 2))).toBe(true)
    expect(isLater(at('a', 2), at('b', 1))).toBe(false)
    expect(isLater(at('b', 1), at('a', 1))).toBe(true)
    expect(isLater(at('a', 1), at('b', 1))).toBe(false)
  })
})

describe('a callback', () => {
  it('finds its own login among others', () => {
    const req = request('theme=dark', cookieOf(login('b')), cookieOf(login('a')), made(now))
    expect(stateStore.find(req, state('a'))).toStrictEqual({ login: login('a'), isExpired: false })
    expect(stateStore.find(req, state('c'))).toBeUndefined()
    expect(stateStore.find(request(), state('a'))).toBeUndefined()
  })

  it.each([
    [0, false],
    [10 * minute - 1, false],
    [10 * minute, true],
    [15 * minute - 1, true],
  ])('%d ms after the beginning finds it, expired: %s', (age, isExpired) => {
    const req = request(cookieOf(login('a')))
    jest.spyOn(Date, 'now').mockReturnValue(now + age)
    expect(stateStore.find(req, state('a'))?.isExpired).toBe(isExpired)
  })

  it('finds nothing any more after fifteen minutes', () => {
    const req = request(cookieOf(login('a')))
    jest.spyOn(Date, 'now').mockReturnValue(now + 15 * minute)
    expect(stateStore.find(req, state('a'))).toBeUndefined()
  })

  test.each<[string, () => StateStore]>([
    ['client', () => logins({ clientID: 'another-client' })],
    ['secret', () => logins({}, KeyRing.random())],
  ])('finds nothing that was begun with another %s, and says that it is unreadable', (_name, other) => {
    const req = request(cookieOf(login('b')), cookieOf(login('a'), other()))
    expect(stateStore.find(req, state('a'))).toBeUndefined()
    expect(stateStore.mismatch(req, state('a'))).toBe('unreadable')
  })

  it('finds the redirect URI that was used, and nothing where that is not configured any more', () => {
    const other = 'https://other.example/callback'
    const both = logins({ callbackURL: [callbackURL, other] })
    const req = request(cookieOf(login('a'), both), cookieOf(login('b', { callbackURL: other }), both))
    expect(both.find(req, state('a'))?.login.callbackURL).toBe(callbackURL)
    expect(both.find(req, state('b'))?.login.callbackURL).toBe(other)
    expect(both.all(req)).toHaveLength(2)
    expect(stateStore.find(req, state('b'))).toBeUndefined()
    expect(stateStore.mismatch(req, state('b'))).toBe('unreadable')
  })

  it('finds nothing in what another version encrypted', () => {
    const place = 'pagerduty the-client https://app.example/callback'
    const sealed = keys.sealer('stateStore login').seal('[]', place)
    expect(stateStore.find(request(`${nameOf(cookieOf(login('a')))}=${sealed}`), state('a'))).toBeUndefined()
  })

  it('finds nothing in the cookie of another login that was given its name', () => {
    const [a, b] = [cookieOf(login('a')), cookieOf(login('b'))]
    const req = request(`${nameOf(a)}=${b.slice(nameOf(b).length + 1)}`)
    expect(stateStore.find(req, state('a'))).toBeUndefined()
    expect(stateStore.find(req, state('b'))).toBeUndefined()
  })

  it('of another strategy is distinguished from one of another browser and from an unknown one', () => {
    const others = cookieOf(login('a'), logins({ name: 'other' }))
    const own = cookieOf(login('b'))
    expect(stateStore.mismatch(request(others), state('a'))).toBe('otherStrategy')
    expect(stateStore.mismatch(request(own, others), state('a'))).toBe('otherStrategy')
    expect(stateStore.mismatch(request(own, others), state('c'))).toBe('unknown')
    expect(stateStore.mismatch(request(own), state('a'))).toBe('unknown')
    expect(stateStore.mismatch(request(others), state('c'))).toBe('otherBrowser')
    expect(stateStore.mismatch(request('theme=dark'), state('a'))).toBe('otherBrowser')
    expect(stateStore.mismatch(request(), state('a'))).toBe('otherBrowser')
    expect(stateStore.find(request(others), state('a'))).toBeUndefined()
  })
})

describe('a login as text', () => {
  test.each([
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])('keeps whether it was restarted (%s) and whether it is a step-up (%s)', (isRestarted, isStepUp) => {
    const flagged = login('a', { isRestarted, isStepUp })
    expect(decodePendingLogin(encodePendingLogin(flagged), callbackURL)).toStrictEqual(flagged)
  })

  test.each<[unknown]>([[undefined], ['text'], [0], [false], [''], [{ deep: [1] }]])(
    "keeps the app's own state %j, and all else",
    (appState) => {
      const full = login('a', { returnTo: '/x?y=1', scope: ['users.read', 'teams.read'], appState })
      expect(decodePendingLogin(encodePendingLogin(full), callbackURL)).toStrictEqual(full)
      const link = { ...full, localUser: 'a-fingerprint' }
      expect(decodePendingLogin(encodePendingLogin(link), callbackURL)).toStrictEqual(link)
    },
  )

  it('without a state of the app has no place for one', () => {
    expect(encodePendingLogin(login('a'))).toBe(
      `["grant-a","${now.toString(36)}","the-verifier",null,null,0]`,
    )
    const stepUp = login('a', { isRestarted: true, isStepUp: true })
    expect(encodePendingLogin(stepUp)).toBe(`["grant-a","${now.toString(36)}","the-verifier",null,null,3]`)
  })

  test.each([
    'no JSON',
    '{}',
    '[]',
    '[1,"mzzzzzzz","v",null,null,0]',
    '["g",1,"v",null,null,0]',
    '["g","!","v",null,null,0]',
    '["g","mzzzzzzz",1,null,null,0]',
    '["g","mzzzzzzz","v",1,null,0]',
    '["g","mzzzzzzz","v",null,1,0]',
    '["g","mzzzzzzz","v",null," ????",0]',
    '["g","mzzzzzzz","v",null,null,"0"]',
    '["g","mzzzzzzz","v",null,null]',
  ])('%s is none', (text) => {
    expect(decodePendingLogin(text, callbackURL)).toBeUndefined()
  })
})

describe('the state', () => {
  it('is derived from the id of the grant, with no fewer bits, and reveals nothing about it or the nonce', () => {
    expect(state('a')).toMatch(/^[\w-]{32}$/)
    expect(state('b')).not.toBe(state('a'))
    expect(state('a')).not.toContain(nonceOf(login('a')).slice(0, 8))
  })
})

describe('the nonce', () => {
  it('is made of the id of the grant, alike in every process and version', () => {
    expect(nonceOf(login('a'))).toBe('l7rKbW2gicC-ZxcBGvGEJh')
    expect(nonceOf(login('b'))).not.toBe(nonceOf(login('a')))
  })
})
