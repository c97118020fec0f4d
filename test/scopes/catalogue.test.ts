import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { type Operation, operationScopes, otherScopes, scopes } from '../../src/scopes/catalogue'
import { isKnownScope, nearestScope, operationOf, scopesFor } from '../../src/scopes/operations'

const operations = Object.keys(operationScopes) as Operation[]

/** A path as an app has it in hand, with ids in the place of the parameters. */
const concrete = (operation: string) => operation.replaceAll(/\{[a-z_]+\}/g, 'PT4KHLK')

test('is what its table makes', () => {
  const generator = join(__dirname, '../../src/scopes/catalogue/generate.mjs')
  expect(execFileSync(process.execPath, [generator, '--check'], { encoding: 'utf8' })).toBe('')
})

test('has 465 operations, 397 of them with a scope, and 71 scopes', () => {
  expect(operations).toHaveLength(465)
  expect(operations.filter((operation) => operationScopes[operation] !== undefined)).toHaveLength(397)
  expect(Object.keys(scopes)).toHaveLength(71)
})

test.each(operations)('finds %s by its template and by a concrete path', (operation) => {
  const scope = operationScopes[operation]
  const expected = scope === undefined ? 'unknown' : [scope]
  expect(operationOf(operation)).toBe(operation)
  expect(scopesFor(operation)).toEqual(expected)
  expect(operationOf(`${concrete(operation)}?limit=1`)).toBe(operation)
  expect(scopesFor(`${concrete(operation)}?limit=1`)).toEqual(expected)
})

test.each([
  ['GET /users/me', 'unknown'],
  ['GET /users/PT4KHLK', ['users.read']],
  ['GET https://api.eu.pagerduty.com/incidents/PT4KHLK/notes', ['incidents.read']],
  ['HEAD /incidents', ['incidents.read']],
  ['GET /incidents/', ['incidents.read']],
])('%s needs %p', (operation, expected) => {
  expect(scopesFor(operation)).toEqual(expected)
})

test.each([
  'GET /nothing/of/the/kind',
  'get /incidents',
  'GET',
  '',
  '/incidents',
  'GET /incidents//',
  'please GET /incidents',
  'GET /incidents/.',
  'GET /incidents/..',
  'TRACE /users',
  'GET /__proto__',
])('%p is unknown, which is not the same as needing nothing', (operation) => {
  expect(scopesFor(operation)).toBe('unknown')
})

test('knows its scopes to the letter', () => {
  for (const scope of [...Object.keys(scopes), ...Object.keys(otherScopes)]) {
    expect([scope, isKnownScope(scope)]).toEqual([scope, true])
    expect([scope, isKnownScope(scope.toUpperCase())]).toEqual([scope, false])
  }
  for (const name of ['toString', '__proto__', 'incidents', 'incidents.read ', '']) {
    expect([name, isKnownScope(name)]).toEqual([name, false])
  }
})

test.each([
  ['incidents.raed', 'incidents.read'],
  ['Incidents.Read', 'incidents.read'],
  ['service.read', 'services.read'],
  ['users.contact_methods.read', 'users:contact_methods.read'],
  ['something.entirely_else', undefined],
])('the scope nearest to %s is %s', (scope, expected) => {
  expect(nearestScope(scope)).toBe(expected)
})
