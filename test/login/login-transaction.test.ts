import fc from 'fast-check'
import { Client } from '../../src/oauth/client'
import {
  type PendingLogin,
  decodePendingLogin,
  encodePendingLogin,
  newPendingValues,
  packScopes,
  stateOf,
  unpackScopes,
} from '../../src/login/login-transaction'
import { StateStore } from '../../src/login/state-store'
import { scopes } from '../../src/scopes/operations'
import { KeyRing } from '../../src/store/encryption'
import { runs } from '../fuzz/runs'

const known = ['openid', 'read', 'write', ...Object.keys(scopes)]
const some = fc.subarray(known, { minLength: 1 })
const unknown = fc.uniqueArray(fc.stringMatching(/^[a-z_:]{1,12}\.(read|write)$/), { maxLength: 3 })
const callbackURL = 'https://app.example/cb'
const login: PendingLogin = {
  ...newPendingValues(),
  codeVerifier: 'v'.repeat(43),
  callbackURL,
  returnTo: undefined,
  scope: known,
  isRestarted: true,
  isStepUp: true,
  localUser: undefined,
  appState: undefined,
}

describe('a set of scopes as a short text', () => {
  test('gives back what went in, whatever it is', () => {
    fc.assert(
      fc.property(some, unknown, (list, others) => {
        const all = [...new Set([...list, ...others])]
        const back = unpackScopes(packScopes(all)) as string[]
        expect(back).toHaveLength(all.length)
        expect(new Set(back)).toEqual(new Set(all))
      }),
      runs(1000),
    )
  })

  test('is the plain list while that is short, and never longer than some 170 letters for known scopes', () => {
    expect(packScopes(['openid', 'incidents.read'])).toBe('openid incidents.read')
    fc.assert(
      fc.property(some, (list) => packScopes(list).length < 170),
      runs(100),
    )
    expect(packScopes(known).length).toBeLessThan(25)
  })

  test('of another version of the catalogue is no set of scopes, and its stateStore login is not found', () => {
    const [blank, ...packed] = packScopes(known)
    expect([blank, unpackScopes(` xxxx${packed.slice(4).join('')}`)]).toEqual([' ', undefined])
    const text = encodePendingLogin(login)
    expect(decodePendingLogin(text, callbackURL)).toEqual({ ...login, scope: known })
    expect(decodePendingLogin(text.replace(packScopes(known), ' xxxxAAAA'), callbackURL)).toBeUndefined()
  })
})

/** A name as long as names may be, over https, which makes the cookie's name longer still. */
const client = new Client({
  clientID: 'a',
  clientSecret: 'b',
  scope: 'users.read',
  name: 'n'.repeat(32),
  callbackURL,
})

test('the cookie of a stateStore login stays within 800 bytes, for all scopes and the longest way back', () => {
  const stateStore = new StateStore(client, KeyRing.random())
  const begin = (begun: PendingLogin): string => {
    const lines: string[] = []
    const res = { appendHeader: (_name: string, line: string) => lines.push(line) }
    stateStore.save({ headers: {} } as never, res as never, begun)
    return (lines[0] as string).split(';')[0] as string
  }
  fc.assert(
    fc.property(some, fc.stringMatching(/^\/[\w=&%]{0,399}$/), (scope, returnTo) => {
      const begun = { ...login, ...newPendingValues(), scope, returnTo }
      const cookie = begin(begun)
      expect(cookie.length).toBeLessThanOrEqual(800)
      const found = stateStore.find({ headers: { cookie } } as never, stateOf(begun))
      expect(new Set(found?.login.scope)).toEqual(new Set(scope))
      expect(found?.login).toMatchObject({ returnTo, isStepUp: true, codeVerifier: begun.codeVerifier })
    }),
    runs(300),
  )
  expect(begin({ ...login, returnTo: `/${'x'.repeat(399)}` }).length).toBeLessThanOrEqual(800)
})
