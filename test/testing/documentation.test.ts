import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { scopesFor } from '../../src'
import { operations } from '../../src/testing/rest-api'
import { lists } from '../../src/testing/rest-lists'

const page = readFileSync(join(__dirname, '../../docs/testing.md'), 'utf8')

it('lists every operation of the simulator with its scope and parameters, and no other', () => {
  const rows = page.matchAll(/^\| `((?:GET|POST|PUT) \S+)` *\| `(\S+)` *\| *(.*?) *\|$/gm)
  const documented = [...rows].map(([, operation, scope, names = '']) => [
    operation,
    scope,
    names.replaceAll('`', ''),
  ])
  const served = operations.map(([method, path, scope]) => {
    const name = path.slice(1) as keyof typeof lists
    const names = (method === 'get' && lists[name]) || ''
    return [`${method.toUpperCase()} ${path.replace(':id', '{id}')}`, scope, names]
  })
  expect(documented).toEqual(served)
})

it('asks for the scope that PagerDuty declares for each operation', () => {
  for (const [method, path, scope] of operations.filter(([, path]) => path !== '/users/me')) {
    expect(scopesFor(`${method.toUpperCase()} ${path.replace(':id', '{id}')}` as 'GET /incidents')).toEqual([
      scope,
    ])
  }
})
