import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { scopesFor } from '../../src'
import { operations } from '../../src/testing/rest-api'
import { lists } from '../../src/testing/rest-lists'
import { api, logIn, simulators } from './support'

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

it('requires the scope that PagerDuty declares for each operation', () => {
  for (const [method, path, scope] of operations.filter(([, path]) => path !== '/users/me')) {
    expect(scopesFor(`${method.toUpperCase()} ${path.replace(':id', '{id}')}` as 'GET /incidents')).toEqual([
      scope,
    ])
  }
})

describe('where it differs from PagerDuty, the simulator', () => {
  const { start } = simulators()
  const everything = { scope: 'incidents.read incidents.write' }

  it('has no rate limit headers where the page says so', async () => {
    const simulator = await start()
    const { accessToken } = await logIn(simulator, everything)
    const limitOf = async (path: string, init?: RequestInit) =>
      (await api(simulator, accessToken, path, init)).headers.get('ratelimit-limit')
    expect(await limitOf('/incidents/PNOPE')).toBe('960')
    expect(await limitOf('/priorities')).toBeNull()
    expect(await limitOf('/incidents/%E0%A4%A')).toBeNull()
    expect(await limitOf('/incidents', { method: 'POST', body: ' '.repeat(300_000) })).toBeNull()
    simulator.failNext('api', '500')
    expect(await limitOf('/incidents')).toBeNull()
  })

  it('takes writes of any Content-Type', async () => {
    const simulator = await start()
    const { accessToken } = await logIn(simulator, everything)
    const { incidents } = (await (await api(simulator, accessToken, '/incidents')).json()) as {
      incidents: { id: string }[]
    }
    const body = JSON.stringify({ note: { content: 'Looking into it' } })
    const path = `/incidents/${incidents[0]?.id}/notes`
    const headers = { 'content-type': 'text/plain' }
    expect((await api(simulator, accessToken, path, { method: 'POST', headers, body })).status).toBe(201)
  })
})
