import type { Simulator } from '../../src/testing'
import { api, classicClient, logIn, simulators } from './support'

const { start } = simulators()

type Item = Record<string, unknown> & { id: string }

let simulator: Simulator
let token: string
beforeEach(async () => {
  simulator = await start({ clients: [classicClient] })
  token = (await logIn(simulator, { scope: 'write' })).accessToken
})

async function get(path: string, search: Record<string, string> = {}): Promise<Record<string, unknown>> {
  const answer = await api(simulator, token, `${path}?${new URLSearchParams(search)}`)
  return (await answer.json()) as Record<string, unknown>
}

async function list(path: string, search: Record<string, string> = {}): Promise<Item[]> {
  return (await get(path, search))[path.slice(1)] as Item[]
}

const ids = (items: readonly Item[]) => items.map(({ id }) => id)

const times = { since: '2001-01-01T00:00:00Z', until: '2001-01-02T00:00:00Z' }

it.each([
  ['/users', { query: 'nobody' }],
  ['/users', { 'team_ids[]': 'PNOPE' }],
  ['/services', { query: 'nothing' }],
  ['/services', { name: 'Check' }],
  ['/services', { 'team_ids[]': 'PNOPE' }],
  ['/teams', { query: 'nobody' }],
  ['/schedules', { query: 'never' }],
  ['/schedules', { 'team_ids[]': 'PNOPE' }],
  ['/escalation_policies', { query: 'nobody' }],
  ['/escalation_policies', { 'user_ids[]': 'PNOPE' }],
  ['/escalation_policies', { 'team_ids[]': 'PNOPE' }],
  ['/oncalls', { 'user_ids[]': 'PNOPE' }],
  ['/oncalls', { 'schedule_ids[]': 'PNOPE' }],
  ['/oncalls', { 'escalation_policy_ids[]': 'PNOPE' }],
  ['/oncalls', times],
  ['/change_events', { 'integration_ids[]': 'PNOPE' }],
  ['/change_events', { 'team_ids[]': 'PNOPE' }],
  ['/change_events', times],
  ['/incidents', { 'service_ids[]': 'PNOPE' }],
  ['/incidents', { 'team_ids[]': 'PNOPE' }],
  ['/incidents', { 'user_ids[]': 'PNOPE' }],
  ['/incidents', { incident_key: 'none' }],
  ['/incidents', { since: '2999-01-01T00:00:00Z' }],
  ['/incidents', times],
])('%s has nothing for %j, and something without', async (path, search) => {
  expect(await list(path, search)).toEqual([])
  expect(await list(path)).not.toEqual([])
})

it('finds users and services by a part of the name, or a service by all of it', async () => {
  expect(ids(await list('/users', { query: 'aDa' }))).toEqual(['PACME01'])
  expect(await list('/services', { query: 'check' })).toMatchObject([{ name: 'Checkout' }])
  expect(await list('/services', { name: 'Checkout' })).toMatchObject([{ name: 'Checkout' }])
})

it('finds incidents by what they refer to, and by nothing of another kind', async () => {
  const all = await list('/incidents')
  const [service] = await list('/services')
  const [team] = await list('/teams')
  const ofService = await list('/incidents', { 'service_ids[]': String(service?.id) })
  expect(ofService).toHaveLength(2)
  for (const incident of ofService) expect(incident['service']).toMatchObject({ id: service?.id })
  expect(await list('/incidents', { 'service_ids[]': String(team?.id) })).toEqual([])
  const ofAda = await list('/incidents', { 'user_ids[]': 'PACME01' })
  expect(ofAda.length).toBeGreaterThan(0)
  expect(ofAda.length).toBeLessThan(all.length)
  const [first] = all
  expect(ids(await list('/incidents', { incident_key: String(first?.['incident_key']) }))).toEqual([
    first?.id,
  ])
})

it('finds incidents of a time, unless all times are requested', async () => {
  const hour = { since: new Date(Date.now() - 3_600_000).toISOString() }
  const all = ids(await list('/incidents'))
  const late = ids(await list('/incidents', hour))
  expect(late.length).toBeGreaterThan(0)
  expect(late.length).toBeLessThan(all.length)
  expect(ids(await list('/incidents', { until: hour.since }))).toHaveLength(all.length - late.length)
  expect(ids(await list('/incidents', { ...hour, date_range: 'all' }))).toEqual(all)
  expect(await get('/incidents', { since: 'yesterday' })).toMatchObject({ error: { code: 2001 } })
})

it('sorts by two fields', async () => {
  const incidents = await list('/incidents', { sort_by: 'urgency:desc,created_at:asc' })
  const ranks = incidents.map(
    ({ urgency, created_at }) => `${urgency === 'low' ? 0 : 1} ${String(created_at)}`,
  )
  expect(ranks).toEqual(ranks.toSorted())
  expect((await list('/services', { sort_by: 'name:desc' }))[0]).toMatchObject({ name: 'Search' })
})

it('ignores parameters that PagerDuty does not document for the list', async () => {
  expect(await list('/teams', { 'user_ids[]': 'PNOPE', since: 'never' })).toHaveLength(2)
})

it('counts all that was found only when asked to', async () => {
  expect(await get('/services', { limit: '1' })).toMatchObject({ total: null, more: true })
  expect(await get('/services', { limit: '1', total: 'true' })).toMatchObject({ total: 4, more: true })
  expect(await get('/users', { query: 'ada', total: 'true' })).toMatchObject({ total: 1, more: false })
})

it('pages no further than 10,000', async () => {
  expect(await get('/users', { offset: '9975', limit: '25' })).toMatchObject({ users: [], more: false })
  expect(await get('/users', { offset: '9976', limit: '25' })).toMatchObject({
    error: {
      message: 'Arguments Caused Error',
      code: 2002,
      errors: [expect.stringContaining('Offset+limit exceeds maximum allowed value of 10000')],
    },
  })
})

it.each(['service', 'team', 'schedule', 'change_event', 'user', 'incident'])(
  'has each %s by its id too',
  async (kind) => {
    const [first] = await list(`/${kind}s`)
    expect(await get(`/${kind}s/${first?.id}`)).toEqual({ [kind]: first })
    expect(await get(`/${kind}s/PNOPE`)).toEqual({ error: { message: 'Not Found', code: 2100 } })
  },
)

it('has the escalation policy that a service refers to', async () => {
  const [service] = await list('/services')
  const { id } = (service as Item)['escalation_policy'] as Item
  expect(await get(`/escalation_policies/${id}`)).toMatchObject({ escalation_policy: { id } })
})
