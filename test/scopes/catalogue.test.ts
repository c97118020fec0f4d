import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Operation } from '../../src/scopes/catalogue'
import {
  declaresFrom,
  isKnownScope,
  nearestScope,
  operationOf,
  operationScopes,
  scopes,
  scopesFor,
} from '../../src/scopes/operations'

const operations = Object.keys(operationScopes) as Operation[]
const table = readFileSync(join(__dirname, '../../src/scopes/catalogue/operations.txt'), 'utf8')
const lines = table.split('\n').filter((line) => line.startsWith('/'))

/** A path as an app has it in hand, with ids in the place of the parameters. */
const concrete = (operation: string) => operation.replaceAll(/\{[a-z_]+\}/g, 'PT4KHLK')

test('is what its table makes', () => {
  const generator = join(__dirname, '../../src/scopes/catalogue/generate.mjs')
  expect(execFileSync(process.execPath, [generator, '--check'], { encoding: 'utf8' })).toBe('')
})

test('has each operation of the table, with its scopes and its From', () => {
  const listed = lines.flatMap((line) => {
    const [path = '', ...pairs] = line.split('  ')
    return pairs.map((pair) => {
      const [method = '', list = '', from] = pair.split(' ')
      const needed = list === '-' ? undefined : list.split(',')
      return [`${method} ${path}`, needed, from === 'From'] as const
    })
  })
  const read = operations.map((operation) => [
    operation,
    operationScopes[operation],
    declaresFrom(concrete(operation)),
  ])
  expect(new Map(read.map((one) => [one[0], one]))).toEqual(new Map(listed.map((one) => [one[0], one])))
  expect(listed).toHaveLength(498)
  expect(listed.filter(([, needed]) => needed)).toHaveLength(415)
  expect(listed.filter(([, , from]) => from)).toHaveLength(14)
})

test('the page on scopes says how many operations declare none', () => {
  const page = readFileSync(join(__dirname, '../../docs/scopes.md'), 'utf8')
  const undeclared = operations.filter((operation) => operationScopes[operation] === undefined)
  expect(page).toContain(`${undeclared.length} of ${operations.length} operations declare none`)
})

test('has 74 scopes, each with its resource, and with a note where it is odd', () => {
  expect(Object.keys(scopes)).toHaveLength(74)
  expect(scopes['users:sessions.write']).toEqual({ resource: 'users:sessions', access: 'write' })
  expect(scopes['sre_agent.write'].note).toBe('There is no sre_agent.read.')
})

test.each(operations)('finds %s by its template and by a concrete path', (operation) => {
  const expected = operationScopes[operation] ?? 'unknown'
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
  ['GET /scim/v2/Users/PT4KHLK', ['users.read']],
  ['PATCH /scim/v2/Users/PT4KHLK', ['users.write']],
  [
    'POST https://app.pagerduty.com/integration-slack/workspaces/T1/connections',
    ['incidents.read', 'priorities.read', 'services.read', 'users.read', 'webhook_subscriptions.write'],
  ],
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

test.each([
  ['POST /incidents', true],
  ['POST https://api.eu.pagerduty.com/incidents?debug=1', true],
  ['POST http://127.0.0.1:8080/incidents', true],
  ['PUT /incidents/PT4KHLK', true],
  ['PUT /incidents/{id}', true],
  ['GET /incidents', false],
  ['GET /incidents/PT4KHLK', false],
  ['POST /services', false],
  ['POST /nothing/of/the/kind', false],
])('whether %s declares the header From: %p', (request, expected) => {
  expect(declaresFrom(request)).toBe(expected)
})

test('knows its scopes to the letter', () => {
  for (const scope of Object.keys(scopes)) {
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

test('what an app does to a list of scopes changes no guard', () => {
  const list = scopesFor('GET /incidents') as string[]
  expect(() => list.push('users.read')).toThrow(TypeError)
  expect(() => Object.assign(operationScopes, { 'GET /incidents': [] })).toThrow(TypeError)
  expect(scopesFor('GET /incidents')).toEqual(['incidents.read'])
})
