import type { Simulator } from '../../src/testing'
import { api, logIn, simulators } from './support'

const { start } = simulators()

interface Body {
  incident: Item
  incidents: Item[]
  services: Item[]
}

type Item = Record<string, unknown> & { id: string }

let simulator: Simulator
let token: string
beforeEach(async () => {
  simulator = await start()
  const scope = 'incidents.read incidents.write services.read users.read'
  token = (await logIn(simulator, { scope })).accessToken
})

async function call(
  method: string,
  path: string,
  body?: unknown,
  as = token,
): Promise<{ status: number; body: Body }> {
  const headers = { 'content-type': 'application/json' }
  const answer = await api(simulator, as, path, {
    method,
    ...(body !== undefined && { headers, body: JSON.stringify(body) }),
  })
  return { status: answer.status, body: (await answer.json()) as Body }
}

const list = async (search = ''): Promise<Item[]> => (await call('GET', `/incidents${search}`)).body.incidents
const put = (id: string | undefined, change: object, as?: string) =>
  call('PUT', `/incidents/${id}`, { incident: { type: 'incident_reference', ...change } }, as)

const firstService = async () => (await call('GET', '/services')).body.services[0]?.id

describe('an update', () => {
  it('acknowledges, resolves and, as documented, opens again', async () => {
    const [found] = await list('?statuses[]=triggered')
    expect(await put(found?.id, { status: 'acknowledged' })).toMatchObject({ status: 200 })
    expect((await call('GET', `/incidents/${found?.id}`)).body.incident).toMatchObject({
      status: 'acknowledged',
    })
    const { body } = await put(found?.id, { status: 'resolved', resolution: 'Turned off and on' })
    expect(body.incident).toMatchObject({ status: 'resolved', assignments: [] })
    expect((await put(found?.id, { status: 'triggered' })).body.incident).toMatchObject({
      status: 'triggered',
    })
  })

  it('changes title and urgency too, and rejects values that do not exist', async () => {
    const [found] = await list()
    const { body } = await put(found?.id, { title: 'Worse', urgency: 'low' })
    expect(body.incident).toMatchObject({ title: 'Worse', urgency: 'low', status: found?.['status'] })
    for (const change of [{ status: 'ended' }, { urgency: 'none' }, { title: '' }]) {
      expect(await put(found?.id, change)).toMatchObject({ status: 400, body: { error: { code: 2001 } } })
    }
    expect(await call('PUT', `/incidents/${found?.id}`, {})).toMatchObject({ status: 400 })
  })

  it('leaves an incident named by its number and title, wherever it is read', async () => {
    const named = ({ incident_number: number, title }: Item) => `[#${String(number)}] ${String(title)}`
    for (const incident of await list()) expect(incident['summary']).toBe(named(incident))
    const [found] = await list()
    const { body } = await put(found?.id, { title: 'Worse' })
    expect(body.incident['summary']).toBe(`[#${String(found?.['incident_number'])}] Worse`)
    const change = { incidents: [{ id: found?.id, title: 'Worst' }] }
    const several = (await call('PUT', '/incidents', change)).body.incidents[0] as Item
    expect(several['summary']).toBe(named(several))
    expect((await list())[0]).toMatchObject({ title: 'Worst', summary: several['summary'] })
  })

  it('needs the incident, and the scope to write', async () => {
    const [found] = await list()
    const reader = await logIn(simulator, { scope: 'incidents.read' })
    expect((await put('PNONE', { status: 'resolved' })).status).toBe(404)
    expect((await put(found?.id, { status: 'resolved' }, reader.accessToken)).status).toBe(403)
  })

  it('of several is done for all or for none, and for 250 at most', async () => {
    const [first, second] = await list('?statuses[]=triggered')
    const change = (...ids: unknown[]) => ({ incidents: ids.map((id) => ({ id, status: 'resolved' })) })
    expect((await call('PUT', '/incidents', change(first?.id, 'PNONE'))).status).toBe(404)
    const wrong = {
      incidents: [
        { id: first?.id, status: 'resolved' },
        { id: second?.id, status: 'ended' },
      ],
    }
    expect((await call('PUT', '/incidents', wrong)).status).toBe(400)
    expect((await call('PUT', '/incidents', change(...Array.from({ length: 251 })))).status).toBe(413)
    expect((await call('GET', `/incidents/${first?.id}`)).body.incident).toMatchObject({
      status: 'triggered',
    })

    const { status, body } = await call('PUT', '/incidents', change(first?.id, second?.id))
    expect(status).toBe(200)
    expect(body.incidents).toMatchObject([
      { id: first?.id, status: 'resolved' },
      { id: second?.id, status: 'resolved' },
    ])
  })
})

describe('a new incident', () => {
  it('is triggered, and assigned to who is on call for the service', async () => {
    const [, search] = (await call('GET', '/services')).body.services
    const service = { id: search?.id, type: 'service_reference' }
    const { status, body } = await call('POST', '/incidents', {
      incident: { type: 'incident', title: 'Coffee is out', service, urgency: 'low' },
    })
    expect(status).toBe(201)
    expect(body.incident).toMatchObject({
      id: expect.stringMatching(/^P[0-9A-F]{6}$/),
      type: 'incident',
      title: 'Coffee is out',
      summary: `[#${String(body.incident['incident_number'])}] Coffee is out`,
      status: 'triggered',
      urgency: 'low',
      service: { id: service.id },
      assignments: [{ assignee: { type: 'user_reference' } }],
    })
    expect((await list()).at(-1)).toEqual(body.incident)
  })

  it('needs title and service', async () => {
    const id = await firstService()
    for (const incident of [{ title: 'x' }, { title: 'x', service: { id: 'PNOPE' } }, { service: { id } }]) {
      expect(await call('POST', '/incidents', { incident })).toMatchObject({ status: 400 })
    }
  })

  it('is rejected while another one with its key is open at the service', async () => {
    const id = await firstService()
    const create = () =>
      call('POST', '/incidents', { incident: { title: 'x', service: { id }, incident_key: 'k' } })
    const { body } = await create()
    expect(await create()).toMatchObject({
      status: 400,
      body: {
        error: {
          message: 'Arguments Caused Error',
          code: 2002,
          errors: ['Open incident with matching dedup key already exists on this service'],
        },
      },
    })
    await put(body.incident.id, { status: 'resolved' })
    expect((await create()).status).toBe(201)
  })
})
