import { ownURL, pathOf, queryOf, sameOriginPath } from '../../src/http/request-url'

const app = 'https://app.example'

describe('a place in this app', () => {
  test.each([
    '/',
    '/incidents',
    '/incidents/PABC123?team=a&team=b#top',
    '/a/b/',
    '/?next=https://evil.example/',
    '/?next=//evil.example',
    '/https://evil.example',
    '/@evil.example',
    '/.evil.example',
    '/:80',
    '/%2f%2fevil.example',
    '/%5cevil.example',
    '/%09/evil.example',
    '/%00',
    '/%',
    '/%zz?%#%',
    '/a//b',
    '/;evil.example',
    `/${'a'.repeat(399)}`,
  ])('%j stays as it is', (path) => {
    expect(sameOriginPath(path)).toBe(path)
    expect(new URL(path, app).origin).toBe(app)
  })

  test.each([
    ['/a/../b', '/b'],
    ['/./a/.', '/a/'],
    ['/../../a', '/a'],
    ['/a/%2e%2e/b', '/b'],
    ['/caf\u00e9?\u00e9#\u00e9', '/caf%C3%A9?%C3%A9#%C3%A9'],
    ['/\uff0fevil.example', '/%EF%BC%8Fevil.example'],
    ['/\u2028', '/%E2%80%A8'],
    ['/"<script>', '/%22%3Cscript%3E'],
    ['/\ud800', '/%EF%BF%BD'],
  ])('%j becomes what a browser makes of it', (path, expected) => {
    expect(sameOriginPath(path)).toBe(expected)
  })
})

test('a URL outside ASCII is found however often it is requested', () => {
  // Node 20 takes Latin-1 strings for UTF-8 in URL.canParse, but only once that has been optimized.
  const origins = ['https://xn--bcher-kva.example']
  const found = Array.from({ length: 50_000 }, () => ownURL('https://b\u00fccher.example/\u00e9', origins))
  expect(new Set(found)).toEqual(new Set(['https://xn--bcher-kva.example/%C3%A9']))
})

describe('what a browser could take for another place', () => {
  test.each([
    '',
    ' ',
    '//evil.example',
    '///evil.example',
    '////evil.example',
    '//evil.example/%2f..',
    '//',
    '/\\evil.example',
    '\\/evil.example',
    '\\\\evil.example',
    '/\\/evil.example',
    '/a\\..\\..\\\\evil.example',
    '/.//evil.example',
    '/..//evil.example',
    '/../..//evil.example',
    '/./..//evil.example',
    '/a/..//evil.example',
    '/%2e//evil.example',
    '/%2E%2e//evil.example',
    '/.%2e//evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    '/\r/evil.example',
    '\t//evil.example',
    ' //evil.example',
    '\0//evil.example',
    '/\0/evil.example',
    '/\x00',
    '/\x0b/evil.example',
    '/\x7f',
    '/a b',
    '/a\r\nSet-Cookie: a=b',
    'https:evil.example',
    'https:/evil.example',
    'https://evil.example',
    'https://app.example/',
    'HTTPS://evil.example',
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    'java\nscript:alert(1)',
    'data:text/html,x',
    'vbscript:x',
    'incidents',
    './incidents',
    '../incidents',
    '?a=b',
    '#a',
    '.evil.example',
    '@evil.example',
    ':443',
    '\u2044/evil.example',
    `/${'a'.repeat(400)}`,
    `/${'a'.repeat(10_240)}`,
    `/${'a/../'.repeat(2_000)}`,
    `/${'\u00e9'.repeat(399)}`,
    `/${'%'.repeat(10_240)}`,
    `${'/'.repeat(10_240)}evil.example`,
  ])('%j is rejected', (path) => {
    expect(sameOriginPath(path)).toBeUndefined()
  })

  test.each<[unknown]>([
    [undefined],
    [null],
    [5],
    [['/a']],
    [{ toString: () => '/a' }],
    [new String('/a')],
    [true],
  ])('%j is not a string and is rejected', (value) => {
    expect(sameOriginPath(value)).toBeUndefined()
  })
})

test.each<[string, string, Record<string, string>]>([
  ['/a?b=1&c=2', '/a', { b: '1', c: '2' }],
  ['/a', '/a', {}],
  ['/a#b?c=1', '/a', {}],
  ['/a?b=1#c?d=2', '/a', { b: '1' }],
  ['/a?b=?', '/a', { b: '?' }],
  ['?b=1', '', { b: '1' }],
  ['*', '*', {}],
  ['//[?%zz=%', '//[', { '%zz': '%' }],
])('%j has the path %j and the query %j', (target, path, query) => {
  expect(pathOf(target)).toBe(path)
  expect(Object.fromEntries(queryOf(target))).toEqual(query)
})
