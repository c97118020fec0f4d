import fc from 'fast-check'
import {
  type AppType,
  isScopeToken,
  missingScopes,
  parseGrantedScope,
  parseScopeOption,
} from '../../src/scopes/scope'
import { runs } from './runs'

/** Words that are parts of each other, differ in a letter's case or look alike. */
const word = fc.constantFrom(
  ...[
    'read',
    'write',
    'openid',
    'incidents.read',
    'incidents.write',
    'incidents',
    'INCIDENTS.READ',
    'incidents.readx',
  ],
  ...[
    'xincidents.read',
    'incidents.read.all',
    '*',
    'incidents.*',
    '',
    'constructor',
    '__proto__',
    'ıncidents.read',
  ],
  ...[
    'incidents\u2024read',
    'incidents.read\u200b',
    '\ufeffincidents.read',
    'incidents.read\ud800',
    'a',
    'é',
    'é',
  ],
)
const gap = fc.constantFrom(
  ' ',
  ' ',
  ' ',
  '  ',
  '\t',
  '\n',
  '\r\n',
  '\u00a0',
  '\u2003',
  '\u3000',
  '\0',
  ',',
  '+',
  '%20',
)
const crafted = fc.array(fc.tuple(word, gap), { maxLength: 12 }).map((pairs) => pairs.flat().join(''))
const granted = fc.oneof(
  crafted,
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('a', 'b', ' ', ',') }),
)
const words = fc.array(word)
const appType = fc.constantFrom<AppType>('scoped', 'classic')

/** Split at U+0020 alone, without the help of a pattern. */
function membersOf(scope: string): Set<string> {
  const found = new Set<string>()
  let member = ''
  for (const unit of `${scope} `) {
    if (unit !== ' ') member += unit
    else {
      if (member !== '') found.add(member)
      member = ''
    }
  }
  return found
}

describe('the granted scope, whatever text PagerDuty sends', () => {
  it('has just the members between its spaces, each once, in their order', () => {
    fc.assert(
      fc.property(granted, (scope) => {
        expect(parseGrantedScope(scope)).toEqual([...membersOf(scope)])
      }),
      runs(2_000),
    )
  })

  it('covers a scope exactly if that is one of its members', () => {
    const tally = { covered: 0, missing: 0 }
    fc.assert(
      fc.property(granted, fc.oneof(word, fc.nat(9)), (scope, one) => {
        const required = typeof one === 'number' ? ([...membersOf(scope)][one] ?? '') : one
        const isMember = membersOf(scope).has(required)
        expect(missingScopes(parseGrantedScope(scope), [required], 'scoped')).toEqual(
          isMember ? [] : [required],
        )
        tally[isMember ? 'covered' : 'missing']++
      }),
      runs(2_000),
    )
    expect(tally.covered).toBeGreaterThan(10)
    expect(tally.missing).toBeGreaterThan(10)
  })

  it('covers no part of a member, no member with something around it, and no other spelling', () => {
    fc.assert(
      fc.property(
        granted,
        fc.nat(),
        fc.nat(),
        fc.constantFrom('x', '.', '\u200b', '\t'),
        (scope, from, length, more) => {
          const members = parseGrantedScope(scope)
          const member = members[from % Math.max(members.length, 1)]
          fc.pre(member !== undefined)
          const part = member.slice(from % member.length).slice(0, 1 + (length % member.length))
          const others = [part, member + more, more + member, member.toUpperCase(), member.normalize('NFKC')]
          for (const other of others.filter((it) => !members.includes(it))) {
            expect(missingScopes(members, [other], 'scoped')).toEqual([other])
          }
        },
      ),
      runs(1_000),
    )
  })

  it('lacks the same after it has been put together and split again', () => {
    fc.assert(
      fc.property(granted, words, appType, (scope, required, kind) => {
        const once = parseGrantedScope(scope)
        const twice = parseGrantedScope(once.join(' '))
        expect(twice).toEqual(once)
        expect(missingScopes(twice, required, kind)).toEqual(missingScopes(once, required, kind))
      }),
      runs(500),
    )
  })
})

describe('missing scopes', () => {
  it('are, in a Scoped app, exactly those that are not members', () => {
    fc.assert(
      fc.property(words, words, (held, required) => {
        const members = new Set(held)
        expect(missingScopes(held, required, 'scoped')).toEqual(required.filter((it) => !members.has(it)))
      }),
      runs(500),
    )
  })

  it('are, in a Classic app, the same but for read where write is granted', () => {
    fc.assert(
      fc.property(words, words, (held, required) => {
        const members = new Set(held)
        if (members.has('write')) members.add('read')
        expect(missingScopes(held, required, 'classic')).toEqual(required.filter((it) => !members.has(it)))
      }),
      runs(500),
    )
  })

  it('never grow when more is granted, nor shrink when more is required', () => {
    fc.assert(
      fc.property(words, words, word, appType, (held, required, more, kind) => {
        const before = missingScopes(held, required, kind)
        const after = missingScopes([...held, more], required, kind)
        expect(after.every((it) => before.includes(it))).toBe(true)
        expect(missingScopes(held, [...required, more], kind).slice(0, before.length)).toEqual(before)
        expect(missingScopes(held, required, 'scoped')).toEqual(expect.arrayContaining([...before]))
      }),
      runs(500),
    )
  })
})

describe('a scope option, whatever a developer writes', () => {
  it('has the words between any white space, each once, and neither blank nor empty ones', () => {
    fc.assert(
      fc.property(granted, (text) => {
        const parsed = parseScopeOption(text)
        expect(parsed).toEqual([...new Set(text.match(/\S+/g))])
        expect(parseScopeOption(parsed)).toEqual(parsed)
      }),
      runs(1_000),
    )
  })

  it('is a scope token exactly if all its characters are those of RFC 6749 section 3.3', () => {
    const inside = (code: number) =>
      code === 0x21 || (code >= 0x23 && code <= 0x5b) || (code >= 0x5d && code <= 0x7e)
    const text = fc.oneof(
      word,
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary-ascii' }),
      fc.string(),
    )
    fc.assert(
      fc.property(text, (token) => {
        const isOne = token !== '' && [...token].every((letter) => inside(letter.codePointAt(0) as number))
        expect(isScopeToken(token)).toBe(isOne)
        // What passed is one member of a granted scope, and can stand in a quoted string of a challenge.
        expect(!isOne || parseGrantedScope(token).join() === token).toBe(true)
        expect(!isOne || !/["\\\s]/.test(token)).toBe(true)
      }),
      runs(1_000),
    )
  })
})
