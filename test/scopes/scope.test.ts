import { isScopeToken, missingScopes, parseGrantedScope, parseScopeOption } from '../../src/scopes/scope'

describe('a granted scope', () => {
  test.each<[string, string[]]>([
    ['', []],
    [' ', []],
    ['openid', ['openid']],
    ['incidents.read openid', ['incidents.read', 'openid']],
    ['  incidents.read   openid ', ['incidents.read', 'openid']],
    ['openid openid OPENID', ['openid', 'OPENID']],
    ['incidents.read,openid', ['incidents.read,openid']],
    ['incidents.read+openid', ['incidents.read+openid']],
    ['incidents.read\topenid', ['incidents.read\topenid']],
    ['incidents.read\nopenid', ['incidents.read\nopenid']],
    ['incidents.read\u00a0openid', ['incidents.read\u00a0openid']],
    ['incidents.read\u2028openid', ['incidents.read\u2028openid']],
    ['constructor __proto__', ['constructor', '__proto__']],
  ])('%j is split at spaces only', (scope, expected) => {
    expect(parseGrantedScope(scope)).toEqual(expected)
  })
})

describe('a scope option', () => {
  test.each<[string | string[], string[]]>([
    ['', []],
    [' \n\t ', []],
    ['openid users.read', ['openid', 'users.read']],
    ['\n  openid\n  users.read\r\n', ['openid', 'users.read']],
    ['openid openid', ['openid']],
    [[], []],
    [
      ['openid', '', 'users.read', 'openid'],
      ['openid', 'users.read'],
    ],
    // A list is not split: its odd entry is for the check of the option to find.
    [['openid users.read'], ['openid users.read']],
  ])('%j is split at any white space', (scope, expected) => {
    expect(parseScopeOption(scope)).toEqual(expected)
  })

  it('does not change with the list it came in', () => {
    const list = ['openid']
    const parsed = parseScopeOption(list)
    list.push('users.read')
    expect(parsed).toEqual(['openid'])
  })
})

describe('a scope token', () => {
  it('has the characters of RFC 6749 section 3.3 and no other', () => {
    for (let code = 0; code <= 0x250; code++) {
      const isAllowed = code === 0x21 || (code >= 0x23 && code <= 0x5b) || (code >= 0x5d && code <= 0x7e)
      const character = String.fromCharCode(code)
      expect([code, isScopeToken(character)]).toEqual([code, isAllowed])
      expect([code, isScopeToken(`a${character}`)]).toEqual([code, isAllowed])
      expect([code, isScopeToken(`${character}a`)]).toEqual([code, isAllowed])
    }
  })

  test.each(
    [
      ['', ' ', 'a b', 'a\n', '\u{1f600}'],
      [undefined, null, 5, ['openid'], {}],
    ]
      .flat()
      .map((it) => [it]),
  )('is not %j', (value) => {
    expect(isScopeToken(value)).toBe(false)
  })
})

describe('missing scopes', () => {
  test.each<[string, string[], string[], string[]]>([
    ['nothing is required', [], [], []],
    ['it is there', ['users.read'], ['users.read'], []],
    ['it is not', ['users.read'], ['incidents.read'], ['incidents.read']],
    ['some are', ['b', 'd'], ['a', 'b', 'c', 'd'], ['a', 'c']],
    ['write does not read', ['incidents.write'], ['incidents.read'], ['incidents.read']],
    ['bare write does not read', ['write'], ['read'], ['read']],
    ['letters count', ['Users.Read'], ['users.read'], ['users.read']],
    ['a part is not enough', ['users.read.all', 'xusers.read'], ['users.read'], ['users.read']],
    ['a wildcard is a word', ['*', 'users.*'], ['users.read'], ['users.read']],
    ['a comma separates nothing', ['a,b'], ['a'], ['a']],
    ['names of objects are words', [], ['constructor', '__proto__'], ['constructor', '__proto__']],
    ['an empty one is never granted', ['a'], [''], ['']],
  ])('of a Scoped app: %s', (_name, granted, required, expected) => {
    expect(missingScopes(granted, required, 'scoped')).toEqual(expected)
  })

  test.each<[string, string[], string[], string[]]>([
    ['write reads', ['write'], ['read'], []],
    ['write reads and writes', ['openid', 'write'], ['read', 'write'], []],
    ['read does not write', ['read'], ['read', 'write'], ['write']],
    ['nothing is granted', [], ['read'], ['read']],
    ['write does not read in particular', ['write'], ['incidents.read'], ['incidents.read']],
    ['write in particular does not read', ['incidents.write'], ['read'], ['read']],
  ])('of a Classic app: %s', (_name, granted, required, expected) => {
    expect(missingScopes(granted, required, 'classic')).toEqual(expected)
  })
})
