import { api } from '@pagerduty/pdjs'
import type { Simulator } from '../../../src/testing'
import { logIn, simulators } from '../support'

const { start } = simulators()

async function connect(simulator: Simulator, scope: string) {
  const { accessToken } = await logIn(simulator, { scope })
  // pdjs puts https before a host name: a whole URL is what leads it here.
  return (method: string, path: string, data?: object) =>
    api({ url: simulator.url + path, method, token: accessToken, tokenType: 'bearer', ...(data && { data }) })
}

it('pages through a list', async () => {
  const call = await connect(await start(), 'incidents.read')
  const numbers: number[] = []
  let answer = await call('GET', '/incidents?limit=3')
  let pages = 1
  const { data: all } = (await call('GET', '/incidents?limit=100')) as { data: { incidents: object[] } }
  for (;;) {
    const { incidents } = answer.data as { incidents: { incident_number: number }[] }
    numbers.push(...incidents.map((incident) => incident.incident_number))
    if (!answer.next) break
    answer = await answer.next()
    pages += 1
  }
  expect([pages, new Set(numbers).size]).toEqual([3, all.incidents.length])
})

it('opens and resolves an incident', async () => {
  const call = await connect(await start(), 'incidents.read incidents.write services.read')
  const { data: found } = (await call('GET', '/services')) as { data: { services: { id: string }[] } }
  const service = { id: found.services[0]?.id, type: 'service_reference' }
  const incident = { type: 'incident', title: 'Made with pdjs', service }
  const { data } = (await call('POST', '/incidents', { incident })) as { data: { incident: { id: string } } }
  const change = { incident: { type: 'incident', status: 'resolved' } }
  const resolved = await call('PUT', `/incidents/${data.incident.id}`, change)
  expect(resolved.data).toMatchObject({ incident: { title: 'Made with pdjs', status: 'resolved' } })
})

it('shows errors as PagerDuty has them', async () => {
  const simulator = await start()
  const call = await connect(simulator, 'users.read')
  const refused = await call('GET', '/incidents')
  expect(refused.status).toBe(403)
  expect(refused.data).toMatchObject({ error: { required_scopes: 'incidents.read' } })
  const missing = await call('GET', '/users/PNOPE')
  expect([missing.status, missing.data]).toEqual([404, { error: { message: 'Not Found', code: 2100 } }])
})
