import { type Simulator, defaultClient } from '../../../src/testing'
import { simulators } from '../support'

// The requests of `@pagerduty/backstage-plugin-backend` 0.14, read from its source: installing it brings a Backstage along,
// and it has the address of PagerDuty's identity service built in.
const { start } = simulators()

const scope = `
        abilities.read 
        escalation_policies.read 
        incidents.read 
        oncalls.read 
        services.read 
        services.write 
        standards.read
        teams.read 
        vendors.read
    `

async function requestToken(
  simulator: Simulator,
  subdomain = 'acme',
  secret = defaultClient.clientSecret ?? '',
) {
  const body = new URLSearchParams()
  body.append('grant_type', 'client_credentials')
  body.append('client_id', defaultClient.clientID)
  body.append('client_secret', secret)
  body.append('scope', `as_account-us.${subdomain} ${scope}`)
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
  return fetch(`${simulator.url}/oauth/token`, { method: 'POST', headers, body })
}

async function connect(simulator: Simulator) {
  const { access_token: token } = (await (await requestToken(simulator)).json()) as { access_token: string }
  const headers = {
    Authorization: `Bearer ${token}`,
    Accept: 'application/vnd.pagerduty+json;version=2',
    'Content-Type': 'application/json',
  }
  return async (path: string) => {
    const answer = await fetch(simulator.url + path, { headers })
    return {
      status: answer.status,
      body: (await answer.json()) as Record<string, unknown[]> & { total?: number },
    }
  }
}

const granted = 'escalation_policies.read incidents.read oncalls.read services.read standards.read'
const clients = [{ ...defaultClient, scope: granted.split(' ') }]

test('Backstage gets a token, whose scope is in lines of its own, for as long as it says', async () => {
  const answer = await requestToken(await start({ clients }))
  expect(await answer.json()).toMatchObject({
    scope: `as_account-us.acme ${granted}`,
    expires_in: 86_400,
  })
})

test('Backstage distinguishes wrong arguments from wrong credentials by the status', async () => {
  const simulator = await start({ clients })
  expect((await requestToken(simulator, 'nowhere')).status).toBe(400)
  expect((await requestToken(simulator, 'acme', 'wrong')).status).toBe(401)
})

test('Backstage pages through services by their total, and through policies while there are more', async () => {
  const call = await connect(await start({ clients }))
  const include =
    'time_zone=UTC&include[]=integrations&include[]=escalation_policies&include[]=teams&total=true'
  const services: unknown[] = []
  for (let offset = 0, total = 1; offset < total; offset += 3) {
    const { body } = await call(`/services?${include}&offset=${offset}&limit=3`)
    services.push(...(body['services'] ?? []))
    total = body.total ?? 0
  }
  expect(services).toHaveLength(4)
  const policies: unknown[] = []
  for (let offset = 0, more: unknown = true; more === true; offset += 3) {
    const { body } = await call(`/escalation_policies?total=true&sort_by=name&offset=${offset}&limit=3`)
    policies.push(...(body['escalation_policies'] ?? []))
    more = body['more']
  }
  expect(policies).toHaveLength(4)
})

test('Backstage shows who is on call for a service, and its open incidents', async () => {
  const call = await connect(await start({ clients }))
  const { body } = await call('/services?query=Checkout&time_zone=UTC&include[]=integrations')
  const [service] = body['services'] as { id: string; escalation_policy: { id: string } }[]
  const include = 'time_zone=UTC&include[]=users'
  const policy = service?.escalation_policy.id
  const oncalls = await call(`/oncalls?${include}&escalation_policy_ids[]=${policy}`)
  expect(oncalls.body['oncalls']).toMatchObject([{ escalation_level: 1, user: { summary: 'Ada Okafor' } }])
  const open = 'time_zone=UTC&sort_by=created_at&statuses[]=triggered&statuses[]=acknowledged'
  const incidents = await call(`/incidents?${open}&service_ids[]=${service?.id}`)
  expect(incidents.body['incidents']).toMatchObject([{ status: 'triggered', service: { id: service?.id } }])
})

test.each(['/abilities', '/services/PNOPE/change_events', '/standards/scores/technical_services/PNOPE'])(
  'Backstage gets an error that the simulator has no %s',
  async (path) => {
    const { status, body } = await (await connect(await start({ clients })))(path)
    expect([status, body['error']]).toMatchObject([404, { message: `The simulator has no GET ${path}` }])
  },
)
